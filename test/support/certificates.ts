import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate and its key, as files and as the texts in them. */
export interface KeyPair {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority that issues certificates for as long as a test runs, made with OpenSSL. */
export interface Authority extends KeyPair {
  /** @param names `subjectAltName`, such as `IP:127.0.0.1`. */
  issue(name: string, names?: string): KeyPair;
  /** Removes all files. */
  remove(): void;
}

/** Makes an authority, in a folder of its own. */
export function createAuthority(name = "authority"): Authority {
  const folder = mkdtempSync(join(tmpdir(), "app-metrics-proxy-test-"));
  const pair = (of: string): KeyPair => {
    const certFile = join(folder, `${of}.crt`);
    const keyFile = join(folder, `${of}.key`);
    return { certFile, keyFile, cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
  };
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...key,
    "-subj",
    `/CN=${name}`,
    "-days",
    "2",
    "-keyout",
    `${name}.key`,
    "-out",
    `${name}.crt`,
  );
  return {
    ...pair(name),
    issue(of, names) {
      openssl("req", "-new", ...key, "-subj", `/CN=${of}`, "-keyout", `${of}.key`, "-out", `${of}.csr`);
      writeFileSync(join(folder, `${of}.ext`), names === undefined ? "" : `subjectAltName=${names}\n`);
      const by = ["-CA", `${name}.crt`, "-CAkey", `${name}.key`, "-CAcreateserial", "-days", "2"];
      openssl("x509", "-req", "-in", `${of}.csr`, ...by, "-extfile", `${of}.ext`, "-out", `${of}.crt`);
      return pair(of);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
