import { type Fault, faultOf } from "./fault.js";
import { LawBroken, type Subject } from "./subject.js";

/** What takes longer is a failure: a small input must not keep the process from its work. In CPU time. */
export const slowMs = 1000;

/**
 * What has more set aside for it, in MiB, is a failure. Counted is also what is never written to, which the memory of
 * the process does not show, and what is free again already: less, where it was collected before the end.
 */
const mostMb = 256;

export interface Attempt {
  readonly fault?: Fault;
  readonly cpuMs: number;
}

/** Feeds one input to a subject. */
export async function attempt({ check }: Subject, input: Uint8Array): Promise<Attempt> {
  const begun = cpuMs();
  const before = allocatedMb();
  try {
    // A copy: what is tested must not change what is kept.
    await check(Buffer.from(input));
    const spent = cpuMs() - begun;
    if (spent > slowMs) throw new LawBroken("an input takes no more than a second", `${spent} ms`);
    const grown = allocatedMb() - before;
    if (grown > mostMb) throw new LawBroken(`an input takes no more than ${mostMb} MiB`, `${grown} MiB`);
    return { cpuMs: spent };
  } catch (error) {
    return { fault: faultOf(error), cpuMs: cpuMs() - begun };
  }
}

/** CPU time of the process, whose other threads only wait. Unlike elapsed time, it is reliable on a busy machine. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function allocatedMb(): number {
  const { heapUsed, external } = process.memoryUsage();
  return Math.round((heapUsed + external) / 2 ** 20);
}
