import type { Steps } from "../exposition/steps.js";
import type { JsonLimits } from "./bounded-json.js";

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openBracket, closeBracket, openBrace, closeBrace] = [0x5b, 0x5d, 0x7b, 0x7d];
/** Bytes that are scanned per step. */
const stepBytes = 64 * 1024;

/** A JSON object without the elements of its arrays. */
export interface SplitJson {
  /** The object, in which each array has one element: its index in `arrays`. */
  readonly object: unknown;
  /** The JSON of the elements. */
  readonly arrays: readonly (readonly Buffer[])[];
}

/**
 * Splits a JSON object with long arrays, so that it can be parsed in steps.
 *
 * @throws Error if the JSON outside the arrays is invalid, or all of it exceeds a limit.
 */
export function* splitJson(json: Buffer, limits: JsonLimits): Steps<SplitJson> {
  const arrays: Buffer[][] = [];
  const rest: Buffer[] = [];
  let array: Buffer[] | undefined;
  let [values, depth, begin, copied] = [1, 0, 0, 0];
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    if (at % stepBytes === stepBytes - 1) yield;
    const byte = json[at];
    if (inString) {
      if (byte === backslash) at++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === comma) {
      values++;
      if (depth !== 2 || array === undefined) continue;
      array.push(json.subarray(begin, at));
      begin = at + 1;
    } else if (byte === openBracket || byte === openBrace) {
      values++;
      if (++depth > limits.depth) throw new Error(`more than ${limits.depth} levels`);
      if (depth !== 2 || byte === openBrace) continue;
      rest.push(json.subarray(copied, at + 1), Buffer.from(String(arrays.length)));
      array = [];
      begin = at + 1;
    } else if (byte === closeBracket || byte === closeBrace) {
      depth--;
      if (depth !== 1 || array === undefined || byte === closeBrace) continue;
      const last = json.subarray(begin, at);
      if (array.length > 0 || !isBlank(last)) array.push(last);
      arrays.push(array);
      array = undefined;
      copied = at;
    }
    if (values > limits.values) throw new Error(`more than ${limits.values} values`);
  }
  rest.push(json.subarray(copied));
  return { object: JSON.parse(Buffer.concat(rest).toString("utf8")), arrays };
}

function isBlank(text: Buffer): boolean {
  return text.toString("latin1").trim() === "";
}
