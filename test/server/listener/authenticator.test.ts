import bcrypt from "bcrypt";
import { describe, expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../../src/logging.js";
import { Authenticator } from "../../../src/server/listener/authenticator.js";
import { PasswordChecks } from "../../../src/server/listener/password-checks.js";
import { createTelemetry } from "../../../src/telemetry.js";
import { manualClock } from "../../support/manual-clock.js";

const hashOf = (password: string) => bcrypt.hashSync(password, 4);
const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const users = new Map([
  ["alice", hashOf("right")],
  ["bob", hashOf("bob's own")],
]);

/** An authenticator that checks passwords without a rate limit and records them. */
function setUp(access: { users?: Map<string, string>; bearerToken?: string } = { users }) {
  const clock = manualClock();
  const telemetry = createTelemetry("0");
  const looked: { password: string; hash: string }[] = [];
  const checks = new PasswordChecks({ perSecond: 1e6, waiting: 8, waitingPerClient: 4 }, (password, hash) => {
    looked.push({ password: password.toString(), hash });
    return bcrypt.compare(password, hash.replace("$2y$", "$2b$"));
  });
  const warnings: object[] = [];
  const logger = {
    ...silentLogger,
    warn: (_message: string, fields?: object) => void warnings.push(fields ?? {}),
  };
  const authenticator = new Authenticator({ clock, logger, telemetry, checks });
  onTestFinished(() => authenticator.stop());
  authenticator.use({ users: new Map(), ...access });
  const kind = async (header: string | undefined, address = "192.0.2.1") => {
    const verdict = await authenticator.check(header, address);
    return typeof verdict === "string" ? verdict : "wait";
  };
  /** Fails until further attempts are refused without a check. */
  const exhaust = async (address?: string) => {
    for (let attempt = 0; (await kind(basic("alice", `wrong ${attempt}`), address)) !== "wait"; attempt++);
  };
  return { authenticator, clock, telemetry, looked, warnings, kind, exhaust };
}

describe("authentication", () => {
  it("is not required without users and token", () => {
    expect(setUp({}).authenticator.required).toBe(false);
  });

  it("accepts a user with the correct password", async () => {
    const { kind } = setUp();
    expect(await kind(basic("alice", "right"))).toBe("pass");
    expect(await kind(basic("bob", "bob's own"))).toBe("pass");
  });

  it.each(["$2a$", "$2b$", "$2y$"])("accepts a hash that begins with %s", async (prefix) => {
    // A test vector of crypt_blowfish, with a password that all three prefixes treat alike.
    const hash = `${prefix}05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW`;
    const clock = manualClock();
    const authenticator = new Authenticator({ clock, logger: silentLogger, telemetry: createTelemetry("0") });
    onTestFinished(() => authenticator.stop());
    authenticator.use({ users: new Map([["alice", hash]]) });
    expect(await authenticator.check(basic("alice", "U*U"), "192.0.2.1")).toBe("pass");
    expect(await authenticator.check(basic("alice", "U*V"), "192.0.2.1")).toBe("refuse");
  });

  it("accepts the bearer token", async () => {
    const { kind, looked } = setUp({ bearerToken: "open-sesame" });
    expect(await kind("Bearer open-sesame")).toBe("pass");
    expect(await kind("bearer open-sesame")).toBe("pass");
    expect(await kind("Bearer open-sesam")).toBe("refuse");
    expect(looked).toEqual([]);
  });

  it("compares the first 72 bytes of a password, and warns once of a longer one", async () => {
    const compared = "x".repeat(72);
    const { kind, warnings } = setUp({ users: new Map([["alice", hashOf(`${compared} and more`)]]) });
    expect(await kind(basic("alice", compared))).toBe("pass");
    expect(await kind(basic("alice", `${compared.slice(1)} and more`))).toBe("refuse");
    expect(warnings).toEqual([]);
    expect(await kind(basic("alice", `${compared} and more`))).toBe("pass");
    expect(await kind(basic("alice", `${compared} and something else`))).toBe("pass");
    expect(warnings).toEqual([{ user: "alice" }]);
  });

  it("accepts either one if both are configured", async () => {
    const { kind, authenticator } = setUp({ users, bearerToken: "open-sesame" });
    expect(await kind("Bearer open-sesame")).toBe("pass");
    expect(await kind(basic("alice", "right"))).toBe("pass");
    expect(authenticator.challenges).toEqual([
      'Basic realm="app-metrics-proxy", charset="UTF-8"',
      'Bearer realm="app-metrics-proxy"',
    ]);
  });

  it.each([
    ["nothing", undefined],
    ["another scheme", "Digest abc"],
    ["no scheme", "secret"],
    ["no base64", "Basic %%%"],
    ["no colon", `Basic ${Buffer.from("alice").toString("base64")}`],
    ["a wrong password", basic("alice", "wrong")],
    ["no password", basic("alice", "")],
    ["the password of another user", basic("alice", "bob's own")],
    ["an unknown user", basic("mallory", "right")],
    ["the hash", basic("alice", users.get("alice") ?? "")],
    ["a token where there is none", "Bearer undefined"],
  ])("refuses %s", async (_what, header) => {
    expect(await setUp().kind(header)).toBe("refuse");
  });

  it("refuses users if only a token is configured", async () => {
    const { kind, looked } = setUp({ bearerToken: "t" });
    expect(await kind(basic("alice", "right"))).toBe("refuse");
    expect(looked).toEqual([]);
  });

  it("compares passwords as bytes", async () => {
    const { kind } = setUp({ users: new Map([["alice", hashOf("pä:ss wörd")]]) });
    expect(await kind(basic("alice", "pä:ss wörd"))).toBe("pass");
  });
});

describe("passwords are checked", () => {
  it("once for repeated and simultaneous requests with the correct one", async () => {
    const { kind, looked } = setUp();
    const kinds = await Promise.all(Array.from({ length: 50 }, () => kind(basic("alice", "right"))));
    expect(new Set(kinds)).toEqual(new Set(["pass"]));
    expect(await kind(basic("alice", "right"))).toBe("pass");
    expect(looked).toHaveLength(1);
  });

  it("once for repeated requests with the same wrong one", async () => {
    const { kind, looked } = setUp();
    for (let attempt = 0; attempt < 50; attempt++) expect(await kind(basic("alice", "old"))).toBe("refuse");
    expect(looked).toHaveLength(1);
  });

  it("against the hash of another user, always the same, for an unknown user", async () => {
    const { kind, looked } = setUp();
    await kind(basic("mallory", "one"));
    await kind(basic("mallory", "two"));
    expect([...users.values()]).toContain(looked[0]?.hash);
    expect(looked[1]?.hash).toBe(looked[0]?.hash);
  });

  it("again for another client", async () => {
    const { kind, looked } = setUp();
    await kind(basic("alice", "right"), "192.0.2.1");
    await kind(basic("alice", "right"), "192.0.2.2");
    expect(looked).toHaveLength(2);
  });
});

describe("a client that fails too often", () => {
  it("is refused without a check, with the time to wait", async () => {
    const { exhaust, kind, looked, authenticator } = setUp();
    await exhaust();
    expect(looked).toHaveLength(10);
    expect(await kind(basic("alice", "right"))).toBe("wait");
    expect(looked).toHaveLength(10);
    expect(await authenticator.check(basic("alice", "right"), "192.0.2.1")).toEqual({ retryAfter: 5 });
  });

  it("may try once every five seconds", async () => {
    const { exhaust, kind, clock } = setUp();
    await exhaust();
    clock.advance(5);
    expect(await kind(basic("alice", "wrong"))).toBe("refuse");
    expect(await kind(basic("alice", "wrong again"))).toBe("wait");
    clock.advance(5);
    expect(await kind(basic("alice", "right"))).toBe("pass");
  });

  it("does not delay others", async () => {
    const { exhaust, kind } = setUp();
    await exhaust("192.0.2.1");
    expect(await kind(basic("alice", "right"), "192.0.2.2")).toBe("pass");
  });

  it("does not delay a client that authenticated before, even from the same address", async () => {
    const { exhaust, kind } = setUp({ users, bearerToken: "open-sesame" });
    await kind(basic("alice", "right"));
    await kind("Bearer open-sesame");
    await exhaust();
    expect(await kind(basic("alice", "right"))).toBe("pass");
    expect(await kind("Bearer open-sesame")).toBe("pass");
  });

  it("is the same client from all addresses of its /64 network", async () => {
    const { exhaust, kind } = setUp();
    await exhaust("2001:db8:1:2::1");
    expect(await kind(basic("alice", "right"), "2001:db8:1:2:ffff::1")).toBe("wait");
    expect(await kind(basic("alice", "right"), "2001:db8:1:3::1")).toBe("pass");
  });

  it("is limited for tokens too", async () => {
    const { kind } = setUp({ bearerToken: "open-sesame" });
    for (let attempt = 0; attempt < 10; attempt++) expect(await kind(`Bearer ${attempt}`)).toBe("refuse");
    expect(await kind("Bearer open-sesame")).toBe("wait");
  });

  it("is logged once per minute", async () => {
    const { exhaust, kind, warnings, clock } = setUp();
    await exhaust();
    await kind(basic("alice", "once more"));
    expect(warnings).toEqual([{ client: "192.0.2.1" }]);
    clock.advance(61);
    await exhaust();
    expect(warnings).toHaveLength(2);
  });
});

describe("when users and token change", () => {
  it("a removed user is refused at once", async () => {
    const { kind, authenticator } = setUp();
    await kind(basic("alice", "right"));
    authenticator.use({ users: new Map([["bob", users.get("bob") ?? ""]]) });
    expect(await kind(basic("alice", "right"))).toBe("refuse");
  });

  it("old passwords and tokens are refused and new ones accepted at once", async () => {
    const { kind, authenticator } = setUp({ users, bearerToken: "old" });
    await kind(basic("alice", "right"));
    await kind("Bearer old");
    await kind(basic("alice", "new"));
    authenticator.use({ users: new Map([["alice", hashOf("new")]]), bearerToken: "new" });
    expect(await kind(basic("alice", "right"))).toBe("refuse");
    expect(await kind("Bearer old")).toBe("refuse");
    expect(await kind(basic("alice", "new"))).toBe("pass");
    expect(await kind("Bearer new")).toBe("pass");
  });

  it("unchanged users are not checked again", async () => {
    const { kind, authenticator, looked } = setUp();
    await kind(basic("alice", "right"));
    authenticator.use({ users: new Map([...users, ["carol", hashOf("c")]]) });
    expect(await kind(basic("alice", "right"))).toBe("pass");
    expect(looked).toHaveLength(1);
  });

  it("a check in progress succeeds only if the hash is still the same", async () => {
    const { kind, authenticator } = setUp();
    const verdict = kind(basic("alice", "right"));
    authenticator.use({ users: new Map([["alice", hashOf("new")]]) });
    expect(await verdict).toBe("refuse");
    expect(await kind(basic("alice", "right"))).toBe("refuse");
  });
});
