import {
  plainOrigin,
  publicationMemberName,
  readMemberName,
  scrapeKey,
  scrapeMemberName,
} from "../../../src/archive/members.js";
import { isNumber } from "../../../src/model/number.js";
import { law, type Subject } from "../subject.js";

/** Separates origin, job and replica in an input. */
const between = "\x1e";

/** Names of members, and names made of an input's origin, job and replica. */
export const subject: Subject = {
  name: "member-names",
  seeds: () =>
    [
      "node1/web/1/1767225600000000-00c0ffee.gz",
      "node1/1767225600000000-00c0ffee.batch.json.gz",
      "../../etc/1-00000000.gz",
      ["node1", "shop_web", "1"].join(between),
      ["nödé@[::1]:80", "a/b", `..${"x".repeat(200)}`].join(between),
    ].map((text) => Buffer.from(text)),
  words: [
    "/",
    "..",
    "-00000000.gz",
    ".targets.json.gz",
    ".swarm.json.gz",
    "4503599627370496",
    "\0",
    "ö",
    "\ud83d\ude00",
    between,
  ],
  maxBytes: 1024,
  check(input) {
    const text = input.toString("utf8");
    const read = readMemberName(text);
    if (read !== undefined) {
      law(isNumber(read.number), "a number is valid");
      law(read.crc >= 0 && read.crc < 2 ** 32, "a checksum has 32 bits");
      law(!read.origin.includes("/"), "an origin is one segment");
    }
    const [origin = "", job = "", replica = ""] = text.split(between);
    const [body, number] = [Buffer.from(job), 17];
    const scrape = scrapeMemberName({ origin, job, replica, number }, 0xbeef);
    const publication = publicationMemberName({ origin, number, kind: "batch" }, body);
    for (const name of [scrape, publication]) {
      law(
        name.length <= 255 && /^[A-Za-z0-9._@/-]*$/.test(name),
        "a name fits into a ustar header",
        () => name,
      );
      law(!name.split("/").includes(".."), "a name stays within its folder", () => name);
    }
    law(plainOrigin(plainOrigin(origin)) === plainOrigin(origin), "a plain origin stays as it is");
    if (origin === "" || job === "" || replica === "") return;
    const again = readMemberName(scrape);
    law(
      again?.number === number && again.crc === 0xbeef && again.kind === undefined,
      "a name is read as it is written",
    );
    law(scrapeKey(again.origin, number) === scrapeKey(origin, number), "a name identifies its scrape");
    law(readMemberName(publication)?.kind === "batch", "a name is read as it is written");
  },
};
