import { describe, expect, it } from "vitest";
import { defaultGateway } from "../../../src/discovery/docker/machine.js";

describe("defaultGateway", () => {
  const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

  it("parses the format of the kernel", () => {
    const routes = `${head}eth1\t00000000\t010014AC\t0003\t0\t0\t0\t00000000\t0\t0\t0   \neth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n`;
    expect(defaultGateway(routes)).toBe("172.20.0.1");
  });

  it("chooses the route with the lowest metric that is up and has a gateway", () => {
    const routes =
      `${head}a\t00000000\t0100000A\t0003\t0\t0\t200\t00000000\t0\t0\t0\n` +
      "b\t00000000\t0200000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
      "c\t00000000\t0300000A\t0002\t0\t0\t1\t00000000\t0\t0\t0\n" +
      "d\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n";
    expect(defaultGateway(routes)).toBe("10.0.0.2");
  });

  it("returns undefined without a default route", () => {
    for (const text of ["", head, "rubbish\nmore rubbish\n"]) expect(defaultGateway(text)).toBeUndefined();
  });
});
