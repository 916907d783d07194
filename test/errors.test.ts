import { describe, expect, it } from "vitest";
import { AppError, codeOf, DiscoveryError, describeError } from "../src/errors.js";

describe("describeError", () => {
  it("joins the messages of an error and its causes", () => {
    const cause = new Error("connect ECONNREFUSED", { cause: "nothing\nlistens" });
    expect(describeError(new AppError("no list", { cause }))).toBe(
      "no list: connect ECONNREFUSED: nothing listens",
    );
  });

  it("omits a cause that the message contains, and stops at circular causes", () => {
    expect(describeError(new AppError("it failed: no", { cause: new Error("no") }))).toBe("it failed: no");
    const error = new Error("round");
    error.cause = error;
    expect(describeError(error)).toBe("round");
  });

  it("uses the code of an error without a message", () => {
    expect(describeError(Object.assign(new AggregateError([]), { code: "ECONNREFUSED" }))).toBe(
      "ECONNREFUSED",
    );
  });

  it("is complemented by error names and codes", () => {
    expect(new DiscoveryError("x").name).toBe("DiscoveryError");
    expect(codeOf(Object.assign(new Error("x"), { code: "ENOENT" }))).toBe("ENOENT");
    expect(codeOf("ENOENT")).toBeUndefined();
  });
});
