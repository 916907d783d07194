import type { Format } from "../../src/exposition/format.js";
import { createValidator, type Verdict } from "../../src/exposition/validator.js";

/** Validates a complete exposition. @param format undefined if the content type is missing or unknown. */
export function validate(bytes: Buffer, format: Format | undefined): Verdict {
  const validator = createValidator(format);
  validator.push(bytes);
  return validator.end();
}

/** Validates a complete exposition whose content type is missing or unknown. */
export function validateUnknown(bytes: Buffer): Verdict {
  return validate(bytes, undefined);
}
