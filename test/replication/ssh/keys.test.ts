import ssh2 from "ssh2";
import { expect, it } from "vitest";
import { deriveKeys } from "../../../src/replication/ssh/keys.js";
import { keysFor } from "./test-server.js";

it("derives the same keys from the same secret, and one key per purpose", async () => {
  const [keys, again, other] = await Promise.all([
    keysFor(),
    deriveKeys("correct horse battery"),
    keysFor("another secret"),
  ]);
  expect(again).toEqual(keys);
  expect(other.host.publicKey).not.toEqual(keys.host.publicKey);
  expect(keys.client.publicKey).not.toEqual(keys.host.publicKey);
});

it("derives keys that ssh2 can parse and that do not change between releases", async () => {
  const { host, client } = await keysFor();
  for (const key of [host, client]) {
    const parsed = ssh2.utils.parseKey(key.privateKey) as ssh2.ParsedKey;
    expect(parsed.getPublicSSH()).toEqual(key.publicKey);
    expect(parsed.verify("data", parsed.sign("data"))).toBe(true);
  }
  // During an update, two releases run in one swarm.
  expect(host.publicKey.toString("base64")).toMatchInlineSnapshot(
    `"AAAAC3NzaC1lZDI1NTE5AAAAIGClqCIZ/ApZA1xqMbIgFMZarD4usEa81jo7tzd94zQ8"`,
  );
});
