import { isIPv6, SocketAddress } from "node:net";

/** Kinds of names that client_allowed_sans may list, as Node titles them. */
const kinds = new Set(["DNS", "email", "IP Address", "URI"]);

/**
 * The subject alternative names of a certificate, without their kinds, IPv6 in its short form.
 *
 * @param text as X509Certificate.subjectAltName has it: `DNS:a.example, IP Address:10.0.0.1`, where a value with
 *   signs of its own stands in quotes as in JSON. A text that reads differently has no names at all.
 */
export function subjectAltNames(text: string | undefined): readonly string[] {
  const names: string[] = [];
  const entry = /([^:,"]+):(?:("(?:[^"\\]|\\.)*")|([^",]*))(?:, |$)/y;
  while (text !== undefined && entry.lastIndex < text.length) {
    const match = entry.exec(text);
    if (match === null) return [];
    const [, kind = "", quoted, plain = ""] = match;
    const value = quoted === undefined ? plain : readQuoted(quoted);
    if (value === undefined) return [];
    if (kinds.has(kind)) names.push(canonicalName(value));
  }
  return names;
}

/** A name in the form that subjectAltNames answers with. */
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
