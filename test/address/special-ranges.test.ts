import { describe, expect, it } from "vitest";
import { parseAddress, parseRange } from "../../src/address/ip.js";
import { forbiddenKind, isLoopback } from "../../src/address/special-ranges.js";

const kindOf = (text: string) => forbiddenKind(parseAddress(text)!);

describe("an address that is never relayed", () => {
  it.each([
    ["0.0.0.0", "unspecified"],
    ["0.1.2.3", "unspecified"],
    ["::", "unspecified"],
    ["169.254.0.1", "link-local"],
    ["169.254.169.254", "link-local"],
    ["fe80::1", "link-local"],
    ["febf:ffff::1", "link-local"],
    ["224.0.0.1", "multicast"],
    ["239.255.255.255", "multicast"],
    ["ff02::1", "multicast"],
    ["255.255.255.255", "broadcast or reserved"],
    ["240.0.0.1", "broadcast or reserved"],
    ["100.100.100.200", "a cloud's metadata service"],
    ["fd00:ec2::254", "a cloud's metadata service"],
    ["64:ff9b::a9fe:a9fe", "an IPv4 address wrapped in NAT64"],
    ["64:ff9b::10.0.0.1", "an IPv4 address wrapped in NAT64"],
    ["64:ff9b:1:a9fe:a9:fe00::", "an IPv4 address wrapped in NAT64"],
    ["2002:a9fe:a9fe::1", "an IPv4 address wrapped in 6to4"],
    ["2002:7f00:1::", "an IPv4 address wrapped in 6to4"],
    ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "an IPv4 address wrapped in Teredo"],
    ["::169.254.169.254", "an IPv4 address wrapped in IPv6"],
    ["::127.0.0.1", "an IPv4 address wrapped in IPv6"],
    ["::2", "an IPv4 address wrapped in IPv6"],
    ["::ffff:0:169.254.169.254", "an IPv4 address wrapped in IPv6"],
  ])("is %s: %s", (text, kind) => {
    expect(kindOf(text)).toBe(kind);
  });

  it.each([
    ["::ffff:169.254.169.254", "link-local"],
    ["::ffff:a9fe:a9fe", "link-local"],
    ["::ffff:0.0.0.0", "unspecified"],
    ["0:0:0:0:0:ffff:ffff:ffff", "broadcast or reserved"],
  ])("is %s, an IPv4-mapped one that is %s", (text, kind) => {
    expect(kindOf(text)).toBe(kind);
  });

  it.each([
    "10.0.0.1",
    "100.64.0.1",
    "192.168.1.1",
    "198.18.0.1",
    "8.8.8.8",
    "fd12::1",
    "2001:db8::1",
    "2600::1",
  ])("is not %s", (text) => {
    expect(kindOf(text)).toBeUndefined();
  });

  it.each(["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"])(
    "is not %s as such: it is loopback",
    (text) => {
      expect(kindOf(text)).toBeUndefined();
      expect(isLoopback(parseAddress(text)!)).toBe(true);
    },
  );
});

describe("an address", () => {
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
  ])("is not %j", (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  it.each([
    ["10.0.0.1/8", "write 10.0.0.0/8"],
    ["fd00::1/8", "write fd00::/8"],
    ["10.128.0.0/8", "write 10.0.0.0/8"],
    ["172.16.0.0/11", "write 172.0.0.0/11"],
    ["10.0.0.0/33", "prefix from 0 to 32"],
    ["::/129", "prefix from 0 to 128"],
    ["10.0.0.0/", "prefix"],
    ["10.0.0.0/8/8", "no network"],
    ["10.0.0/8", "no network"],
    ["::ffff:10.0.0.0/104", "write 10.0.0.0"],
  ])("does not make the network %s: %s", (text, fault) => {
    expect(parseRange(text)).toContain(fault);
  });
});
