import bcrypt from "bcrypt";

/** Whether the bcrypt `hash` was made of `password`. */
export type ComparePassword = (password: Buffer, hash: string) => Promise<boolean>;

export interface PasswordCheckLimits {
  /** Checks per second. */
  readonly perSecond: number;
  /** Checks that may wait, in total and per client. */
  readonly waiting: number;
  readonly waitingPerClient: number;
}

const defaultLimits: PasswordCheckLimits = { perSecond: 5, waiting: 32, waitingPerClient: 4 };

interface Check {
  readonly client: string;
  /** Never rejects. */
  readonly run: () => Promise<void>;
}

/**
 * Checks passwords one at a time and at a limited rate: bcrypt takes at least 60 ms of CPU time each, on one of the
 * few threads that also compress, resolve names and read files.
 */
export class PasswordChecks {
  readonly #waiting: Check[] = [];
  #busy = false;
  #stopped = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limits: PasswordCheckLimits = defaultLimits,
    private readonly compare: ComparePassword = compareWithBcrypt,
  ) {}

  /**
   * Whether the password is correct; undefined where too many checks are waiting.
   *
   * @param client the client's addressBlock.
   */
  check(password: Buffer, hash: string, client: string): Promise<boolean> | undefined {
    const { waiting, waitingPerClient } = this.limits;
    if (this.#waiting.length >= waiting) return undefined;
    if (this.#waiting.filter((other) => other.client === client).length >= waitingPerClient) return undefined;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ client, run: () => this.compare(password, hash).then(resolve, reject) });
      if (!this.#busy) void this.#next();
    });
  }

  /** Cancels all waiting checks: their promises stay pending. */
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
    await check.run();
    if (this.#stopped) return;
    const pause = 1000 / this.limits.perSecond - (performance.now() - begun);
    this.#timer = setTimeout(() => void this.#next(), Math.max(0, pause));
  }
}

/** The library knows only the prefixes $2a$ and $2b$. crypt_blowfish and htpasswd write $2y$ for the latter. */
const compareWithBcrypt: ComparePassword = (password, hash) =>
  bcrypt.compare(password, hash.replace(/^\$2y\$/, "$2b$"));
