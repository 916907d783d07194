import { describe, expect, it } from "vitest";
import { AppError, codeOf, DiscoveryError, describeError } from "../src/errors.js";

describe("an error in one line", () => {
  it("has its message and those of its causes", () => {
    const cause = new Error("connect ECONNREFUSED", { cause: "nobody\nlistens" });
    expect(describeError(new AppError("no list", { cause }))).toBe(
      "no list: connect ECONNREFUSED: nobody listens",
    );
  });

  it("does not repeat a cause that the message has already, and ends where causes go in circles", () => {
    expect(describeError(new AppError("it failed: no", { cause: new Error("no") }))).toBe("it failed: no");
    const error = new Error("round");
    error.cause = error;
    expect(describeError(error)).toBe("round");
  });

  it("tells an error without words by its code", () => {
    expect(describeError(Object.assign(new AggregateError([]), { code: "ECONNREFUSED" }))).toBe(
      "ECONNREFUSED",
    );
  });

  it("knows its kind by name", () => {
    expect(new DiscoveryError("x").name).toBe("DiscoveryError");
    expect(codeOf(Object.assign(new Error("x"), { code: "ENOENT" }))).toBe("ENOENT");
    expect(codeOf("ENOENT")).toBeUndefined();
  });
});
