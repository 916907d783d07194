import { LawBroken, type Subject } from "./subject.js";

/** A reader with a fault that is not found by chance: each of its bytes must be right to get to the next. */
export const planted: Subject = {
  name: "planted",
  seeds: () => [Buffer.from("seed")],
  words: [],
  check(input) {
    if (input[0] !== 0x46) return;
    if (input[1] !== 0x55) return;
    if (input[2] !== 0x5a) return;
    throw new LawBroken("no input begins like this", undefined);
  },
};
