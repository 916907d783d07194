/** What a client shows to be let in, as RFC 7617 (basic) and RFC 6750 (bearer) write it. */
export type Credentials =
  | { readonly scheme: "basic"; readonly user: string; readonly secret: Buffer }
  | { readonly scheme: "bearer"; readonly secret: Buffer };

/**
 * Reads an Authorization header; undefined where it is none of the two schemes, or broken. Its length is bounded by
 * that of all headers.
 */
export function parseCredentials(header: string): Credentials | undefined {
  const match = /^(basic|bearer) +([\x21-\x7e]+) *$/i.exec(header);
  const [, scheme = "", value = ""] = match ?? [];
  if (scheme.toLowerCase() === "bearer") return { scheme: "bearer", secret: Buffer.from(value) };
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return undefined;
  const pair = Buffer.from(value, "base64");
  const colon = pair.indexOf(":");
  if (colon < 0) return undefined;
  return { scheme: "basic", user: pair.toString("utf8", 0, colon), secret: pair.subarray(colon + 1) };
}
