import { createPrivateKey, createPublicKey, hkdfSync, type ScryptOptions, scrypt } from "node:crypto";

/** One ed25519 key as SSH knows it. */
export interface SshKey {
  /** The private key in the format of OpenSSH, unencrypted. */
  readonly privateKey: string;
  /** The public key as SSH sends it (RFC 8709). */
  readonly publicKey: Buffer;
}

/** The keys of all instances that share a secret. */
export interface SharedKeys {
  readonly host: SshKey;
  readonly client: SshKey;
}

/**
 * 32 MiB and some 0.3 s for one guess: as much as a small container can spare, once at its start. The salt is the
 * same everywhere, since the same secret must give the same keys on every node.
 */
const cost: ScryptOptions = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 1024 * 1024 };
const salt = "app-metrics-proxy replication 1";

/** Derives the keys from the shared secret, with scrypt (RFC 7914). */
export async function deriveKeys(secret: string): Promise<SharedKeys> {
  const master = await new Promise<Buffer>((resolve, reject) => {
    scrypt(secret.normalize("NFC"), salt, 32, cost, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
  const seed = (purpose: string) => Buffer.from(hkdfSync("sha256", master, salt, purpose, 32));
  return { host: keyFrom(seed("host key")), client: keyFrom(seed("client key")) };
}

const algorithm = "ssh-ed25519";
/** What stands before the seed of an ed25519 key in PKCS#8 (RFC 8410). */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

function keyFrom(seed: Buffer): SshKey {
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: "der", type: "pkcs8" });
  const raw = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url");
  const publicKey = Buffer.concat([text(algorithm), text(raw)]);
  return { privateKey: opensshFormat(seed, raw, publicKey), publicKey };
}

/** The format of `ssh-keygen` without a passphrase (OpenSSH's PROTOCOL.key). */
function opensshFormat(seed: Buffer, raw: Buffer, publicKey: Buffer): string {
  const check = Buffer.alloc(8);
  const secret = [check, text(algorithm), text(raw), text(Buffer.concat([seed, raw])), text("")];
  const length = secret.reduce((sum, part) => sum + part.length, 0);
  const padding = Buffer.from(Array.from({ length: (8 - (length % 8)) % 8 }, (_, index) => index + 1));
  const one = Buffer.from([0, 0, 0, 1]);
  const all = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    text("none"),
    text("none"),
    text(""),
    one,
    text(publicKey),
    text(Buffer.concat([...secret, padding])),
  ]);
  const lines = all.toString("base64").match(/.{1,70}/g) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join(
    "\n",
  );
}

/** A string of SSH: its length in 32 bits, and its bytes (RFC 4251). */
function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
