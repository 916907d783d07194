import { isIPv6, SocketAddress } from "node:net";

/** The kinds of names that client_allowed_sans may contain, as Node labels them. */
const kinds = new Set(["DNS", "email", "IP Address", "URI"]);

/**
 * The subject alternative names of a certificate, without their kinds, IPv6 addresses in canonical form.
 *
 * @param text X509Certificate.subjectAltName: `DNS:a.example, IP Address:10.0.0.1`, where values with special
 *   characters are quoted as in JSON. A text in any other form has no names.
 */
export function subjectAltNames(text: string | undefined): readonly string[] {
  const names: string[] = [];
  const name = /([^:,"]+):(?:("(?:[^"\\]|\\.)*")|([^",]*))(?:, |$)/y;
  while (text !== undefined && name.lastIndex < text.length) {
    const match = name.exec(text);
    if (match === null) return [];
    const [, kind = "", quoted, plain = ""] = match;
    const value = quoted === undefined ? plain : readQuoted(quoted);
    if (value === undefined) return [];
    if (kinds.has(kind)) names.push(canonicalName(value));
  }
  return names;
}

/** A name in the form that subjectAltNames returns. */
export function canonicalName(name: string): string {
  return isIPv6(name) ? new SocketAddress({ address: name, family: "ipv6" }).address : name;
}

function readQuoted(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}
