import type { Format } from "../../src/exposition/format.js";
import {
  createUnknownValidator,
  createValidator,
  type Validator,
  type Verdict,
} from "../../src/exposition/validator.js";

/** Validates a complete exposition in a known format. */
export function validate(bytes: Uint8Array, format: Format): Verdict {
  return validateWith(createValidator(format), bytes);
}

/** Validates a complete exposition whose content type is missing or unknown. */
export function validateUnknown(bytes: Uint8Array): Verdict {
  return validateWith(createUnknownValidator(), bytes);
}

function validateWith(validator: Validator, bytes: Uint8Array): Verdict {
  validator.push(bytes);
  return validator.end();
}
