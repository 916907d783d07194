import { z } from "zod";
import type { TargetChange } from "../provider.js";
import { targetIdOf } from "./container-target.js";

/** Filters of GET /events: only what changes which containers run and where. Health checks would send events every second. */
export const eventFilters = {
  type: ["container", "network"],
  event: ["start", "die", "pause", "unpause", "rename", "connect", "disconnect"],
};

/** A parsed event. */
export interface EngineEvent {
  readonly change: TargetChange;
  /** Time of the event by the engine's clock, in microseconds since 1970. */
  readonly atMicroseconds: number;
  /** The container that started. */
  readonly startedContainer?: string;
}

/** The limit keeps the time a number that the parameter `since` of a later request accepts. */
const seconds = z.number().nonnegative().max(1e11);

const schema = z.object({
  Type: z.string(),
  Action: z.string(),
  Actor: z.object({ ID: z.string() }),
  time: seconds,
  timeNano: z.number().nonnegative().max(1e20).optional(),
});

/** Parses one line of GET /events; undefined if it is no event. */
export function readEvent(line: string): EngineEvent | undefined {
  let raw: unknown;
  try {
    raw = JSON.parse(line);
  } catch {
    return undefined;
  }
  const checked = schema.safeParse(raw);
  if (!checked.success) return undefined;
  const { Type, Action, Actor, time, timeNano } = checked.data;
  const atMicroseconds = timeNano === undefined ? time * 1e6 : Math.round(timeNano / 1000);
  if (Type !== "container") return { change: { kind: "changed" }, atMicroseconds };
  const id = targetIdOf(Actor.ID);
  switch (Action) {
    case "start":
      return { change: { kind: "started", id }, atMicroseconds, startedContainer: Actor.ID };
    case "unpause":
      return { change: { kind: "started", id }, atMicroseconds };
    case "die":
    case "pause":
      return { change: { kind: "stopped", id }, atMicroseconds };
    default:
      return { change: { kind: "changed" }, atMicroseconds };
  }
}
