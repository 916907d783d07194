const up = 0x1;
const gateway = 0x2;

/**
 * The IPv4 default gateway in the text of `/proc/net/route`: of the routes to everywhere that are up and have a
 * gateway, the one with the lowest metric. The kernel writes addresses as hexadecimal words in little-endian
 * order (see proc(5)).
 */
export function defaultGateway(routes: string): string | undefined {
  let best: { readonly address: string; readonly metric: number } | undefined;
  for (const line of routes.split("\n").slice(1)) {
    const [, destination, via, flagsHex, , , metricText, mask] = line.trim().split(/\s+/);
    if (destination !== "00000000" || mask !== "00000000" || !/^[0-9A-Fa-f]{8}$/.test(via ?? "")) continue;
    const flags = Number.parseInt(flagsHex ?? "", 16);
    if ((flags & (up | gateway)) !== (up | gateway)) continue;
    const metric = Number(metricText);
    if (best === undefined || metric < best.metric) best = { address: dotted(via ?? ""), metric };
  }
  return best?.address;
}

function dotted(word: string): string {
  const bytes = word.match(/../g) ?? [];
  return bytes
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join(".");
}
