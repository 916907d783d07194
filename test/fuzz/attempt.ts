import { type Fault, faultOf } from "./fault.js";
import { LawBroken, type Subject } from "./subject.js";

/** What takes longer is a failure: a small input must not keep the process from its work. In CPU time. */
export const slowMs = 1000;

export interface Attempt {
  readonly fault?: Fault;
  readonly cpuMs: number;
}

/** Feeds one input to a subject. */
export async function attempt({ check }: Subject, input: Uint8Array): Promise<Attempt> {
  const begun = cpuMs();
  try {
    // A copy: what is tested must not change what is kept.
    await check(Buffer.from(input));
    const spent = cpuMs() - begun;
    if (spent > slowMs) throw new LawBroken("an input takes no more than a second", `${spent} ms`);
    return { cpuMs: spent };
  } catch (error) {
    return { fault: faultOf(error), cpuMs: cpuMs() - begun };
  }
}

/** CPU time of the process, whose other threads only wait: on a machine that is busy the clock tells little. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
