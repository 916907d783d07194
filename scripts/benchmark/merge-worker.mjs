// Merges the replicas of one service as the server does, with new scrapes at each run.
import { gzipSync } from "node:zlib";
import { MemoryBudget } from "../../dist/memory-budget.js";
import { PreparedResponses } from "../../dist/server/responses/prepared-responses.js";
import { exposition } from "./exposition.mjs";
import { contentType } from "./targets.mjs";
import { handleRuns } from "./worker.mjs";

const replicas = Number(process.env.REPLICAS);
const moments = [0, 1].map((moment) =>
  Array.from({ length: replicas }, (_, replica) => {
    const text = Buffer.from(exposition(replica, moment));
    return { size: text.length, gzip: gzipSync(text) };
  }),
);
let run = 0;
let current = [];
const responses = new PreparedResponses(
  { holds: (scrape) => current.includes(scrape), wasScraped: () => true },
  new MemoryBudget(512 * 1024 * 1024),
);

handleRuns(async () => {
  current = moments[run++ % 2].map((text, replica) => ({
    ...text,
    id: `replica-${replica}`,
    job: "shop",
    replica: String(replica),
    contentType,
  }));
  const { signal: client } = new AbortController();
  const parts = current.map((scrape) => ({ scrape }));
  const get = () => responses.get({ name: "shop", kind: "text", parts, client });
  return { first: await cost(get), again: await cost(get) };
});

/** CPU time of some work in seconds, including threads. */
async function cost(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
