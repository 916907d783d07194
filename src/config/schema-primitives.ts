import { z } from "zod";

/*
 * What the schemas of the configuration files share. Each message completes the sentence that begins with the key, and
 * never contains a value, which may be a secret.
 */

/** A header name: RFC 9110, 5.1. */
export const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Whether a text is a valid header value: RFC 9110, 5.5. */
export function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(text);
}

export const text = z
  .string({
    error: ({ input }) => (input === undefined ? "is missing" : "must be a string (put a number in quotes)"),
  })
  .min(1, "is empty");

export const headerText = text.refine(
  isHeaderValue,
  "must not contain characters that are invalid in a header",
);

/** A boolean, in JSON or as the text of a YAML scalar. */
export const flag = z.union(
  [z.boolean(), z.stringbool({ truthy: ["true", "yes", "on"], falsy: ["false", "no", "off"] })],
  { error: "must be true or false" },
);

export function oneOf<const T extends string>(names: readonly T[]) {
  return z.enum(names, `must be one of ${names.join(", ")}`);
}

export function listOf<T extends z.ZodType>(item: T) {
  return z.array(item, "must be a list of strings");
}

/** A mapping with these keys and no others. */
export function section<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `has ${unknownKeys(issue.keys)}; allowed keys: ${Object.keys(shape).join(", ")}`
        : "must be a mapping",
  });
}

const maxShownKeys = 3;

/** Hides a text that looks like neither a key nor a header name: it may be a secret in the wrong place. */
function unknownKeys(keys: readonly string[]): string {
  const shown = keys.filter((key) => /^(\w{1,40}|[A-Z][A-Za-z]{0,19}(-[A-Z][A-Za-z]{0,19}){1,3})$/.test(key));
  if (shown.length === 0) return "an invalid key (not shown, because it may be a secret)";
  const more = keys.length > maxShownKeys || shown.length < keys.length ? ", …" : "";
  return `the unknown key${keys.length === 1 ? "" : "s"} ${shown.slice(0, maxShownKeys).join(", ")}${more}`;
}
