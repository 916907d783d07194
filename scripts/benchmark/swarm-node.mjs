// Nodes that replicate over SSH: one process each, with its own address in 127.0.0.0/8.
import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "./free-port.mjs";

const program = fileURLToPath(new URL("replication-worker.mjs", import.meta.url));

/**
 * Starts nodes, and waits until all are connected.
 *
 * @param nodes the targets of each, whether it is a manager, and the indices of its peers.
 * @param settings common settings: `folder` of the targets, `samples` of each, `replicateTo`, `staleAfter`.
 * @param cacheDirOf returns the cache folder of a node, by its index.
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
        task: taskOf(index),
        origin: `node-${index + 1}.example.org`,
        listen: addressOf(index),
        cacheDir: cacheDirOf(index),
        peers: peers.map((peer) => ({
          key: taskOf(peer),
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

function taskOf(index) {
  return `task${String(index).padStart(4, "0")}`;
}

/** Runs a command on all nodes at once; see the commands of the worker. */
export function call(nodes, command, argument) {
  return Promise.all(nodes.map((node) => node.call(command, argument)));
}

/** Retries, because the first attempt may time out while so many processes start. */
async function connect(nodes) {
  let apart = [];
  for (let attempt = 0; attempt < 60; attempt++) {
    await call(nodes, "refresh");
    apart = (await call(nodes, "figures")).flatMap((node) => node.apart);
    if (apart.length === 0) return;
    await sleep(1000);
  }
  throw new Error(["the nodes did not connect", ...apart].join("\n"));
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
    /** Runs a command on the node; see the commands of the worker. */
    call(command, argument) {
      const id = count++;
      const result = new Promise((resolve) => waiting.set(id, resolve));
      child.send({ id, command, argument });
      return Promise.race([result, failed]);
    },
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
