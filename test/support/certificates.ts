import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate and its key, as files and as text. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority for tests. */
export interface Authority extends Certificate {
  /** @param names subject alternative names as OpenSSL writes them, such as `DNS:localhost,IP:127.0.0.1`. */
  issue(title: string, names?: string): Certificate;
}

export const loopbackNames = "DNS:localhost,IP:127.0.0.1";

/** Creates an authority whose certificates are valid for one day. All files are in `folder`, named after their titles. */
export function makeAuthority(folder: string, title = "ca"): Authority {
  const own = make(folder, title, ["-addext", "basicConstraints=critical,CA:TRUE"]);
  const signed = ["-CA", own.certFile, "-CAkey", own.keyFile, "-addext", "basicConstraints=CA:FALSE"];
  return {
    ...own,
    issue: (name, names = loopbackNames) =>
      make(folder, name, [...signed, "-addext", `subjectAltName=${names}`]),
  };
}

/** Creates an authority in a new folder, and a function to remove that. */
export function createAuthority(title?: string): Authority & { remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "app-metrics-proxy-test-"));
  return {
    ...makeAuthority(folder, title),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function make(folder: string, title: string, options: readonly string[]): Certificate {
  const certFile = join(folder, `${title}.pem`);
  const keyFile = join(folder, `${title}.key`);
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const output = ["-days", "1", "-subj", `/CN=${title}`, "-keyout", keyFile, "-out", certFile];
  execFileSync("openssl", [...request, ...output, ...options], { stdio: ["ignore", "ignore", "pipe"] });
  return { certFile, keyFile, cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
}
