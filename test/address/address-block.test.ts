import { expect, it } from "vitest";
import { addressBlock } from "../../src/address/address-block.js";

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
