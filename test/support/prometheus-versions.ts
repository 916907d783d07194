import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { isOnPath } from "./program.js";

const run = promisify(execFile);

/** A server that scrapes and stores metrics, as a program of this machine. */
export interface MetricsServer {
  /** A `ServerName`, or the version of another Prometheus. */
  readonly name: string;
  readonly kind: "prometheus" | "victoriametrics";
  /** Its path. */
  readonly program: string;
}

/** Why a server is missing. `gone`: Debian no longer has this version, so that nobody can install it. */
export interface MissingServer {
  readonly name: ServerName;
  readonly reason: string;
  readonly gone: boolean;
}

/** Where Debian has each server. Their packages run on older releases, too, because Go links statically. */
const packages = {
  "2.42": { suite: "bookworm", name: "prometheus", version: /^2\.42\./ },
  "2.53": { suite: "trixie", name: "prometheus", version: /^2\.53\./ },
  "3.5": { suite: "forky", name: "prometheus", version: /^3\.5\./ },
  victoriametrics: { suite: "trixie", name: "victoria-metrics", version: /^1\./ },
} as const;

export type ServerName = keyof typeof packages;

export const serverNames = Object.keys(packages) as readonly ServerName[];

/** Tests and scripts run in the folder of the project. */
const cache = resolve("node_modules/.cache/metrics-servers");
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * Finds a server: the installed one if it has this version, else the package of the Debian suite that has it, from the
 * mirror that this machine uses. Packages are unpacked into a folder of their own, and kept below node_modules/.cache;
 * nothing is installed.
 */
export async function findServer(name: ServerName): Promise<MetricsServer | MissingServer> {
  const { name: program, suite, version } = packages[name];
  const found = (path: string): MetricsServer => ({
    name,
    kind: program === "prometheus" ? "prometheus" : "victoriametrics",
    program: path,
  });
  if (program === "prometheus" && isOnPath(program) && version.test(await prometheusVersion(program)))
    return found(program);
  // Names the suite, so that a package of another one replaces it.
  const unpacked = join(cache, `${program}-${name}-${suite}`);
  if (existsSync(unpacked)) return found(unpacked);
  if (!isOnPath("apt-get") || !isOnPath("dpkg-deb"))
    return { name, reason: "this machine has no apt-get", gone: false };
  try {
    const available = await download(name, unpacked);
    if (available === undefined) return found(unpacked);
    return { name, reason: `Debian ${suite} has ${program} ${available}`, gone: true };
  } catch (error) {
    return { name, reason: `download failed: ${(error as Error).message}`, gone: false };
  }
}

/** The version of a Prometheus, such as `2.42.0+ds`. @param program name or path. */
export async function prometheusVersion(program: string): Promise<string> {
  const { stdout, stderr } = await run(program, ["--version"]);
  return /version (\S+)/.exec(stdout + stderr)?.[1] ?? "unknown";
}

/** Downloads a package and copies its program to `path`. @returns the version that the suite has, if it is another one */
async function download(name: ServerName, path: string): Promise<string | undefined> {
  const { suite, name: program, version } = packages[name];
  const own = await mkdtemp(join(tmpdir(), "apt-"));
  try {
    for (const sub of ["lists/partial", "cache/archives/partial", "unpacked"])
      await mkdir(join(own, sub), { recursive: true });
    const signedBy = existsSync(keyring) ? `[signed-by=${keyring}] ` : "";
    await writeFile(join(own, "sources.list"), `deb ${signedBy}${await mirror()} ${suite} main\n`);
    const options = [
      `Dir::Etc::SourceList=${join(own, "sources.list")}`,
      "Dir::Etc::SourceParts=/dev/null",
      "Dir::State::Status=/dev/null",
      `Dir::State::Lists=${join(own, "lists")}`,
      `Dir::Cache=${join(own, "cache")}`,
      "APT::Sandbox::User=root",
    ].flatMap((option) => ["-o", option]);
    await run("apt-get", [...options, "-q", "update"]);
    const { stdout } = await run("apt-cache", [...options, "policy", program]);
    const available = /Candidate: (\S+)/.exec(stdout)?.[1] ?? "(none)";
    if (!version.test(available)) return available === "(none)" ? "in no version" : available;
    await run("apt-get", [...options, "-q", "download", program], { cwd: own });
    const [file] = (await readdir(own)).filter((entry) => entry.endsWith(".deb"));
    await run("dpkg-deb", ["-x", join(own, file!), join(own, "unpacked")]);
    await mkdir(cache, { recursive: true });
    // In two steps, because the cache may be on another file system, and another process may do the same.
    const partial = join(await mkdtemp(join(cache, "partial-")), program);
    await copyFile(join(own, "unpacked/usr/bin", program), partial);
    await rename(partial, path);
    await rmdir(dirname(partial));
    return undefined;
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

/** The Debian mirror that this machine uses for its own release. @throws Error if it uses none */
async function mirror(): Promise<string> {
  const release = await readFile("/etc/os-release", "utf8");
  const codename = /^VERSION_CODENAME=(\S+)$/m.exec(release)?.[1];
  const { stdout } = await run("apt-get", [
    "indextargets",
    "--format",
    "$(RELEASE) $(COMPONENT) $(REPO_URI)",
    "Created-By: Packages",
  ]);
  for (const line of stdout.split("\n")) {
    const [suite, component, uri] = line.split(" ");
    if (suite === codename && component === "main" && uri !== undefined) return uri;
  }
  throw new Error(`no Debian mirror for ${codename} among the sources of apt`);
}

/** The servers that can be found among `names`, and why the others cannot. */
export async function findServers(
  names: readonly ServerName[],
): Promise<{ found: readonly MetricsServer[]; missing: readonly MissingServer[] }> {
  const all = await Promise.all(names.map(findServer));
  return {
    found: all.filter((server) => "program" in server),
    missing: all.filter((server) => "reason" in server),
  };
}
