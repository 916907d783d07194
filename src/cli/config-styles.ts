/** How Prometheus is to scrape the proxies; see prometheusConfig. */
export const configStyles = ["static", "federate", "http-sd"] as const;
export type ConfigStyle = (typeof configStyles)[number];
