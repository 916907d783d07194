import { expect, it } from "vitest";
import { RejectedPeers } from "../../../src/replication/peers/rejected-peers.js";

it("peers with many names do not fill the log, and later ones are logged again", () => {
  let now = 0;
  const rejected = new RejectedPeers({ now: () => now, monotonic: () => now });
  const logged = () => {
    const names = Array.from({ length: 300 }, (_, index) => `n${index % 30}`);
    return names.filter((name) => rejected.add(name, "protocol", "it failed")).length;
  };
  expect(logged()).toBe(20);
  now += 60_000;
  expect(logged()).toBe(2);
  expect(rejected.list()).toHaveLength(20);
  now += 600_001;
  expect(rejected.list()).toEqual([]);
});
