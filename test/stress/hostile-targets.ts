import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { constants, gzipSync } from "node:zlib";
import { textType } from "../support/target-server.js";
import { behaviours } from "./behaviours.js";
import { runChild } from "./child.js";
import { shapes } from "./expositions.js";

/** A target for the targets file. */
export interface HostileTarget {
  readonly job: string;
  readonly instance: string;
  readonly port: number;
  readonly path: string;
}

export interface HostileTargetsOptions {
  readonly shapes: readonly string[];
  readonly behaviours: readonly string[];
}

/** The bytes of a shape: two rounds, so that each scrape differs from the one before it. */
function prepare(name: string): { readonly type: string; readonly rounds: Buffer[][] } {
  const shape = shapes[name]!;
  const distinct = Math.min(shape.replicas, 2);
  return {
    type: shape.contentType,
    rounds: [0, 1].map((round) =>
      Array.from({ length: distinct }, (_, replica) =>
        gzipSync(shape.build(replica, round), { level: constants.Z_BEST_SPEED }),
      ),
    ),
  };
}

await runChild(true, async (options: HostileTargetsOptions) => {
  const prepared = new Map(options.shapes.map((name) => [name, prepare(name)]));
  const seen = new Map<string, number>();
  const server = createServer((request, response) => {
    response.on("error", () => undefined);
    response.setHeader("content-type", textType);
    const [, name = "", replica = ""] = request.url!.split("/");
    const shape = prepared.get(name);
    if (shape === undefined) return behaviours[name]![1](response);
    const round = seen.get(request.url!) ?? 0;
    seen.set(request.url!, round + 1);
    response.setHeader("content-type", shape.type);
    response.setHeader("content-encoding", "gzip");
    response.end(shape.rounds[round % 2]![Number(replica) % 2]!);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const targetsOf = (name: string, replicas: number): HostileTarget[] =>
    Array.from({ length: replicas }, (_, replica) => ({
      job: `evil-${name}`,
      instance: String(replica),
      port,
      path: `/${name}/${replica}`,
    }));
  return {
    ready: [
      ...options.shapes.flatMap((name) => targetsOf(name, shapes[name]!.replicas)),
      ...options.behaviours.flatMap((name) => targetsOf(name, behaviours[name]![0])),
    ],
    commands: {},
  };
});
