import { describe, expect, it } from "vitest";
import { defaultGateway } from "../../../src/discovery/docker/default-gateway.js";
import { containerIdsIn, findOwnContainer } from "../../../src/discovery/docker/own-container.js";

const id = "6448fefadf2ffaa019dd7c01287c55f841938722d81bd90a55d9db6e9cd3075f";
const other = "792d612b2bbcf7684b0fab77388be97232ac5fac02e1c73e001700750f84be64";
const tail = "rw,relatime - ext4 /dev/vda rw,discard,resv_strict";
const inContainer = `500 454 0:113 / / rw,relatime master:10 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/H43
520 502 0:138 / /dev/mqueue rw,nosuid,nodev,noexec,relatime - mqueue mqueue rw
523 500 254:0 /var/lib/docker/containers/${id}/resolv.conf /etc/resolv.conf ${tail}
524 500 254:0 /var/lib/docker/containers/${id}/hostname /etc/hostname ${tail}
525 500 254:0 /var/lib/docker/containers/${id}/hosts /etc/hosts ${tail}
526 500 254:0 /var/lib/docker/containers/${other}/hostname /elsewhere/hostname ${tail}
`;
const onHost = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
90 27 0:55 / /var/lib/docker/containers/${other}/mounts/shm rw - tmpfs shm rw
`;
const running = new Map([id, other].map((one) => [one, { id: one }]));

describe("the container that the proxy runs in", () => {
  it("is the one whose hostname, hosts and resolv.conf are mounted", () => {
    expect(containerIdsIn(inContainer)).toEqual([id]);
    expect(findOwnContainer(running, { mountinfo: inContainer, hostname: "node-a" })?.id).toBe(id);
  });

  it("is none on the host, though its mounts name containers", () => {
    expect(containerIdsIn(onHost)).toEqual([]);
    expect(findOwnContainer(running, { mountinfo: onHost, hostname: "node-a" })).toBeUndefined();
  });

  it("is none where the engine knows no such container", () => {
    expect(findOwnContainer(new Map(), { mountinfo: inContainer, hostname: "x" })).toBeUndefined();
  });

  it("is otherwise the one whose id begins with the hostname", () => {
    expect(findOwnContainer(running, { mountinfo: "", hostname: "792d612b2bbc" })?.id).toBe(other);
    expect(findOwnContainer(running, { mountinfo: "", hostname: "792d" })).toBeUndefined();
  });
});

describe("the default gateway", () => {
  const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

  it("is read as the kernel writes it", () => {
    const routes = `${head}eth1\t00000000\t010014AC\t0003\t0\t0\t0\t00000000\t0\t0\t0   \neth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n`;
    expect(defaultGateway(routes)).toBe("172.20.0.1");
  });

  it("is that of the lowest metric, of routes that are up and have a gateway", () => {
    const routes =
      `${head}a\t00000000\t0100000A\t0003\t0\t0\t200\t00000000\t0\t0\t0\n` +
      "b\t00000000\t0200000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
      "c\t00000000\t0300000A\t0002\t0\t0\t1\t00000000\t0\t0\t0\n" +
      "d\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n";
    expect(defaultGateway(routes)).toBe("10.0.0.2");
  });

  it("is unknown where there is none", () => {
    for (const text of ["", head, "rubbish\nmore rubbish\n"]) expect(defaultGateway(text)).toBeUndefined();
  });
});
