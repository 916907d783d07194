#!/usr/bin/env node
import { createProgram } from "./cli/program.js";
import { AppError, describeError } from "./errors.js";
import { printableLines } from "./printable.js";

try {
  await createProgram().parseAsync();
} catch (error) {
  // Expected errors have a message for the operator. Any other error is a bug, so its stack is printed.
  const text =
    error instanceof AppError ? messageOf(error) : String(error instanceof Error ? error.stack : error);
  process.stderr.write(`${printableLines(text)}\n`);
  process.exitCode = 1;
}

/** A message of several lines, such as a list of invalid settings, is complete; a single line needs its causes. */
function messageOf(error: AppError): string {
  return error.message.includes("\n") ? error.message : describeError(error);
}
