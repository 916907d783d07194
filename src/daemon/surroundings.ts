import type { Config } from "../config/config.js";
import type { Logger } from "../logging.js";

/** What every part is made from. */
export interface Surroundings {
  readonly config: Config;
  readonly logger: Logger;
  readonly version: string;
}
