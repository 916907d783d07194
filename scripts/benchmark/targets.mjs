// The targets: one nginx with one worker, and an address in 127.0.0.0/8 for each target, as for containers.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { exposition } from "./exposition.mjs";
import { freePort } from "./free-port.mjs";

export const contentType = "text/plain; version=0.0.4; charset=utf-8";
const replicas = 20;

/**
 * Starts the targets.
 *
 * @param folder an empty folder.
 * @param count the number of targets.
 * @param moments the number of sets of expositions; `advance` replaces one with the next.
 * @param signal cancels the preparation, which takes some seconds.
 * @param onExit registers what to run at the end.
 */
export async function startTargets({ folder, count, moments, signal, onExit }) {
  const port = await freePort();
  const size = { text: 0, gzip: 0 };
  for (let moment = 0; moment < moments; moment++) {
    for (let target = 0; target < count; target++) {
      signal.throwIfAborted();
      const file = textFile(folder, moment, target);
      const text = exposition(target, moment);
      const gzip = gzipSync(text);
      size.text += text.length / count / moments;
      size.gzip += gzip.length / count / moments;
      await mkdir(dirname(file), { recursive: true });
      // There is no plain file: only clients that accept gzip get a response.
      await writeFile(file, gzip);
    }
  }

  const targetsFile = join(folder, "targets.json");
  const groups = Array.from({ length: count }, (_, target) => ({
    targets: [`${addressOf(target)}:${port}`],
    labels: { job: jobOf(target), instance: String((target % replicas) + 1) },
  }));
  await writeFile(targetsFile, JSON.stringify(groups));

  let moment = -1;
  const advance = async () => {
    moment = (moment + 1) % moments;
    await symlink(`moment-${moment}`, join(folder, "next"));
    await rename(join(folder, "next"), join(folder, "now"));
  };
  await advance();

  const configuration = join(folder, "nginx.conf");
  await writeFile(configuration, nginxConfiguration(folder, port));
  const nginx = spawn("nginx", ["-p", folder, "-c", configuration], { stdio: "inherit" });
  const ended = once(nginx, "exit");
  onExit(async () => {
    nginx.kill("SIGTERM");
    await ended;
  });
  const urls = groups.map(({ targets }) => `http://${targets[0]}/metrics`);
  await waitFor(urls[0], nginx);
  return {
    targetsFile,
    /** See textFile. */
    folder,
    moments,
    urls,
    size,
    /** Path under which a proxy serves a service with a single replica. */
    singlePath: `/${jobOf(0)}/metrics`,
    advance,
  };
}

/** The path of a target's gzipped exposition at a moment. */
export function textFile(folder, moment, target) {
  return join(folder, `moment-${moment}`, addressOf(target), "metrics.gz");
}

function addressOf(target) {
  return `127.0.${1 + Math.floor(target / 250)}.${1 + (target % 250)}`;
}

/** One service has a single replica, the others have several. */
function jobOf(target) {
  if (target === 0) return "checkout";
  return `shop-${Math.floor(target / replicas) + 1}`;
}

/** nginx resolves the link `now` at each request, so that replacing it changes all expositions at once. */
function nginxConfiguration(folder, port) {
  return `${process.getuid() === 0 ? "user root;" : ""}
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 16384; }
http {
  access_log off;
  sendfile on;
  gzip_static on;
  keepalive_timeout 75s;
  keepalive_requests 100000;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  types {}
  default_type "${contentType}";
  server {
    listen ${port} backlog=4096;
    root ${folder}/now/$server_addr;
  }
}
`;
}

async function waitFor(url, nginx) {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (nginx.exitCode !== null) break;
    const response = await fetch(url).catch(() => undefined);
    if (response?.ok) return;
    await sleep(50);
  }
  throw new Error("nginx did not start");
}
