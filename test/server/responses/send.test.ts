import { expect, it } from "vitest";
import { setUpServer, statusOf } from "../../support/http-server.js";
import { peerAt, replicating } from "../../support/replication-view.js";

const hostile = "\x1b]0;owned\x07\x9b31m\u202etxt.exe\u2028";
const escaped = "\\u001b]0;owned\\u0007\\u009b31m\\u202etxt.exe\\u2028";

it.each([
  ["/targets", 200, escaped],
  ["/", 200, escaped],
  ["/web/metrics", 503, `down: ${escaped}`],
  [`/${encodeURIComponent(hostile)}/metrics`, 404, escaped],
  ["/discovery", 503, escaped],
])("%s contains no character that a terminal would act on", async (path, status, shown) => {
  const { get } = await setUpServer({
    targets: [statusOf({ state: "down", reason: hostile }, { id: "docker:1", labels: { a: hostile } })],
    providers: [{ name: "docker", failing: { since: 0, reason: hostile } }],
    ...replicating({ peers: [peerAt("10.0.0.2:22", { node: "n2", lastError: hostile })] }),
  });
  const response = await get(path);
  expect(response.status).toBe(status);
  expect(response.text.replaceAll("\n", "")).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u);
  expect(response.text).toContain(shown);
  if (path === "/targets") expect(JSON.parse(response.text).targets[0].reason).toBe(hostile);
});

it("shortens long reasons in texts", async () => {
  const { get } = await setUpServer({
    targets: [statusOf({ state: "down", reason: "x".repeat(1e6) }, { id: "docker:1" })],
  });
  expect((await get("/web/metrics")).text.length).toBeLessThan(2100);
});
