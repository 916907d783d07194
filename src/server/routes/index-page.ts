import type { IRouter } from "express";
import type { ServerContext } from "../context.js";
import { escapeHtml } from "../html.js";
import { otherNodesSection } from "../other-nodes-section.js";

/** `/`: a plain page of links, and how it stands with other nodes. */
export function indexPageRoute(router: IRouter, context: ServerContext): void {
  const { version, node, cache } = context;
  router.get("/", (_request, response) => {
    const names = cache.names().sort();
    const services = names.map((name) => {
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
${services.length === 0 ? "<li>none with metrics yet</li>" : services.join("\n")}
</ul>
${otherNodesSection(context)}
</body>
</html>
`);
  });
}
