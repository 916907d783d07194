import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";

const mebibyte = 1024 * 1024;

type Behaviour = readonly [replicas: number, respond: (response: ServerResponse) => void];

/** Targets that do not respond as they should. */
export const behaviours: Readonly<Record<string, Behaviour>> = {
  hanging: [20, () => undefined],
  dripping: [
    20,
    (response) => {
      const timer = setInterval(() => response.write("d"), 50);
      response.on("close", () => clearInterval(timer));
    },
  ],
  bomb: [2, (response) => response.setHeader("content-encoding", "gzip").end(bomb())],
  endless: [
    2,
    (response) => {
      const write = () => {
        while (!response.destroyed && response.write(comments));
      };
      response.on("drain", write);
      write();
    },
  ],
  "invalid-end": [
    2,
    (response) => response.end(Buffer.concat([...repeated(comments, 32), Buffer.from("}\n")])),
  ],
  reset: [
    4,
    (response) => {
      response.write("r 1\n");
      setTimeout(() => response.socket?.resetAndDestroy(), 20);
    },
  ],
};

const comments = Buffer.from("# x\n".repeat(mebibyte / 4));
const repeated = (piece: Buffer, count: number) => Array.from({ length: count }, () => piece);

let madeBomb: Buffer | undefined;
/** One gibibyte of spaces. */
function bomb(): Buffer {
  // Concatenated gzip streams are one gzip file.
  madeBomb ??= Buffer.concat(repeated(gzipSync(Buffer.alloc(64 * mebibyte, " ")), 16));
  return madeBomb;
}
