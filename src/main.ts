#!/usr/bin/env node
import { createProgram } from "./cli/program.js";
import { AppError, describeError } from "./errors.js";

try {
  await createProgram().parseAsync();
} catch (error) {
  // What the program foresees is told in its own words; anything else is a fault of ours and shows where.
  const text =
    error instanceof AppError ? messageOf(error) : String(error instanceof Error ? error.stack : error);
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}

/** A message of several lines, such as all bad settings, stays so; a single line takes its causes along. */
function messageOf(error: AppError): string {
  return error.message.includes("\n") ? error.message : describeError(error);
}
