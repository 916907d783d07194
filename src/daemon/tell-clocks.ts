import type { Logger } from "../logging.js";
import { clockTolerance } from "../model/clock-offset.js";

/** Seconds below which a clock that was off counts as well again: one at the limit must not be told time and again. */
const wellAgain = clockTolerance / 2;

/** Logs once when the clock of an origin is off, and once when it is well again, or the origin is gone. */
export function clockTeller(logger: Logger): (offsets: ReadonlyMap<string, number>) => void {
  const off = new Set<string>();
  return (offsets) => {
    for (const [origin, offset] of offsets) {
      if (Math.abs(offset) <= clockTolerance || off.has(origin)) continue;
      off.add(origin);
      logger.warn("the clock of a node differs from this one's: /federate gives no times for it", {
        node: origin,
        secondsAhead: Math.round(offset * 10) / 10,
      });
    }
    for (const origin of off) {
      if (Math.abs(offsets.get(origin) ?? 0) > wellAgain) continue;
      off.delete(origin);
      logger.info("the clock of a node agrees with this one's again, or it is gone", { node: origin });
    }
  };
}
