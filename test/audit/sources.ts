import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { textType } from "../support/target-server.js";
import { fixedPort } from "./fixed-port.js";
import { type Emission, type Labels, type SentSample, seriesKey } from "./verdict.js";

/** The series whose rate is known. */
export const counterName = "audit_total";
/** Labels of samples that ways to scrape rename, but must not lose. */
export const ownLabels = { job: "its own job", instance: "its own instance" };
export const keptValues = { audit_own: Object.values(ownLabels) };

/** How a source responds: at once, after a delay that is within timeouts, or after one that is not. */
export type Speed = "fast" | "slow" | "too slow";

const delays: Readonly<Record<Speed, number>> = { fast: 0, slow: 350, "too slow": 30_000 };

/** Milliseconds after a response in which its client may still close the connection. */
const closingTime = 200;

export interface SourceOptions {
  /** Identifies it: the label `src` of all its samples. */
  readonly name: string;
  /** By how much its counter rises per millisecond. */
  readonly slope: number;
  /** Whether it also has samples with unusual labels, values and timestamps. */
  readonly odd: boolean;
}

/**
 * A target with known samples. Its counter rises with the time since its start, so that the value of each sample shows
 * when it was sent. It remembers everything that it sent, by client: the path after `/metrics`, such as
 * `/metrics/direct`.
 */
export class Source {
  readonly name: string;
  readonly slope: number;
  readonly port: number;
  speed: Speed = "fast";
  readonly #odd: boolean;
  readonly #emissions = new Map<string, Emission[]>();
  #startedAt = Date.now();
  #server: Server | undefined;

  private constructor({ name, slope, odd }: SourceOptions, port: number) {
    this.name = name;
    this.slope = slope;
    this.#odd = odd;
    this.port = port;
  }

  static async start(options: SourceOptions): Promise<Source> {
    const source = new Source(options, await fixedPort());
    await source.up();
    return source;
  }

  /** Everything that this client received. */
  emissions(client: string): readonly Emission[] {
    return this.#emissions.get(client) ?? [];
  }

  /** Its counter begins at 0 again. */
  restart(): void {
    this.#startedAt = Date.now();
  }

  async up(): Promise<void> {
    this.#server = createServer((request, response) => this.#respond(request, response));
    this.#server.keepAliveTimeout = 60_000;
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** Refuses connections, and closes those that are open. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }

  #respond(request: IncomingMessage, response: ServerResponse): void {
    const begun = Date.now();
    setTimeout(() => {
      if (response.destroyed) return;
      const now = Date.now();
      const { text, samples } = exposition(this.#samples(now));
      const client = request.url!.replace(/^\/metrics\/?/, "");
      const list = this.#emissions.get(client) ?? [];
      this.#emissions.set(client, list);
      const emission = { source: this.name, begun, ended: now, complete: false, samples };
      list.push(emission);
      const { socket } = request;
      response.on("finish", () => {
        // A client that ran out of time closes the connection, which a busy machine may show after the response.
        const check = () => {
          emission.complete = !socket.destroyed;
        };
        setTimeout(() => setImmediate(check), closingTime);
      });
      response.writeHead(200, { "content-type": textType });
      response.end(text);
    }, delays[this.speed]);
  }

  #samples(now: number): Sample[] {
    const src = this.name;
    const value = (now - this.#startedAt) * this.slope;
    const common: Sample[] = [
      { type: "counter", labels: { __name__: counterName, src }, value },
      { type: "gauge", labels: { __name__: "audit_time", src }, value: now },
    ];
    return this.#odd ? [...common, ...oddSamples(src, value, now)] : common;
  }
}

interface Sample {
  readonly type: string;
  /** With `__name__`. */
  readonly labels: Labels;
  readonly value: number;
  readonly timestamp?: number;
}

/** Unusual labels, values and timestamps, which everything that handles samples must keep. */
function oddSamples(src: string, value: number, now: number): Sample[] {
  const values = [Number.NaN, Infinity, -Infinity, -0, 5e-324, Number.MAX_VALUE, 0.1 + 0.2, 2 ** 53];
  const texts = ['quote " backslash \\ newline \n end', "é漢🙂", " space ", "x".repeat(1000), '{a="b"} 1 #'];
  const gauge = (labels: Labels, value: number, timestamp?: number): Sample => ({
    type: "gauge",
    labels: { ...labels, src },
    value,
    ...(timestamp !== undefined && { timestamp }),
  });
  const histogram = (name: string, labels: Labels, value: number): Sample => ({
    type: "histogram",
    labels: { __name__: name, ...labels, src },
    value,
  });
  return [
    ...values.map((odd, index) => gauge({ __name__: "audit_odd_value", index: String(index) }, odd)),
    ...texts.map((text) => gauge({ __name__: "audit_odd_label", text }, value)),
    gauge({ __name__: "audit_empty_label", empty: "" }, value),
    gauge({ __name__: "audit_own", ...ownLabels }, value),
    histogram("audit_histogram_bucket", { le: "0.5" }, value),
    histogram("audit_histogram_bucket", { le: "+Inf" }, 2 * value),
    histogram("audit_histogram_sum", {}, value / 4),
    histogram("audit_histogram_count", {}, 2 * value),
    gauge({ __name__: "audit_stamped" }, value, now - 300),
    // Does not change for five seconds.
    gauge({ __name__: "audit_same_stamp" }, Math.floor(now / 5000), now - (now % 5000)),
    // Ends and begins again every three seconds.
    ...(now % 6000 < 3000 ? [gauge({ __name__: "audit_sometimes" }, value)] : []),
  ];
}

/** Writes samples in the text format 0.0.4. */
function exposition(all: readonly Sample[]): { text: string; samples: SentSample[] } {
  let text = "";
  let family = "";
  for (const { type, labels, value, timestamp } of all) {
    const { __name__: name = "", ...rest } = labels;
    const own = type === "histogram" ? name.replace(/_(bucket|sum|count)$/, "") : name;
    if (own !== family) text += `# TYPE ${own} ${type}\n`;
    family = own;
    const pairs = Object.entries(rest).map(([label, content]) => `${label}="${escaped(content)}"`);
    text += `${name}{${pairs.join(",")}} ${valueText(value)}${timestamp === undefined ? "" : ` ${timestamp}`}\n`;
  }
  const samples = all.map(({ labels, value, timestamp }) => ({
    series: seriesKey(labels),
    value,
    ...(timestamp !== undefined && { timestamp }),
  }));
  return { text, samples };
}

function escaped(text: string): string {
  return text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}

function valueText(value: number): string {
  if (Object.is(value, -0)) return "-0";
  return String(value).replace("Infinity", "Inf");
}
