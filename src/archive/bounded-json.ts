const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];

export interface JsonLimits {
  /** The most values, keys of objects not counted. */
  readonly values: number;
  /** The most arrays and objects around a value. */
  readonly depth: number;
}

/**
 * Parses JSON with a limited structure. Without these limits, a megabyte of brackets blocks the process for half a
 * second, and four of them for several seconds.
 *
 * @throws Error if the JSON is invalid or exceeds a limit.
 */
export function parseBoundedJson(json: Buffer, limits: JsonLimits): unknown {
  let values = 1;
  let depth = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (inString) {
      if (byte === backslash) at++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === comma) values++;
    else if (byte === openBracket || byte === openBrace) {
      values++;
      if (++depth > limits.depth) throw new Error(`more than ${limits.depth} levels`);
    } else if (byte === closeBracket || byte === closeBrace) depth--;
  }
  // Each value but the first follows a comma or an opening bracket.
  if (values > limits.values) throw new Error(`more than ${limits.values} values`);
  return JSON.parse(json.toString("utf8"));
}
