import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RelayError } from "../../../src/server/relay/relay-error.js";
import { type RelayTarget, readRelayTarget } from "../../../src/server/relay/relay-target.js";

function refusalOf(...values: string[]): RelayError {
  try {
    const { url } = readRelayTarget(values);
    throw new Error(`taken as ${url}`);
  } catch (error) {
    expect(error).toBeInstanceOf(RelayError);
    return error as RelayError;
  }
}

describe("the parameter target", () => {
  it.each([
    ["http://node:9100/metrics", "http://node:9100/metrics", "node", 9100],
    ["http://node:9100", "http://node:9100/", "node", 9100],
    ["https://Node.example.:443/a?b=c%20d&e", "https://node.example./a?b=c%20d&e", "node.example", 443],
    ["HTTP://node/%2e%2e/a;b,c", "http://node/a;b,c", "node", 80],
    ["http://app_node:9100/metrics", "http://app_node:9100/metrics", "app_node", 9100],
    ["http://[FD00::1]:9100/metrics", "http://[fd00::1]:9100/metrics", "fd00::1", 9100],
    ["http://10.0.0.1/metrics", "http://10.0.0.1/metrics", "10.0.0.1", 80],
  ])("may be %s", (text, href, host, port) => {
    const target = readRelayTarget([text]);
    expect({ ...target, url: target.url.href }).toEqual({ url: href, host, port });
  });

  it.each([
    ["http://127.1/", "127.0.0.1"],
    ["http://2130706433/", "127.0.0.1"],
    ["http://0x7f000001/", "127.0.0.1"],
    ["http://0x7f.0.0.0x1/", "127.0.0.1"],
    ["http://017700000001/", "127.0.0.1"],
    ["http://0177.0.0.1/", "127.0.0.1"],
    ["http://127.0.0.1./", "127.0.0.1"],
    ["http://%31%32%37.0.0.1/", "127.0.0.1"],
    ["http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1/", "127.0.0.1"],
    ["http://0/", "0.0.0.0"],
    ["http://2852039166/", "169.254.169.254"],
    ["http://[::ffff:127.0.0.1]/", "::ffff:7f00:1"],
    ["http://[0:0:0:0:0:0:0:1]/", "::1"],
    ["http://[::127.0.0.1]/", "::7f00:1"],
  ])("is parsed: %s is %s", (text, host) => {
    expect(readRelayTarget([text]).host).toBe(host);
  });

  it("is required exactly once", () => {
    expect(refusalOf().message).toMatch(/^one parameter target is required/);
    expect(refusalOf("").message).toMatch(/^one parameter target is required/);
    expect(refusalOf("http://a/", "http://b/").message).toMatch(/^one parameter target is required/);
  });

  it.each([
    ["ftp://node/", "http:// or https://"],
    ["file:///etc/passwd", "http:// or https://"],
    ["gopher://node:70/", "http:// or https://"],
    ["data:text/plain,up%201", "http:// or https://"],
    ["javascript:alert(1)", "http:// or https://"],
    ["unix:///var/run/docker.sock", "http:// or https://"],
    ["http+unix://node/", "http:// or https://"],
    ["ws://node/", "http:// or https://"],
    ["//node:9100/metrics", "http:// or https://"],
    ["node:9100/metrics", "http:// or https://"],
    ["node:9100", "http:// or https://"],
    ["/metrics", "http:// or https://"],
    ["http:node:9100/metrics", "http:// or https://"],
    ["http:/node:9100/metrics", "http:// or https://"],
    ["http:///metrics", "http:// or https://"],
    ["http://", "http:// or https://"],
    ["http://?x", "http:// or https://"],
    ["http://./", "no host"],
    ["http://user:secret@node:9100/", "credentials"],
    ["http://user@node:9100/", "credentials"],
    ["http://@node:9100/", "credentials"],
    ["http://allowed:9100@169.254.169.254/", "credentials"],
    ["http://node:9100/#/metrics", "fragment"],
    ["http://node:9100/metrics#", "fragment"],
    ["http://node:9100\\@169.254.169.254/", "backslash"],
    ["http:\\\\node:9100\\metrics", "backslash"],
    ["http://node:9100/a b", "space"],
    [" http://node:9100/", "space"],
    ["http://node:9100/ HTTP/1.1", "space"],
    ["http://node:9100/\r\nX-Evil: 1", "space"],
    ["http://no\tde:9100/", "space"],
    ["http://node:9100/\u0000", "space"],
    ["http://node:9100/ä", "space"],
    ["http://１２７.0.0.1/", "space"],
    ["http://node:9100/%0d%0aX-Evil:%201", "encoded control"],
    ["http://node:9100/%0A", "encoded control"],
    ["http://node:9100/?a=%00", "encoded control"],
    ["http://node:9100/%7F", "encoded control"],
    ["http://no%0d%0ade:9100/", "encoded control"],
    ["http://node:0/", "port 0"],
    ["http://node:65536/", "not a valid URL"],
    ["http://node:9100:80/", "not a valid URL"],
    ["http://no de/", "space"],
    ["http://no%20de/", "not a valid URL"],
    ["http://no%2fde/", "not a valid URL"],
    ["http://256.0.0.1/", "not a valid URL"],
    ["http://1.2.3.4.5/", "not a valid URL"],
    ["http://[::1/", "not a valid URL"],
    ["http://[::1%25lo]/", "not a valid URL"],
    ["http://[v1.x]/", "not a valid URL"],
    [`http://node/${"x".repeat(2048)}`, "longer than 2048"],
  ])("is rejected if it is %j: %s", (text, reason) => {
    const { status, message } = refusalOf(text);
    expect(status).toBe(400);
    expect(message).toContain(reason);
    expect(message).not.toMatch(/[\r\n]|secret/);
  });

  it("is one request to one host, or rejected, for any input", () => {
    const piece = fc.constantFrom(
      ..."abc019.:/?#@%\\[]\r\n\t ;&=~",
      ...["http://", "https://", "127.0.0.1", "%0d", "%0A", "%2f", "%00", "::1", "..", "0x7f"],
    );
    fc.assert(
      fc.property(fc.string({ unit: piece, maxLength: 16 }), (text) => {
        let target: RelayTarget;
        try {
          target = readRelayTarget([`http://${text}`]);
        } catch (error) {
          expect(error).toBeInstanceOf(RelayError);
          return;
        }
        const { url, host, port } = target;
        expect(url.pathname + url.search).toMatch(/^\/[\x21-\x7e]*$/);
        expect([url.username, url.password, url.hash]).toEqual(["", "", ""]);
        expect(host).toMatch(/^[a-z0-9.:%~;&=-]+$/);
        expect(port >= 1 && port <= 65535).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });
});
