import { Counter, Gauge, type Registry } from "prom-client";

const prefix = "app_metrics_proxy_";

/** The metrics of authentication, TLS and the web configuration. */
export function createAccessMetrics(registers: Registry[]) {
  const accessReloadSuccessful = new Gauge({
    name: `${prefix}web_config_reload_successful`,
    help: "Whether the last reload of the web configuration and its files succeeded: 1 or 0.",
    registers,
  });
  // The proxy does not start with an invalid configuration.
  accessReloadSuccessful.set(1);
  return {
    accessReloadSuccessful,
    authenticationAttempts: new Counter({
      name: `${prefix}authentication_attempts_total`,
      help: "Requests that required authentication, by scheme and result.",
      labelNames: ["scheme", "result"],
      registers,
    }),
    passwordChecks: new Counter({
      name: `${prefix}password_checks_total`,
      help: "Passwords checked with bcrypt.",
      registers,
    }),
    tlsFailures: new Counter({
      name: `${prefix}tls_failures_total`,
      help: "Failed TLS connections by reason.",
      labelNames: ["reason"],
      registers,
    }),
  };
}
