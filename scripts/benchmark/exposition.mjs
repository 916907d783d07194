// The exposition of one target: 1,000 series of a web service in about 97 kB, 10 kB gzipped.

const routes = [
  "/api/v1/orders",
  "/api/v1/orders/:id",
  "/api/v1/orders/:id/items",
  "/api/v1/customers",
  "/api/v1/customers/:id",
  "/api/v1/products",
  "/api/v1/products/:id",
  "/api/v1/products/search",
  "/api/v1/cart",
  "/api/v1/cart/checkout",
  "/api/v1/payments",
  "/api/v1/payments/:id/refund",
  "/login",
  "/logout",
  "/static/*",
];
const methods = ["GET", "POST"];
const bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"];
const queries = ["select_order", "insert_order", "select_customer", "update_stock", "search_products"];
const pools = ["primary", "replica-a", "replica-b"];
const statuses = ["200", "201", "204", "301", "304", "400", "401", "403", "404", "409", "422", "429", "500"];

/**
 * @param target number of the target; the values differ from target to target.
 * @param moment number of the moment; counters rise and gauges change from moment to moment.
 */
export function exposition(target, moment) {
  const random = randomNumbers(target * 7919 + 1);
  const drift = randomNumbers(target * 104_729 + moment * 31 + 7);
  const count = (most) => Math.floor(random() ** 2 * most) + Math.floor(moment * drift() * 40);
  const lines = [];
  let families = 0;
  const family = (name, type, help) => {
    families++;
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  };
  const samples = () => lines.length - 2 * families;

  family("http_request_duration_seconds", "histogram", "Duration of HTTP requests by method and route.");
  for (const route of routes) {
    for (const method of methods) {
      const labels = `method="${method}",route="${route}",service="shop"`;
      let total = 0;
      for (const bound of bounds) {
        total += count(90_000);
        lines.push(`http_request_duration_seconds_bucket{${labels},le="${bound}"} ${total}`);
      }
      lines.push(`http_request_duration_seconds_sum{${labels}} ${(total * 0.043 + drift()).toFixed(9)}`);
      lines.push(`http_request_duration_seconds_count{${labels}} ${total}`);
    }
  }
  family("http_requests_total", "counter", "HTTP requests by method, route and status code.");
  for (const route of routes) {
    for (const method of methods) {
      for (const status of statuses) {
        const labels = `method="${method}",route="${route}",status="${status}",service="shop"`;
        lines.push(`http_requests_total{${labels}} ${count(6_000_000)}`);
      }
    }
  }
  family("db_query_duration_seconds", "summary", "Duration of database queries by query and pool.");
  for (const query of queries) {
    for (const pool of pools) {
      const labels = `query="${query}",pool="${pool}",service="shop"`;
      for (const quantile of ["0.5", "0.9", "0.99"]) {
        lines.push(`db_query_duration_seconds{${labels},quantile="${quantile}"} ${drift().toFixed(9)}`);
      }
      lines.push(`db_query_duration_seconds_sum{${labels}} ${(random() * 4000 + moment).toFixed(9)}`);
      lines.push(`db_query_duration_seconds_count{${labels}} ${count(90_000)}`);
    }
  }
  family("queue_wait_seconds", "gauge", "Age of the oldest message by queue and priority.");
  for (let queue = 0; samples() < 997; queue++) {
    const labels = `queue="tasks-${queue >> 1}",priority="${queue % 2 ? "high" : "low"}"`;
    lines.push(`queue_wait_seconds{${labels}} ${(random() * 90 + drift()).toFixed(9)}`);
  }
  family("process_cpu_seconds_total", "counter", "Processor time in seconds.");
  lines.push(`process_cpu_seconds_total ${(random() * 10_000 + moment * 3 + drift()).toFixed(2)}`);
  family("process_resident_memory_bytes", "gauge", "Resident memory in bytes.");
  lines.push(`process_resident_memory_bytes ${Math.floor(1e8 + drift() * 5e7)}`);
  family("process_start_time_seconds", "gauge", "Start of the process in seconds since the epoch.");
  lines.push(`process_start_time_seconds ${(1.7e9 + random() * 1e7).toFixed(2)}`);
  return `${lines.join("\n")}\n`;
}

/** Pseudorandom numbers from 0 up to 1 (mulberry32), the same for the same seed. */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
