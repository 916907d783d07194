// Scrapes over TLS with the right password while curl, in another process, tries wrong ones.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import bcrypt from "bcrypt";
import { Agent, request } from "undici";
import { startDaemon } from "./daemon.mjs";
import { startWorker } from "./worker.mjs";

const run = promisify(execFile);
const authorization = `Basic ${Buffer.from("prometheus:the right one").toString("base64")}`;
const batch = 1000;

/** Measures for `seconds` without wrong passwords, then with them. */
export async function measureGuessing({ targets, folder, seconds, onExit }) {
  const daemon = await startDaemon({
    targets,
    folder,
    interval: 3600,
    onExit,
    scheme: "https",
    settings: { WEB_CONFIG_FILE: await makeWebConfig(folder) },
  });
  const worker = await startWorker("scrape-worker.mjs", {
    URL_TO_SCRAPE: daemon.url + targets.singlePath,
    AUTHORIZATION: authorization,
    SECONDS: String(seconds),
  });
  onExit(worker.stop);
  await worker.run();
  const quiet = await worker.run();
  const checksBefore = await passwordChecks(daemon.url);
  let done = false;
  const scraping = worker.run().finally(() => {
    done = true;
  });
  let guesses = 0;
  for (; !done; guesses += batch) await guess(daemon.url + targets.singlePath, folder, guesses);
  const guessed = await scraping;
  const checks = (await passwordChecks(daemon.url)) - checksBefore;
  await worker.stop();
  await daemon.stop();
  return { quiet, guessed, guesses, checks };
}

/** Sends a thousand different wrong passwords, 20 at a time. */
async function guess(url, folder, first) {
  const options = ['output = "/dev/null"', "insecure", "silent", 'write-out = "%{http_code}\\n"'];
  const requests = Array.from({ length: batch }, (_, number) =>
    [`url = "${url}"`, `user = "prometheus:wrong ${first + number}"`, ...options].join("\n"),
  );
  const file = join(folder, "guesses");
  await writeFile(file, requests.join("\nnext\n"));
  const { stdout } = await run("curl", ["--parallel", "--parallel-max", "20", "--config", file]);
  const wrong = stdout
    .trim()
    .split("\n")
    .filter((status) => status !== "401" && status !== "429");
  if (wrong.length > 0) throw new Error(`unexpected status for wrong passwords: ${[...new Set(wrong)]}`);
}

async function passwordChecks(url) {
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } });
  const { body } = await request(`${url}/metrics`, { dispatcher, headers: { authorization } });
  const [, value] = /^app_metrics_proxy_password_checks_total (\d+)$/m.exec(await body.text());
  await dispatcher.close();
  return Number(value);
}

async function makeWebConfig(folder) {
  const [key, cert, file] = ["key.pem", "cert.pem", "web.yml"].map((name) => join(folder, name));
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
  await run("openssl", ["req", "-x509", ...kind, "-subj", "/CN=localhost", "-keyout", key, "-out", cert]);
  const users = { prometheus: await bcrypt.hash("the right one", 10) };
  const config = { tls_server_config: { cert_file: cert, key_file: key }, basic_auth_users: users };
  await writeFile(file, JSON.stringify(config));
  return file;
}
