import { parentPort, workerData } from "node:worker_threads";
import { attempt } from "./attempt.js";
import { Coverage } from "./coverage.js";
import { explore } from "./explore.js";
import { loadSubject } from "./load-subject.js";
import { type FromWorker, SharedInput, type ToWorker } from "./protocol.js";

/*
 * The thread that runs the subject. Its starter reads the current input from shared memory,
 * even if this thread hangs.
 */

const { subject: file, shared } = workerData as { subject: string; shared: SharedArrayBuffer };
const current = new SharedInput(shared);
const subject = await loadSubject(file);
const tell = (message: FromWorker) => parentPort!.postMessage(message);

parentPort!.on("message", (message: ToWorker) => {
  void (message.kind === "explore" ? runExplore(message) : runOnce(message.input));
});

async function runExplore({ seed, milliseconds, corpus }: ToWorker & { kind: "explore" }): Promise<void> {
  const explored = await explore(subject, {
    seed,
    until: performance.now() + milliseconds,
    corpus: corpus.map((input) => Buffer.from(input)),
    coverage: new Coverage("/src/"),
    progress: {
      trying: (input) => current.write(input),
      interesting: (input) => tell({ kind: "interesting", input }),
      failed: (input, fault) => tell({ kind: "failed", input, fault }),
    },
  });
  tell({ kind: "explored", explored });
}

async function runOnce(input: Uint8Array): Promise<void> {
  current.write(input);
  const { fault } = await attempt(subject, input);
  tell({ kind: "checked", ...(fault === undefined ? {} : { fault }) });
}

tell({ kind: "ready" });
