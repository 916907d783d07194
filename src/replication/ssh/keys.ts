import { createPrivateKey, createPublicKey, hkdfSync, type ScryptOptions, scrypt } from "node:crypto";

/** An ed25519 key pair. */
export interface SshKey {
  /** In OpenSSH format, unencrypted. */
  readonly privateKey: string;
  /** In SSH's wire format (RFC 8709). */
  readonly publicKey: Buffer;
}

/** The keys of all instances that share a secret. */
export interface SharedKeys {
  readonly host: SshKey;
  readonly client: SshKey;
}

/**
 * One guess takes 32 MiB and about 0.3 s, which a small container can afford once at its start. The salt is a constant
 * because the same secret must produce the same keys on every node.
 */
const cost: ScryptOptions = { N: 2 ** 15, r: 8, p: 3, maxmem: 64 * 1024 * 1024 };
const salt = "app-metrics-proxy replication 1";

/** Derives the keys from the shared secret with scrypt (RFC 7914) and HKDF (RFC 5869). */
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
/** The bytes before the seed of an ed25519 key in PKCS#8 (RFC 8410). */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

function keyFrom(seed: Buffer): SshKey {
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: "der", type: "pkcs8" });
  const raw = Buffer.from(createPublicKey(key).export({ format: "jwk" }).x ?? "", "base64url");
  const publicKey = Buffer.concat([text(algorithm), text(raw)]);
  return { privateKey: opensshFormat(seed, raw, publicKey), publicKey };
}

/** The file that `ssh-keygen` writes without a passphrase (OpenSSH's PROTOCOL.key). */
function opensshFormat(seed: Buffer, raw: Buffer, publicKey: Buffer): string {
  const check = Buffer.alloc(8);
  const pair = text(Buffer.concat([seed, raw]));
  // Pads the secret part, which always has 131 bytes, to a multiple of 8.
  const padding = Buffer.from([1, 2, 3, 4, 5]);
  const secret = Buffer.concat([check, text(algorithm), text(raw), pair, text(""), padding]);
  const cipher = [text("none"), text("none"), text("")];
  const keyCount = Buffer.from([0, 0, 0, 1]);
  const magic = Buffer.from("openssh-key-v1\0");
  const all = Buffer.concat([magic, ...cipher, keyCount, text(publicKey), text(secret)]);
  const lines = all.toString("base64").match(/.{1,70}/g) ?? [];
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join("\n")}\n-----END OPENSSH PRIVATE KEY-----\n`;
}

/** A `string` of RFC 4251, section 5: its length in 32 bits, then its bytes. */
function text(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
