import type { TargetChange, TargetProvider } from "../../src/discovery/provider.js";
import { DiscoveryError } from "../../src/errors.js";
import type { Target } from "../../src/model/target.js";

/** A provider whose targets and changes are set by a test. */
export interface FakeProvider extends TargetProvider {
  targets: Target[];
  /** While set, lists fail with this reason. */
  failure: string | undefined;
  lists: number;
  tell(change: TargetChange): void;
}

export function fakeProvider(...targets: Target[]): FakeProvider {
  let listener: ((change: TargetChange) => void) | undefined;
  return {
    name: "test",
    targets,
    failure: undefined,
    lists: 0,
    async list() {
      this.lists++;
      if (this.failure !== undefined) throw new DiscoveryError(this.failure);
      return this.targets;
    },
    async watch(given, signal) {
      listener = given;
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
    tell: (change) => listener?.(change),
  };
}
