import { describe, expect, it } from "vitest";
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

describe("findOwnContainer", () => {
  it("finds the container whose hostname, hosts and resolv.conf are mounted", () => {
    expect(containerIdsIn(inContainer)).toEqual([id]);
    expect(findOwnContainer(running, { mountinfo: inContainer, hostname: "node-a" })?.id).toBe(id);
  });

  it("finds none on the host, although mounts contain container ids", () => {
    expect(containerIdsIn(onHost)).toEqual([]);
    expect(findOwnContainer(running, { mountinfo: onHost, hostname: "node-a" })).toBeUndefined();
  });

  it("finds none if the engine does not list the container", () => {
    expect(findOwnContainer(new Map(), { mountinfo: inContainer, hostname: "x" })).toBeUndefined();
  });

  it("falls back to the container whose id begins with the hostname", () => {
    expect(findOwnContainer(running, { mountinfo: "", hostname: "792d612b2bbc" })?.id).toBe(other);
    expect(findOwnContainer(running, { mountinfo: "", hostname: "792d" })).toBeUndefined();
  });
});
