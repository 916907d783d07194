import { describe, expect, it } from "vitest";
import { addressBlock, parseAddress, parseRange } from "../../src/address/ip.js";

describe("parseAddress", () => {
  it.each([
    "010.0.0.1",
    "0x7f.0.0.1",
    "2130706433",
    "127.1",
    "1.2.3.4.5",
    "fe80::1%eth0",
    "[::1]",
    "",
    "node1",
  ])("rejects %j", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe("parseRange", () => {
  it.each([
    ["10.0.0.1/8", "write 10.0.0.0/8"],
    ["fd00::1/8", "write fd00::/8"],
    ["10.128.0.0/8", "write 10.0.0.0/8"],
    ["172.16.0.0/11", "write 172.0.0.0/11"],
    ["10.0.0.0/33", "prefix from 0 to 32"],
    ["::/129", "prefix from 0 to 128"],
    ["10.0.0.0/", "prefix"],
    ["10.0.0.0/8/8", "not a network"],
    ["10.0.0/8", "not a network"],
    ["::ffff:10.0.0.0/104", "write 10.0.0.0"],
  ])("rejects %s: %s", (text, error) => {
    expect(parseRange(text)).toContain(error);
  });
});

it.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:192.0.2.1", "192.0.2.1"],
  ["::ffff:c000:201", "192.0.2.1"],
  ["::1", "::/64"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:DB8:1:2::7", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8::/64"],
  ["2001:db8:0:0:1::1", "2001:db8::/64"],
  ["2001:db8::192.0.2.1", "2001:db8::/64"],
  ["fe80::1%eth0", "fe80::/64"],
  ["no address", "unknown"],
  ["", "unknown"],
  [undefined, "unknown"],
])("the address block of %s is %s", (address, block) => {
  expect(addressBlock(address)).toBe(block);
});
