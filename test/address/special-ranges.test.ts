import { describe, expect, it } from "vitest";
import { parseAddress } from "../../src/address/ip.js";
import { forbiddenKind, isLoopback } from "../../src/address/special-ranges.js";

const kindOf = (text: string) => forbiddenKind(parseAddress(text)!);

describe("forbiddenKind", () => {
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
    ["100.100.100.200", "a cloud metadata service"],
    ["fd00:ec2::254", "a cloud metadata service"],
    ["64:ff9b::a9fe:a9fe", "an IPv4 address embedded in NAT64"],
    ["64:ff9b::10.0.0.1", "an IPv4 address embedded in NAT64"],
    ["64:ff9b:1:a9fe:a9:fe00::", "an IPv4 address embedded in NAT64"],
    ["2002:a9fe:a9fe::1", "an IPv4 address embedded in 6to4"],
    ["2002:7f00:1::", "an IPv4 address embedded in 6to4"],
    ["2001:0:4136:e378:8000:63bf:3fff:fdd2", "an IPv4 address embedded in Teredo"],
    ["::169.254.169.254", "an IPv4 address embedded in IPv6"],
    ["::127.0.0.1", "an IPv4 address embedded in IPv6"],
    ["::2", "an IPv4 address embedded in IPv6"],
    ["::ffff:0:169.254.169.254", "an IPv4 address embedded in IPv6"],
  ])("forbids %s: %s", (text, kind) => {
    expect(kindOf(text)).toBe(kind);
  });

  it.each([
    ["::ffff:169.254.169.254", "link-local"],
    ["::ffff:a9fe:a9fe", "link-local"],
    ["::ffff:0.0.0.0", "unspecified"],
    ["0:0:0:0:0:ffff:ffff:ffff", "broadcast or reserved"],
  ])("treats the IPv4-mapped address %s as %s", (text, kind) => {
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
  ])("allows %s", (text) => {
    expect(kindOf(text)).toBeUndefined();
  });

  it.each(["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1"])(
    "allows the loopback address %s",
    (text) => {
      expect(kindOf(text)).toBeUndefined();
      expect(isLoopback(parseAddress(text)!)).toBe(true);
    },
  );
});
