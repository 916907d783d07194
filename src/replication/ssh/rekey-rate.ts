import type { Rate } from "../../model/token-bucket.js";

/**
 * Negotiations of new keys that the other end of a connection may ask for. Each costs some
 * milliseconds of CPU; who keeps to RFC 4253, section 9, asks for one a gigabyte.
 */
export const rekeyRate: Rate = { capacity: 10, perSecond: 0.1 };
