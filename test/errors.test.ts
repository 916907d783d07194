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

  it("is printable and short, whatever the text of another machine", () => {
    const cause = new Error(`SSH: \x1b]0;owned\x07\u202e${" ".repeat(1e6)}`);
    const text = describeError(new AppError("connection lost", { cause }));
    expect(text).toMatch(/^connection lost: SSH: \\u001b\]0;owned\\u0007\\u202e +…$/);
    expect(text.length).toBeLessThanOrEqual(2000);
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
