import type { Format } from "./format.js";
import { FormatValidator } from "./format-validator.js";
import type { Validator, Verdict } from "./verdict.js";

export { maxLineBytes } from "./format-validator.js";
export type { Validator, Verdict } from "./verdict.js";

/** A validator for one text that is said to be in `format`. */
export function createValidator(format: Format): Validator {
  return new FormatValidator(format);
}

/**
 * A validator for a text whose content type is missing or unknown: what the text is decides. OpenMetrics where it
 * is that to its `# EOF`, else the text format. A text that is neither gets the fault of the format that it
 * followed further, since that is what it means to be.
 */
export function createUnknownValidator(): Validator {
  const judges: Record<Format, Validator> = {
    text: createValidator("text"),
    openmetrics: createValidator("openmetrics"),
  };
  const open: Record<Format, boolean> = { text: true, openmetrics: true };
  return {
    push(chunk: Uint8Array): boolean {
      open.text &&= judges.text.push(chunk);
      open.openmetrics &&= judges.openmetrics.push(chunk);
      return open.text || open.openmetrics;
    },
    end(): Verdict {
      const text = judges.text.end();
      const openmetrics = judges.openmetrics.end();
      if (openmetrics.ok) return openmetrics;
      return text.ok || text.line >= openmetrics.line ? text : openmetrics;
    },
  };
}

/** Judges a whole text that is said to be in `format`. */
export function validate(bytes: Uint8Array, format: Format): Verdict {
  return judge(createValidator(format), bytes);
}

/** Judges a whole text whose content type is missing or unknown. */
export function validateUnknown(bytes: Uint8Array): Verdict {
  return judge(createUnknownValidator(), bytes);
}

function judge(validator: Validator, bytes: Uint8Array): Verdict {
  validator.push(bytes);
  return validator.end();
}
