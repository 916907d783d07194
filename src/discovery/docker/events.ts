import { z } from "zod";
import type { TargetChange } from "../provider.js";
import { targetIdOf } from "./container-target.js";

/** What is asked of GET /events: only what changes who runs and where. Health checks would come every second. */
export const eventFilters = {
  type: ["container", "network"],
  event: ["start", "die", "pause", "unpause", "rename", "connect", "disconnect"],
};

/** An event, read. */
export interface EngineEvent {
  readonly change: TargetChange;
  /** When it happened, by the engine's clock, in microseconds since the epoch. */
  readonly atMicroseconds: number;
  /** The container that was started then. */
  readonly startedContainer?: string;
}

/** Seconds, far beyond any clock: what is asked for from a moment on must be a number of this size. */
const seconds = z.number().nonnegative().max(1e11);

const schema = z.object({
  Type: z.string(),
  Action: z.string(),
  Actor: z.object({ ID: z.string() }),
  time: seconds,
  timeNano: z.number().nonnegative().max(1e20).optional(),
});

/** Reads one line of GET /events; undefined where it is none. */
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
