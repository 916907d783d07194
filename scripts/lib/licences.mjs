// licences.mjs <folder of a package-lock.json and its node_modules>
// Prints `name version licence` of each production package in the lock file, including optional ones. Exits with 1 if a
// licence is not allowed. The licence comes from the lock file, or, for packages that only have the older field
// `licenses`, from the installed package.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** SPDX names of permissive licences, which require only that their text is included. */
const allowed = new Set([
  ...["MIT", "MIT-0", "ISC", "0BSD", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "BlueOak-1.0.0"],
  ...["CC0-1.0", "Unlicense", "Python-2.0", "Zlib"],
]);

/** Whether an SPDX expression of names, AND and OR is satisfied by allowed licences. Other expressions are not allowed. */
function isAllowed(expression) {
  const inner = expression.trim().replace(/^\(([^()]*)\)$/, "$1");
  if (/[()]/.test(inner)) return false;
  return inner.split(/ OR /).some((part) => part.split(/ AND /).every((name) => allowed.has(name.trim())));
}

/** The licence of the installed package, if it has the version in the lock file. */
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
    licence === undefined
      ? `${name} ${version}: the licence is unknown`
      : `${name} ${version}: the licence ${licence} is not one of ${[...allowed].join(", ")}`,
  );
}
process.exitCode = refused === 0 ? 0 : 1;
