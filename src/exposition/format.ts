/** The text formats that Prometheus scrapes: its own 0.0.4, and OpenMetrics 1.0. */
export type Format = "text" | "openmetrics";

/** The `Content-Type` under which an exposition of each format is kept and served. */
export const contentTypes: Readonly<Record<Format, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/**
 * The `Accept` with which a target is asked: OpenMetrics first, because it says more (exemplars, units), then
 * text, then whatever there is. No protobuf: only the text formats can be merged line by line.
 */
export const acceptHeader =
  "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.8," +
  "text/plain;version=0.0.4;q=0.6,*/*;q=0.1";

/**
 * The format that a `Content-Type` header promises, whatever its parameters: OpenMetrics 0.0.1 and 1.0.0 are
 * read alike, and so is plain text with any version or none. Undefined when the header is missing or names
 * something else, such as `text/html`: then only the body can tell.
 */
export function formatOfContentType(header: string | undefined): Format | undefined {
  const mediaType = header?.split(";", 1)[0]?.trim().toLowerCase();
  if (mediaType === "text/plain") return "text";
  if (mediaType === "application/openmetrics-text") return "openmetrics";
  return undefined;
}
