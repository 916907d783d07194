import { ByteSink } from "./byte-sink.js";
import { Declarations } from "./declarations.js";
import { FederatedFamilies } from "./federated-families.js";
import { PutLabels } from "./put-labels.js";
import { SampleCopier } from "./sample-copier.js";
import type { Source } from "./source.js";
import type { Steps } from "./steps.js";

/** A source, and when it was read. */
export interface FederatedSource extends Source {
  /** Milliseconds since the epoch, a whole number: for all samples that have no timestamp of their own. */
  readonly timestamp?: number;
}

/**
 * One answer in text 0.0.4 over many sources, made one source at a time: it remembers no more than the names of
 * families and metrics, so that memory does not grow with the answer.
 *
 * Every sample of every source is in it. HELP and TYPE are said before the first sample of a family and never
 * again, not even where another source has another type: Prometheus needs no more, and strict parsers take it.
 */
export class Federation {
  private readonly sink = new ByteSink(0);
  private readonly copier = new SampleCopier(this.sink, false);
  private readonly families = new FederatedFamilies();
  /** How many bytes came out for each that went in, the last time. */
  private growth = 1.5;

  /** The lines of one source. They are the caller's; each call makes new ones. One source comes after the other. */
  *add({ bytes, format, labels, timestamp }: FederatedSource): Steps<Buffer> {
    const { families, sink } = this;
    const declarations = new Declarations(format, "text");
    sink.renew(1.02 * this.growth * bytes.length);
    yield* this.copier.copy(
      { bytes, format, into: "text", put: new PutLabels(labels), timestamp },
      {
        metadata: (line) => declarations.add(line),
        enter: ({ name }) => {
          const header = families.introduce(name, declarations);
          if (header !== "") sink.write(header);
        },
        sample: () => undefined,
      },
    );
    if (bytes.length > 0) this.growth = sink.length / bytes.length;
    return sink.bytes.subarray(0, sink.length);
  }
}
