// Nodes as processes, each on an address of its own in 127.0.0.0/8, that replicate over SSH.
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.mjs";

const program = fileURLToPath(new URL("replication-worker.mjs", import.meta.url));

/**
 * Starts nodes.
 *
 * @param nodes of each the targets that it has, whether it is a manager, and the indices of its peers.
 * @param settings what they have in common: `folder` of the targets, `samples` of each, `replicateTo`, `staleAfter`.
 * @param cacheDirOf the folder of a node's cache, by its index.
 */
export async function startNodes({ nodes, settings, cacheDirOf, onExit, execArgvOf = () => [] }) {
  const port = await freePort();
  const addressOf = (index) => ({ host: `127.0.0.${index + 1}`, port });
  const started = nodes.map(({ targets, manager, peers }, index) =>
    startNode(
      {
        ...settings,
        targets,
        manager,
        origin: `node-${index + 1}.example.org`,
        listen: addressOf(index),
        cacheDir: cacheDirOf(index),
        peers: peers.map((peer) => ({
          key: String(peer),
          title: `node ${peer + 1}`,
          addresses: [addressOf(peer)],
        })),
      },
      execArgvOf(index),
    ),
  );
  const all = await Promise.all(started);
  const stop = () => Promise.all(all.map((node) => node.stop()));
  onExit(stop);
  await connect(all);
  return { all, stop };
}

/** Has all nodes do something at once; see the commands of the worker. */
export function ask(nodes, command, argument) {
  return Promise.all(nodes.map((node) => node.ask(command, argument)));
}

/** On a machine that is busy with the start of so many, the first try need not do. */
async function connect(nodes) {
  let apart = [];
  for (let attempt = 0; attempt < 60; attempt++) {
    await ask(nodes, "cycle");
    apart = (await ask(nodes, "figures")).flatMap((node) => node.apart);
    if (apart.length === 0) return;
    await sleep(1000);
  }
  throw new Error(["the nodes do not get in touch", ...apart].join("\n"));
}

async function startNode(settings, execArgv) {
  const env = { ...process.env, SSHPASS: "correct horse battery staple", NODE: JSON.stringify(settings) };
  const child = fork(program, { env, execArgv });
  const ended = once(child, "exit");
  const waiting = new Map();
  const failed = ended.then(([code]) => {
    throw new Error(`${settings.origin} ended with ${code}`);
  });
  failed.catch(() => undefined);
  await Promise.race([once(child, "message"), failed]);
  child.on("message", ({ id, result }) => {
    waiting.get(id)(result);
    waiting.delete(id);
  });
  let count = 0;
  return {
    pid: child.pid,
    origin: settings.origin,
    /** Has the node do something; see the commands of the worker. */
    ask(command, argument) {
      const id = count++;
      const answered = new Promise((resolve) => waiting.set(id, resolve));
      child.send({ id, command, argument });
      return Promise.race([answered, failed]);
    },
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
