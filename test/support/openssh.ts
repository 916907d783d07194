import { spawn } from "node:child_process";

const options = [
  "StrictHostKeyChecking=no",
  "UserKnownHostsFile=/dev/null",
  "GlobalKnownHostsFile=/dev/null",
  "LogLevel=ERROR",
  "NumberOfPasswordPrompts=1",
  "PreferredAuthentications=password",
  "PubkeyAuthentication=no",
  "ConnectTimeout=10",
].flatMap((option) => ["-o", option]);

/** The exit code and output of a program. */
export interface Ran {
  readonly code: number | null;
  readonly out: Buffer;
  readonly err: string;
}

/** The SSH server of a proxy, and the password for people. */
export interface SshAccess {
  readonly host: string;
  readonly port: number;
  readonly password: string;
}

/** Runs a command of a proxy with OpenSSH (`sshpass ssh`), as a person would. */
export function askBySsh({ host, port, password }: SshAccess, args: readonly string[]): Promise<Ran> {
  const to = ["-p", String(port), "-F", "none", `replicator@${host}`];
  return run("sshpass", ["-e", "ssh", ...options, ...to, ...args], { SSHPASS: password });
}

/** Runs a program, and waits until it exits. */
export function run(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
  input?: Buffer,
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, ...env } });
    const out: Buffer[] = [];
    let err = "";
    child.stdout.on("data", (chunk) => out.push(chunk));
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out: Buffer.concat(out), err }));
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
  });
}
