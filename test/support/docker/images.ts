import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Engine } from "./engine.js";
import { addProgram, importImage } from "./import.js";

/** The response of the sample exporter at `/metrics`. */
export const sampleExposition = `# HELP sample_requests_total Requests by status and path.
# TYPE sample_requests_total counter
sample_requests_total{code="200",path="/a \\"quoted\\" path"} 1027
sample_requests_total{code="500",path="/"} 3
# HELP sample_temperature_celsius Outside temperature.
# TYPE sample_temperature_celsius gauge
sample_temperature_celsius -3.5
`;

/** `sample-exporter`: busybox' httpd with a file `metrics`, on port 8080. */
export function importSampleExporter(engine: Engine): Promise<void> {
  const command = `CMD ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]`;
  return importImage(engine, "sample-exporter", [command], async (root) => {
    await addProgram(root, "/bin/busybox");
    await mkdir(join(root, "www"));
    await writeFile(join(root, "www/metrics"), sampleExposition);
  });
}

/** `node-exporter`: Debian's Prometheus node exporter, on port 9100. */
export function importNodeExporter(engine: Engine): Promise<void> {
  const command = `CMD ["/usr/bin/prometheus-node-exporter"]`;
  return importImage(engine, "node-exporter", [command], (root) =>
    addProgram(root, "/usr/bin/prometheus-node-exporter"),
  );
}

/** `prometheus`: Debian's Prometheus, on port 9090, with this configuration. */
export function importPrometheus(engine: Engine, config: object): Promise<void> {
  const command = ["/usr/bin/prometheus", "--config.file=/prometheus.yml", "--storage.tsdb.path=/data"];
  return importImage(engine, "prometheus", [`CMD ${JSON.stringify(command)}`], async (root) => {
    await addProgram(root, "/usr/bin/prometheus");
    // JSON is valid YAML.
    await writeFile(join(root, "prometheus.yml"), JSON.stringify(config));
  });
}

/**
 * `sample-app`: several kinds of programs, see sample-app/main.mjs. The command of the container is the kind and
 * optionally the port (default: 8080).
 */
export function importSampleApp(engine: Engine): Promise<void> {
  const entry = `ENTRYPOINT ["/bin/node", "/main.mjs"]`;
  return importImage(engine, "sample-app", [entry], async (root) => {
    await addProgram(root, process.execPath, "/bin/node");
    await addProgram(root, fileURLToPath(new URL("./sample-app/main.mjs", import.meta.url)), "/main.mjs");
  });
}
