import { expect, it } from "vitest";
import { PasswordGuard } from "../../../src/replication/ssh/authentication.js";
import { manualClock } from "../../support/manual-clock.js";

it("limits guessing from one address and from many, and recovers with time", () => {
  const clock = manualClock();
  const guard = new PasswordGuard("right", clock);
  const [one, other] = ["192.0.2.1", "192.0.2.2"];
  expect(guard.accepts("right", one)).toBe(true);
  for (let attempt = 0; attempt < 5; attempt++) expect(guard.accepts("wrong", one)).toBe(false);
  expect(guard.accepts("right", one)).toBe(false);
  expect(guard.accepts("right", other)).toBe(true);
  for (let address = 0; address < 40; address++) guard.accepts("wrong", `198.51.100.${address}`);
  expect(guard.accepts("right", "203.0.113.1")).toBe(false);
  // Addresses that sent the right password before are not affected by other addresses.
  expect(guard.accepts("right", other)).toBe(true);
  expect(guard.accepts({ oldPassword: "right", newPassword: "x" }, other)).toBe(false);
  clock.advance(60);
  expect(guard.accepts("right", one)).toBe(true);
  expect(guard.accepts("right", other)).toBe(true);
});
