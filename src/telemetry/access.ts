import { Counter, Gauge, type Registry } from "prom-client";

const prefix = "app_metrics_proxy_";

/** The metrics of who is let in, and of the files that say so. */
export function createAccessMetrics(registers: Registry[]) {
  const accessReloadSuccessful = new Gauge({
    name: `${prefix}web_config_reload_successful`,
    help: "Whether the web configuration and its files could be used when they were last read: 1 or 0.",
    registers,
  });
  // It is, or the proxy would not have started.
  accessReloadSuccessful.set(1);
  return {
    accessReloadSuccessful,
    authenticationAttempts: new Counter({
      name: `${prefix}authentication_attempts_total`,
      help: "Requests that had to show a password or a token, by what they showed and what came of it.",
      labelNames: ["scheme", "result"],
      registers,
    }),
    passwordChecks: new Counter({
      name: `${prefix}password_checks_total`,
      help: "Passwords that were looked at with bcrypt.",
      registers,
    }),
    tlsFailures: new Counter({
      name: `${prefix}tls_failures_total`,
      help: "TLS connections that did not come about, by reason.",
      labelNames: ["reason"],
      registers,
    }),
  };
}
