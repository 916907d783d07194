import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { requireBuild, startBuiltProxy } from "../support/built-proxy.js";
import { tempFolder } from "../support/temp-folder.js";

const root = join(import.meta.dirname, "../..");
const readJson = (file: string) => JSON.parse(readFileSync(join(root, file), "utf8"));

/** Scripts that npm runs on its own: https://docs.npmjs.com/cli/using-npm/scripts#life-cycle-scripts */
const lifecycleScript =
  /^(dependencies|(pre|post)?(install|uninstall|prepare|pack|publish|shrinkwrap|version)|prepublishOnly)$/;

describe("package.json", () => {
  it("has no script that npm runs during an install, where development packages may be missing", () => {
    expect(
      Object.keys(readJson("package.json").scripts).filter((name) => lifecycleScript.test(name)),
    ).toEqual([]);
  });
});

describe("the program", () => {
  beforeAll(requireBuild);

  it("starts without development packages", async () => {
    const { get } = await startBuiltProxy(
      { NODE_OPTIONS: "--preserve-symlinks --preserve-symlinks-main" },
      "/-/healthy",
      installForProduction(),
    );
    expect((await get("/-/healthy")).status).toBe(200);
  });

  it("does not load the packages with which dockerode builds images", async () => {
    const folder = tempFolder();
    const [hook, list] = [join(folder, "hook.cjs"), join(folder, "loaded.json")];
    writeFileSync(
      hook,
      `process.on("exit", () => {
        const loaded = JSON.stringify(Object.keys(require.cache));
        require("node:fs").writeFileSync(${JSON.stringify(list)}, loaded);
      });`,
    );
    const { child, ended } = await startBuiltProxy({ NODE_OPTIONS: `--require ${hook}` });
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    const loaded: string[] = JSON.parse(readFileSync(list, "utf8"));
    const packages = new Set(loaded.map((path) => /.*node_modules\/(@?[^/]+)/.exec(path)?.[1]));
    expect([...packages]).toContain("dockerode");
    expect([...packages].filter((name) => name === "@grpc" || name === "protobufjs")).toEqual([]);
  });
});

/**
 * Does what `npm ci --omit=dev` does, with links to the packages that are installed here.
 *
 * @returns the path of the program. Node must preserve symbolic links, or it would find the development packages.
 */
function installForProduction(): string {
  const folder = tempFolder();
  cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  const packages: Record<string, { readonly dev?: boolean; readonly optional?: boolean }> =
    readJson("package-lock.json").packages;
  for (const [path, { dev, optional }] of Object.entries(packages)) {
    // Packages within others are part of their folder.
    if (dev || optional || path.lastIndexOf("node_modules/") !== 0) continue;
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    symlinkSync(join(root, path), join(folder, path));
  }
  return join(folder, "dist/main.js");
}
