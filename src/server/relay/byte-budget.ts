import { RelayError } from "./relay-error.js";

/** How many bytes all answers together may hold that are under way at one time. */
export class ByteBudget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** A share that grows as it is needed and is given back at once; what is taken after that does not count. */
  share(): { take(bytes: number): void; giveBack(): void } {
    let taken = 0;
    let open = true;
    return {
      /** @throws RelayError 503 where nothing is left. */
      take: (bytes) => {
        if (!open) return;
        if (bytes > this.#left) throw new RelayError(503, "too much is under way at the relay; try again");
        this.#left -= bytes;
        taken += bytes;
      },
      giveBack: () => {
        open = false;
        this.#left += taken;
        taken = 0;
      },
    };
  }
}
