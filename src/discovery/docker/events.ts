import { StringDecoder } from "node:string_decoder";
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

/** What an action changes; the other actions may change anything. */
const changeKinds = new Map<string, "started" | "stopped">([
  ["start", "started"],
  ["unpause", "started"],
  ["die", "stopped"],
  ["pause", "stopped"],
]);

/**
 * The non-empty lines of a stream, whatever its chunks. `undefined` replaces a line that is too long.
 *
 * @param maxLength maximum length of a line in characters. No more than one line and one chunk are in memory.
 */
export async function* linesOf(
  chunks: AsyncIterable<string | Buffer>,
  maxLength: number,
): AsyncGenerator<string | undefined> {
  const decoder = new StringDecoder();
  let line = "";
  for await (const chunk of chunks) {
    const [end = "", ...following] = decoder.write(chunk).split("\n");
    if (line.length <= maxLength) line += end;
    for (const next of following) {
      if (line.trim() !== "") yield line.length > maxLength ? undefined : line.trim();
      line = next;
    }
  }
}

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
  const kind = Type === "container" ? changeKinds.get(Action) : undefined;
  return {
    change: kind === undefined ? { kind: "changed" } : { kind, id: targetIdOf(Actor.ID) },
    atMicroseconds: timeNano === undefined ? time * 1e6 : Math.round(timeNano / 1000),
    ...(kind !== undefined && Action === "start" && { startedContainer: Actor.ID }),
  };
}
