import { writeFileSync } from "node:fs";
import { join } from "node:path";
import bcrypt from "bcrypt";
import { beforeAll, describe, expect, it } from "vitest";
import { requireBuild } from "../../support/built-proxy.js";
import { exchange } from "../../support/raw-client.js";
import { tempFolder } from "../../support/temp-folder.js";
import { close, get, paths, shapes } from "./odd-requests.js";
import { memoryLimit, startVictim, underAttack } from "./under-attack.js";

beforeAll(requireBuild);

/** A victim that requires a password or a token, and the credentials of a healthy client. */
function startLockedVictim() {
  const webConfig = join(tempFolder(), "web.yml");
  const users = { prometheus: bcrypt.hashSync("the right one", 4) };
  writeFileSync(webConfig, JSON.stringify({ basic_auth_users: users }));
  return startVictim({
    settings: { WEB_CONFIG_FILE: webConfig, BEARER_TOKEN: "a-token-that-is-hard-to-guess" },
    authorization: basic("prometheus", "the right one"),
  });
}

const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

/** The open paths, in spellings that lead elsewhere, or might. */
const nearlyOpen = [
  "/-/healthy/",
  "/-/healthy/../../metrics",
  "/-/healthy/..%2f..%2fmetrics",
  "/-/healthy%2f..%2f..%2fmetrics",
  "/-/healthy;/../../metrics",
  "/-/healthy%00",
  "/-/healthy%3f",
  "/-/healthy%20",
  "/-/%68ealthy",
  "/%2d/healthy",
  "/x/../-/healthy",
  "/./-/healthy",
  "//-/healthy",
  "http://a//-/healthy",
  "http://a/metrics?/-/healthy",
  "http://-/healthy",
];

describe("a proxy that requires authentication", () => {
  it("cannot be bypassed by the spelling of a path", async () => {
    const victim = await startLockedVictim();
    const requested = [...paths.map(([path]) => path), ...nearlyOpen];
    const seen = await Promise.all(
      requested.map(async (path) => {
        const { statuses, text } = await exchange(victim.port, Buffer.from(get(path, close), "latin1"));
        expect(text).not.toContain("lab_metric");
        return [path, statuses] as const;
      }),
    );
    for (const [path, statuses] of seen)
      expect([path, statuses]).toEqual([path, [isNoPath(path) ? 400 : 401]]);
  });

  it("cannot be bypassed by the form of a request", async () => {
    const victim = await startLockedVictim();
    const seen = await Promise.all(
      shapes.map(async ([name, bytes]) => [name, (await exchange(victim.port, bytes)).statuses]),
    );
    const open = Object.fromEntries(shapes.map(([name, , statuses]) => [name, statuses]));
    expect(Object.fromEntries(seen)).toEqual({
      ...open,
      HEAD: [401],
      "a host in absolute form, without path": [401],
      "a body that is passed over": [200, 401],
    });
    expect(victim.log()).not.toMatch(/request failed|Warning/);
  });

  it("checks every request of a connection, whatever the previous one was", async () => {
    const victim = await startLockedVictim();
    const right = `Authorization: ${victim.authorization}\r\n`;
    const requests = [get("/-/healthy"), get("/targets"), get("/targets", right), get("/targets", close)];
    expect((await exchange(victim.port, requests.join(""))).statuses).toEqual([200, 401, 200, 401]);
  });

  it("keeps working with limited memory despite thousands of wrong passwords and tokens of all sizes", async () => {
    const victim = await startLockedVictim();
    const { grownBy } = await underAttack(victim, async () => {
      for (let round = 0; round < 10; round++) {
        const requests = Array.from({ length: 500 }, (_, index) => {
          const odd = `${round}-${index}-${"x".repeat(index % 2 === 0 ? 10 : 8000)}`;
          const shown = [basic("prometheus", odd), basic(odd, "x"), `Bearer ${odd}`, `Basic ${odd}!`, odd];
          return get("/targets", `Authorization: ${shown[index % shown.length]}\r\n`);
        });
        const { statuses } = await exchange(victim.port, `${requests.join("")}${get("/", close)}`, 15_000);
        expect(statuses).toHaveLength(501);
        expect(statuses.every((status) => status === 401 || status === 429)).toBe(true);
      }
    });
    expect(grownBy).toBeLessThan(memoryLimit);
  });
});

/** Whether a request with this path is invalid, which is reported before authentication. */
function isNoPath(path: string): boolean {
  return /[\0 \x80-\xff]/.test(path);
}
