import { clockOffsets, clockTolerance } from "../model/clock-offset.js";
import type { PeerStatus } from "../model/replication-status.js";
import type { ServerContext } from "./context.js";
import { escapeHtml } from "./html.js";

/** The part of the status page on peers and origins, with what is wrong in words; `/targets` has all of it. */
export function otherNodesSection({ replication, cache, clock }: ServerContext): string {
  const view = replication();
  if (view.status === undefined) return section("Other nodes", [`no replication: ${view.reason}`]);
  const { peers, origins, origin, listFailing, cutOff, sharedNames, manager } = view.status;
  const offsets = clockOffsets(cache.others(), clock);
  const trouble = [
    ...(listFailing === undefined ? [] : [`peers: ${listFailing.reason}`]),
    ...sharedNames.map((name) => `several nodes are called ${name}: each needs a hostname of its own`),
    ...cutOff.map(({ node, error }) => `${node} was cut off: ${error}`),
  ];
  const noPeers = manager ? "none" : "none: this node waits for the managers to call";
  return [
    ...(trouble.length === 0 ? [] : [section("Trouble with other nodes", trouble)]),
    section("Peers", peers.length === 0 ? [noPeers] : peers.map(peerLine)),
    section(
      "Origins",
      origins.map(({ origin: name, entries, silentFor }) => {
        const heard = name === origin ? "this node" : `heard of ${silentFor} s ago`;
        const offset = offsets.get(name) ?? 0;
        const clockLine =
          Math.abs(offset) > clockTolerance ? `, its clock is off by ${offset.toFixed(1)} s` : "";
        return `${name}: ${entries} entries, ${heard}${clockLine}`;
      }),
    ),
  ].join("\n");
}

function peerLine({ title, node, state, lastError }: PeerStatus): string {
  const name = node === undefined || node === title ? title : `${title} (${node})`;
  return `${name}: ${state}${lastError === undefined ? "" : `: ${lastError}`}`;
}

function section(title: string, lines: readonly string[]): string {
  return `<h2>${escapeHtml(title)}</h2>
<ul>
${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join("\n")}
</ul>`;
}
