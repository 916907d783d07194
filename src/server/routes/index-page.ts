import type { IRouter } from "express";
import { clockTolerance } from "../../model/clock-offset.js";
import type { PeerStatus } from "../../model/replication-status.js";
import { printable } from "../../printable.js";
import type { ServerContext } from "../context.js";

/** The most services on the page; `/targets` lists all. */
const maxServices = 1000;

/** `/`: a plain page of links, with the state of the other nodes. */
export function indexPageRoute(router: IRouter, context: ServerContext): void {
  const { version, node, cache } = context;
  router.get("/", (_request, response) => {
    const names: string[] = [];
    for (const name of cache.index.names()) {
      if (names.length === maxServices) break;
      if (cache.index.hasScrape(name)) names.push(name);
    }
    const services = names.sort().map((name) => {
      const path = `/${encodeURIComponent(name)}/metrics`;
      return `<li><a href="${escapeHtml(path)}">${escapeHtml(name)}</a></li>`;
    });
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>app-metrics-proxy</title></head>
<body>
<h1>app-metrics-proxy</h1>
<p>Version ${escapeHtml(version)} on ${escapeHtml(node())}</p>
<ul>
<li><a href="/targets">Targets</a></li>
<li><a href="/metrics">Metrics of the proxy itself</a></li>
<li><a href="/-/healthy">Healthy</a>, <a href="/-/ready">ready</a></li>
</ul>
<h2>Services</h2>
<ul>
${services.length === 0 ? "<li>no metrics yet</li>" : services.join("\n")}
</ul>
${otherNodes(context)}
</body>
</html>
`);
  });
}

/** The sections on peers and origins, with their problems. `/targets` has the details. */
function otherNodes({ replication, cache }: ServerContext): string {
  const view = replication();
  if (view.status === undefined) return section("Other nodes", [`no replication: ${view.reason}`]);
  const { peers, origins, origin, listFailing, cutOff, sharedNames, manager } = view.status;
  const offsets = cache.clockOffsets();
  const problems = [
    ...(listFailing === undefined ? [] : [`peer list: ${listFailing.reason}`]),
    ...sharedNames.map((name) => `several nodes share the hostname ${name}: each needs its own`),
    ...cutOff.map(({ node, error }) => `disconnected ${node}: ${error}`),
  ];
  const noPeers = manager ? "none" : "none: this node waits for connections from managers";
  return [
    ...(problems.length === 0 ? [] : [section("Problems with other nodes", problems)]),
    section("Peers", peers.length === 0 ? [noPeers] : peers.map(peerLine)),
    section(
      "Origins",
      origins.map(({ origin: name, entries, silentFor }) => {
        const lastUpdate = name === origin ? "this node" : `last update ${silentFor} s ago`;
        const offset = offsets.get(name) ?? 0;
        const clockLine = Math.abs(offset) > clockTolerance ? `, clock off by ${offset.toFixed(1)} s` : "";
        return `${name}: ${entries} scrapes, ${lastUpdate}${clockLine}`;
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

function escapeHtml(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
