// licences.mjs <folder of a package-lock.json and its node_modules>
// Prints `name version licence` of each package that the lock file has for production, also of the optional ones, and
// ends with 1 where a licence is not allowed. A licence is what the lock file says; where that is silent (it knows only
// today's field `license`), what the installed package says in the older `licenses`.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Licences by their SPDX names that ask for no more than to be passed on with what they are for. */
const allowed = new Set([
  ...["MIT", "MIT-0", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "BlueOak-1.0.0"],
  ...["CC0-1.0", "Unlicense", "Python-2.0", "Zlib"],
]);

/** Whether an SPDX expression of names, AND and OR can be met by allowed licences alone; anything else cannot. */
function isAllowed(expression) {
  const inner = expression.trim().replace(/^\(([^()]*)\)$/, "$1");
  if (/[()]/.test(inner)) return false;
  return inner.split(/ OR /).some((part) => part.split(/ AND /).every((name) => allowed.has(name.trim())));
}

/** What the installed package says, if it is the one that the lock file means. */
function installedLicence(folder, path, version) {
  let manifest;
  try {
    manifest = JSON.parse(readFileSync(join(folder, path, "package.json"), "utf8"));
  } catch {
    return undefined;
  }
  if (manifest.version !== version) return undefined;
  const { license, licenses = [] } = manifest;
  const named = [license, ...licenses].map((one) => (typeof one === "string" ? one : one?.type));
  return named.filter((one) => one !== undefined).join(" OR ") || undefined;
}

const [folder] = process.argv.slice(2);
const { packages } = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8"));
let refused = 0;
for (const [path, { dev, license, version }] of Object.entries(packages)) {
  if (path === "" || dev === true) continue;
  const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
  const licence = license ?? installedLicence(folder, path, version);
  console.log(`${name} ${version} ${licence ?? "unknown"}`);
  if (licence !== undefined && isAllowed(licence)) continue;
  refused++;
  console.error(
    `${name} ${version}: the licence ${licence ?? "is not known"} is none of ${[...allowed].join(", ")}`,
  );
}
process.exitCode = refused === 0 ? 0 : 1;
