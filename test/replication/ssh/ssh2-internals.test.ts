import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { AppError } from "../../../src/errors.js";
import {
  installedVersion,
  requireSupportedVersion,
  supportedVersion,
} from "../../../src/replication/ssh/ssh2-internals.js";

const jsonFile = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../../${name}`, import.meta.url), "utf8"));

it("package.json and the lock file pin the supported version of ssh2", () => {
  expect(jsonFile("package.json").dependencies.ssh2).toBe(supportedVersion);
  expect(jsonFile("package-lock.json").packages["node_modules/ssh2"].version).toBe(supportedVersion);
  expect(installedVersion()).toBe(supportedVersion);
});

it("requireSupportedVersion() accepts the installed version and rejects any other", () => {
  expect(() => requireSupportedVersion()).not.toThrow();
  const message = "unsupported ssh2 version 1.18.0: expected 1.17.0; run npm ci";
  expect(() => requireSupportedVersion("1.18.0")).toThrow(new AppError(message));
});
