import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { runChild } from "./child.js";
import { readers, requestOf } from "./reader-kinds.js";

export interface ReadersOptions {
  readonly port: number;
  readonly readers: readonly string[];
  /** Names of hostile services. */
  readonly services: readonly string[];
}

await runChild(true, async ({ port, readers: names, services }: ReadersOptions) => {
  let requests = 0;
  const paths = [
    "/federate",
    ...services.flatMap((name) => [`/${name}/metrics`, `/${name}/0/metrics`, `/federate?name=${name}`]),
  ];
  const request = (close: boolean) => {
    requests++;
    // Two cycles without a common period, so that each path is requested with and without gzip.
    return requestOf(paths[requests % paths.length]!, Math.floor(requests / paths.length) % 2 === 0, close);
  };
  const repeat = async (name: string) => {
    const [, behave] = readers[name]!;
    for (;;) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      const closed = new Promise((resolve) => socket.once("close", resolve));
      behave(socket, () => request(name !== "pipelined"));
      await closed;
      await sleep(200);
    }
  };
  for (const name of names) for (let count = readers[name]![0]; count > 0; count--) void repeat(name);
  return { ready: undefined, commands: {} };
});
