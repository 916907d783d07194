import { describe, expect, it } from "vitest";
import { canonicalName, subjectAltNames } from "../../../src/server/listener/subject-alt-names.js";

describe("subject alternative names", () => {
  it.each([
    [undefined, []],
    ["", []],
    ["DNS:a.example, DNS:b.example", ["a.example", "b.example"]],
    ["IP Address:10.0.0.1, email:a@b.example, URI:spiffe://a/b", ["10.0.0.1", "a@b.example", "spiffe://a/b"]],
    ["IP Address:2001:DB8:0:0:0:0:0:1", ["2001:db8::1"]],
    ["DirName:CN = a.example, DNS:b.example", ["b.example"]],
    ['DNS:"a.example, DNS:b.example"', ["a.example, DNS:b.example"]],
    ['DNS:"a.example', []],
    ['URI:"x\\u002c DNS:b.example", DNS:c.example', ["x, DNS:b.example", "c.example"]],
  ])("of %s are %j", (text, names) => {
    expect(subjectAltNames(text)).toEqual(names);
  });

  it("have IPv6 addresses in canonical form", () => {
    expect(canonicalName("2001:0db8::0001")).toBe("2001:db8::1");
    expect(canonicalName("a.example")).toBe("a.example");
  });
});
