/** The text formats that Prometheus scrapes: its own 0.0.4, and OpenMetrics 1.0. */
export type Format = "text" | "openmetrics";

/** The `Content-Type` of each format. */
export const contentTypes: Readonly<Record<Format, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/**
 * The `Accept` header of a scrape: OpenMetrics first, because it carries more information (exemplars, units), then text,
 * then anything. No protobuf: only the text formats can be merged line by line.
 */
export const acceptHeader =
  "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.8," +
  "text/plain;version=0.0.4;q=0.6,*/*;q=0.1";

/**
 * The format that a `Content-Type` header declares. Parameters are ignored: OpenMetrics 0.0.1 and 1.0.0 are parsed the
 * same way, and so is plain text with any version or none. Undefined if the header is missing or declares another type,
 * such as `text/html`; only the body reveals the format then.
 */
export function formatOfContentType(header: string | undefined): Format | undefined {
  const mediaType = header?.split(";", 1)[0]?.trim().toLowerCase();
  if (mediaType === "text/plain") return "text";
  if (mediaType === "application/openmetrics-text") return "openmetrics";
  return undefined;
}
