import { RelayError } from "./relay-error.js";

/** The target that a client requests. */
export interface RelayTarget {
  /** `http:` or `https:`; without credentials and fragment. */
  readonly url: URL;
  /** Host name in lower case, or IP address without brackets; as in the URL, except for a trailing dot. */
  readonly host: string;
  readonly port: number;
}

const maxLength = 2048;

/**
 * Parses the parameter `target`. What URL parsers interpret differently (spaces, control characters, also encoded
 * ones, backslashes, credentials, a missing `//`) is rejected rather than corrected, so that the URL that is checked
 * is the URL that is requested. Other notations of an address, such as `0x7f.1` or `2130706433`, become that address.
 *
 * @throws RelayError 400
 */
export function readRelayTarget(values: readonly string[]): RelayTarget {
  const [text] = values;
  if (text === undefined || text === "" || values.length > 1) {
    throw new RelayError(400, "one parameter target is required: /relay?target=http://host:9100/metrics");
  }
  if (text.length > maxLength) throw invalid(`is longer than ${maxLength} characters`);
  if (!/^[\x21-\x7e]*$/.test(text))
    throw invalid("contains a space or another character that must be encoded");
  if (/[\\#]/.test(text)) throw invalid("contains a backslash or a fragment");
  if (/%(0|1|7f)/i.test(text)) throw invalid("contains an encoded control character");
  const [, scheme, authority] = /^([a-z][a-z0-9+.-]*):\/\/([^/?]+)/i.exec(text) ?? [];
  if (scheme === undefined || authority === undefined || !/^https?$/i.test(scheme))
    throw invalid("must begin with http:// or https:// and a host");
  if (authority.includes("@")) throw invalid("contains credentials, which are not supported");
  if (!URL.canParse(text)) throw invalid("is not a valid URL");
  const url = new URL(text);
  const port = Number(url.port || (url.protocol === "https:" ? 443 : 80));
  if (port === 0) throw invalid("has port 0");
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
  if (host === "") throw invalid("has no host");
  return { url, host, port };
}

function invalid(problem: string): RelayError {
  return new RelayError(400, `the target ${problem}`);
}
