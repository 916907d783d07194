import { expect, it } from "vitest";
import { silentLogger } from "../../../src/logging.js";
import { RejectedPeers } from "../../../src/replication/peers/rejected-peers.js";

it("peers with many names do not fill the log, and later ones are logged again", () => {
  let now = 0;
  const lines: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void lines.push(message) };
  const rejected = new RejectedPeers({ now: () => now, monotonic: () => now }, logger);
  const logged = () => {
    lines.length = 0;
    for (let index = 0; index < 300; index++) rejected.add(`n${index % 30}`, "protocol", "it failed");
    return lines.length;
  };
  expect(logged()).toBe(20);
  now += 60_000;
  expect(logged()).toBe(2);
  expect(rejected.list()).toHaveLength(20);
  now += 600_001;
  expect(rejected.list()).toEqual([]);
});
