/**
 * Negotiations of new keys that the other end of a connection may ask for, at once and then a second. Each costs some
 * milliseconds of CPU; who keeps to RFC 4253, section 9, asks for one a gigabyte.
 */
export const rekeyRate = [10, 0.1] as const;
