import { LawBroken } from "./subject.js";

/** What went wrong with an input. */
export interface Fault {
  /** The same for inputs that fail for the same reason. */
  readonly kind: string;
  /** In words. */
  readonly text: string;
}

/** The fault that an error of a check reports. */
export function faultOf(error: unknown): Fault {
  if (error instanceof LawBroken) return { kind: error.law, text: error.message };
  if (!(error instanceof Error)) return { kind: "throws something", text: `threw ${String(error)}` };
  const place = /^\s+at .*?([^/\\]+\.[jt]s:\d+)/m.exec(error.stack ?? "")?.[1] ?? "";
  return { kind: `${error.name} ${place}`, text: `${error.name}: ${error.message} (${place})` };
}
