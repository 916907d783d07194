import { RelayError } from "./relay-error.js";

/** What a client wants to be asked. */
export interface RelayTarget {
  /** `http:` or `https:`; without credentials and fragment. */
  readonly url: URL;
  /** Host name in lower case, or IP address without brackets; as it stands in the URL but for a last dot. */
  readonly host: string;
  readonly port: number;
}

const maxLength = 2048;

/**
 * Reads the values of the parameter `target`. What URL parsers read differently (spaces, control characters, also
 * encoded ones, backslashes, credentials, a missing `//`) is refused rather than mended, so that what is checked is
 * what is asked. Other spellings of an address, such as `0x7f.1` or `2130706433`, become the address that they mean.
 *
 * @throws RelayError 400
 */
export function readRelayTarget(values: readonly string[]): RelayTarget {
  const [text] = values;
  if (text === undefined || text === "" || values.length > 1)
    throw bad("needs one parameter target, such as /relay?target=http://host:9100/metrics");
  if (text.length > maxLength) throw bad(`is longer than ${maxLength} characters`);
  if (!/^[\x21-\x7e]*$/.test(text)) throw bad("has a space or another character that must be encoded");
  if (/[\\#]/.test(text)) throw bad("has a backslash or a fragment");
  if (/%(0|1|7f)/i.test(text)) throw bad("has an encoded control character");
  const [, scheme, authority] = /^([a-z][a-z0-9+.-]*):\/\/([^/?]+)/i.exec(text) ?? [];
  if (scheme === undefined || authority === undefined || !/^https?$/i.test(scheme))
    throw bad("is no URL that begins with http:// or https:// and a host");
  if (authority.includes("@")) throw bad("has credentials, which are not passed on");
  if (!URL.canParse(text)) throw bad("is no valid URL");
  const url = new URL(text);
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  if (port === 0) throw bad("has port 0");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  if (host === "") throw bad("has no host");
  return { url, host, port };
}

function bad(what: string): RelayError {
  return new RelayError(400, what.startsWith("needs") ? what : `the target ${what}`);
}
