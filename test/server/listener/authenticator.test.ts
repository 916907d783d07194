import bcrypt from "bcrypt";
import { describe, expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../../src/logging.js";
import { Authenticator, type Verdict } from "../../../src/server/listener/authenticator.js";
import { PasswordChecks } from "../../../src/server/listener/password-checks.js";
import { createTelemetry } from "../../../src/telemetry.js";
import { manualClock } from "../../support/entries.js";

const hashOf = (password: string) => bcrypt.hashSync(password, 4);
const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const users = new Map([
  ["alice", hashOf("right")],
  ["bob", hashOf("bob's own")],
]);

/** An authenticator that looks at passwords as fast as it can and notes at which. */
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
  const kind = async (header: string | undefined, address = "192.0.2.1"): Promise<Verdict["kind"]> =>
    (await authenticator.check(header, address)).kind;
  /** Is wrong until nothing is looked at any more. */
  const exhaust = async (address?: string) => {
    for (let attempt = 0; (await kind(basic("alice", `wrong ${attempt}`), address)) !== "wait"; attempt++);
  };
  return { authenticator, clock, telemetry, looked, warnings, kind, exhaust };
}

describe("who may come in", () => {
  it("is everybody where there is neither a user nor a token", () => {
    expect(setUp({}).authenticator.required).toBe(false);
  });

  it("is a user with the right password", async () => {
    const { kind } = setUp();
    expect(await kind(basic("alice", "right"))).toBe("pass");
    expect(await kind(basic("bob", "bob's own"))).toBe("pass");
  });

  it.each(["$2a$", "$2b$", "$2y$"])("is a user whose hash begins with %s", async (prefix) => {
    // crypt_blowfish's own test vector for a password that the three treat alike.
    const hash = `${prefix}05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW`;
    const clock = manualClock();
    const authenticator = new Authenticator({ clock, logger: silentLogger, telemetry: createTelemetry("0") });
    onTestFinished(() => authenticator.stop());
    authenticator.use({ users: new Map([["alice", hash]]) });
    expect(await authenticator.check(basic("alice", "U*U"), "192.0.2.1")).toEqual({ kind: "pass" });
    expect(await authenticator.check(basic("alice", "U*V"), "192.0.2.1")).toEqual({ kind: "refuse" });
  });

  it("is who has the token", async () => {
    const { kind, looked } = setUp({ bearerToken: "open-sesame" });
    expect(await kind("Bearer open-sesame")).toBe("pass");
    expect(await kind("bearer open-sesame")).toBe("pass");
    expect(await kind("Bearer open-sesam")).toBe("refuse");
    expect(looked).toEqual([]);
  });

  it("is either, where both are set", async () => {
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
  ])("is not who shows %s", async (_what, header) => {
    expect(await setUp().kind(header)).toBe("refuse");
  });

  it("is not a user where there is only a token", async () => {
    const { kind, looked } = setUp({ bearerToken: "t" });
    expect(await kind(basic("alice", "right"))).toBe("refuse");
    expect(looked).toEqual([]);
  });

  it("takes a password as the bytes that were sent", async () => {
    const { kind } = setUp({ users: new Map([["alice", hashOf("pä:ss wörd")]]) });
    expect(await kind(basic("alice", "pä:ss wörd"))).toBe("pass");
  });
});

describe("passwords are looked at", () => {
  it("once, however often and however often at the same time the right one is shown", async () => {
    const { kind, looked } = setUp();
    const kinds = await Promise.all(Array.from({ length: 50 }, () => kind(basic("alice", "right"))));
    expect(new Set(kinds)).toEqual(new Set(["pass"]));
    expect(await kind(basic("alice", "right"))).toBe("pass");
    expect(looked).toHaveLength(1);
  });

  it("once, however often the same wrong one is shown", async () => {
    const { kind, looked } = setUp();
    for (let attempt = 0; attempt < 50; attempt++) expect(await kind(basic("alice", "old"))).toBe("refuse");
    expect(looked).toHaveLength(1);
  });

  it("with the hash of another user where there is no such user, always the same", async () => {
    const { kind, looked } = setUp();
    await kind(basic("mallory", "one"));
    await kind(basic("mallory", "two"));
    expect([...users.values()]).toContain(looked[0]?.hash);
    expect(looked[1]?.hash).toBe(looked[0]?.hash);
  });

  it("again by another client, as what was right is remembered for one only", async () => {
    const { kind, looked } = setUp();
    await kind(basic("alice", "right"), "192.0.2.1");
    await kind(basic("alice", "right"), "192.0.2.2");
    expect(looked).toHaveLength(2);
  });
});

describe("a client that is wrong too often", () => {
  it("is not listened to any more, right or wrong, and is told for how long", async () => {
    const { exhaust, kind, looked, authenticator } = setUp();
    await exhaust();
    expect(looked).toHaveLength(10);
    expect(await kind(basic("alice", "right"))).toBe("wait");
    expect(looked).toHaveLength(10);
    expect(await authenticator.check(basic("alice", "right"), "192.0.2.1")).toEqual({
      kind: "wait",
      seconds: 5,
    });
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

  it("does not hold up another", async () => {
    const { exhaust, kind } = setUp();
    await exhaust("192.0.2.1");
    expect(await kind(basic("alice", "right"), "192.0.2.2")).toBe("pass");
  });

  it("does not hold up who was right before, though they share an address", async () => {
    const { exhaust, kind } = setUp({ users, bearerToken: "open-sesame" });
    await kind(basic("alice", "right"));
    await kind("Bearer open-sesame");
    await exhaust();
    expect(await kind(basic("alice", "right"))).toBe("pass");
    expect(await kind("Bearer open-sesame")).toBe("pass");
  });

  it("is one client with all addresses of its /64 network", async () => {
    const { exhaust, kind } = setUp();
    await exhaust("2001:db8:1:2::1");
    expect(await kind(basic("alice", "right"), "2001:db8:1:2:ffff::1")).toBe("wait");
    expect(await kind(basic("alice", "right"), "2001:db8:1:3::1")).toBe("pass");
  });

  it("does not guess tokens either", async () => {
    const { kind } = setUp({ bearerToken: "open-sesame" });
    for (let attempt = 0; attempt < 10; attempt++) expect(await kind(`Bearer ${attempt}`)).toBe("refuse");
    expect(await kind("Bearer open-sesame")).toBe("wait");
  });

  it("is told in the log, once a minute", async () => {
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
  it("who is no user any more is out at once", async () => {
    const { kind, authenticator } = setUp();
    await kind(basic("alice", "right"));
    authenticator.use({ users: new Map([["bob", users.get("bob") ?? ""]]) });
    expect(await kind(basic("alice", "right"))).toBe("refuse");
  });

  it("the old password and the old token are worth nothing, the new ones count at once", async () => {
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

  it("who stays is not looked at again", async () => {
    const { kind, authenticator, looked } = setUp();
    await kind(basic("alice", "right"));
    authenticator.use({ users: new Map([...users, ["carol", hashOf("c")]]) });
    expect(await kind(basic("alice", "right"))).toBe("pass");
    expect(looked).toHaveLength(1);
  });

  it("a password that was just being looked at counts only where its hash still does", async () => {
    const { kind, authenticator } = setUp();
    const verdict = kind(basic("alice", "right"));
    authenticator.use({ users: new Map([["alice", hashOf("new")]]) });
    expect(await verdict).toBe("refuse");
    expect(await kind(basic("alice", "right"))).toBe("refuse");
  });
});
