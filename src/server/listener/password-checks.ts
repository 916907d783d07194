import bcrypt from "bcrypt";

/** Whether `password` is the one that the bcrypt `hash` was made of. */
export type ComparePassword = (password: Buffer, hash: string) => Promise<boolean>;

/** How many passwords are looked at. */
export interface PasswordCheckLimits {
  /** A second, in all. */
  readonly perSecond: number;
  /** That may wait for their turn, in all and from one client. */
  readonly waiting: number;
  readonly waitingOfOne: number;
}

export const defaultPasswordCheckLimits: PasswordCheckLimits = { perSecond: 5, waiting: 32, waitingOfOne: 4 };

interface Check {
  readonly client: string;
  readonly run: () => Promise<boolean>;
  readonly resolve: (same: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Looks at passwords one after the other and only so many a second: bcrypt takes 60 ms and more of CPU for each, on
 * one of the few threads that also compress, resolve names and read files.
 */
export class PasswordChecks {
  readonly #waiting: Check[] = [];
  #busy = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limits: PasswordCheckLimits = defaultPasswordCheckLimits,
    private readonly compare: ComparePassword = compareWithBcrypt,
  ) {}

  /**
   * Whether the password is right; undefined where too many wait already.
   *
   * @param client who asks; see addressBlock.
   */
  check(password: Buffer, hash: string, client: string): Promise<boolean> | undefined {
    const { waiting, waitingOfOne } = this.limits;
    if (this.#waiting.length >= waiting) return undefined;
    if (this.#waiting.filter((other) => other.client === client).length >= waitingOfOne) return undefined;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ client, run: () => this.compare(password, hash), resolve, reject });
      if (!this.#busy) void this.#next();
    });
  }

  /** Nothing that waits is looked at any more: who waits, waits in vain. */
  stop(): void {
    this.#stopped = true;
    this.#waiting.length = 0;
    clearTimeout(this.#timer);
  }

  async #next(): Promise<void> {
    const check = this.#waiting.shift();
    this.#busy = check !== undefined;
    if (check === undefined) return;
    const begun = performance.now();
    await check.run().then(check.resolve, check.reject);
    if (this.#stopped) return;
    const pause = 1000 / this.limits.perSecond - (performance.now() - begun);
    this.#timer = setTimeout(() => void this.#next(), Math.max(0, pause));
  }
}

/** The library knows only the names $2a$ and $2b$; $2y$ is what crypt_blowfish and htpasswd call the latter. */
const compareWithBcrypt: ComparePassword = (password, hash) =>
  bcrypt.compare(password, hash.replace(/^\$2y\$/, "$2b$"));
