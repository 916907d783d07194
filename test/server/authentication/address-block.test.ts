import { describe, expect, it } from "vitest";
import { addressBlock } from "../../../src/server/authentication/address-block.js";
import { BoundedMap } from "../../../src/server/authentication/bounded-map.js";

describe("what one client can have of addresses", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::1", "0:0:0:0::/64"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:db8:0:0:1::1", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    [undefined, "unknown"],
  ])("is for %s %s", (address, block) => {
    expect(addressBlock(address)).toBe(block);
  });
});

describe("a bounded map", () => {
  it("lets go of what was not used for the longest time", () => {
    const map = new BoundedMap<string, number>(2);
    map.set("a", 1);
    map.set("b", 2);
    map.get("a");
    map.set("c", 3);
    expect([map.get("a"), map.get("b"), map.get("c")]).toEqual([1, undefined, 3]);
    expect(map.size).toBe(2);
  });
});
