/** How targets are told who asks them. */
export function userAgentOf(version: string): string {
  return `app-metrics-proxy/${version}`;
}
