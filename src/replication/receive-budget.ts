/** Bytes that all channels together may hold of what came and is not taken in yet. */
export class ReceiveBudget {
  #held = 0;

  constructor(private readonly most: number) {}

  /** Whether so many more may be held; then they are noted. Below zero they are given back. */
  change(bytes: number): boolean {
    this.#held += bytes;
    return bytes <= 0 || this.#held <= this.most;
  }

  get held(): number {
    return this.#held;
  }
}
