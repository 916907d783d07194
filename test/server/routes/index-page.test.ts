import { describe, expect, it } from "vitest";
import { setUpServer } from "../../support/http-server.js";
import { peerAt, replicating } from "../../support/replication-view.js";

it("/ has all links, and escapes names", async () => {
  const { get, put } = await setUpServer();
  put({ names: ["<script>alert(1)</script>"] });
  const { headers, text } = await get("/");
  expect(headers["content-type"]).toBe("text/html; charset=utf-8");
  for (const link of ["/targets", "/metrics", "/-/healthy"]) expect(text).toContain(`href="${link}"`);
  expect(text).not.toContain("<script>");
  expect(text).toContain('href="/%3Cscript%3Ealert(1)%3C%2Fscript%3E/metrics"');
});

describe("the index page on other nodes", () => {
  it("lists peers, origins and problems, escaped", async () => {
    const { get } = await setUpServer(
      replicating({
        peers: [
          peerAt("10.0.0.2:22", { node: "n2" }),
          peerAt("10.0.0.3:22", { state: "failing", lastError: "<b>it is away" }),
        ],
        sharedNames: ["twin"],
        origins: [
          { origin: "node1", entries: 3, silentFor: 0 },
          { origin: "n2", entries: 2, silentFor: 5 },
        ],
      }),
    );
    const { text } = await get("/");
    for (const line of [
      "10.0.0.2:22 (n2): connected",
      "10.0.0.3:22: failing: &#60;b&#62;it is away",
      "several nodes share the hostname twin: each needs its own",
      "node1: 3 scrapes, this node",
      "n2: 2 scrapes, last update 5 s ago",
    ]) {
      expect(text).toContain(`<li>${line}</li>`);
    }
  });

  it("has the reason if there are none", async () => {
    const alone = await setUpServer({ replication: { status: undefined, reason: "SSHPASS is not set" } });
    expect((await alone.get("/")).text).toContain("<li>no replication: SSHPASS is not set</li>");
    const worker = await setUpServer(replicating({ manager: false }));
    expect((await worker.get("/")).text).toContain(
      "<li>none: this node waits for connections from managers</li>",
    );
  });
});
