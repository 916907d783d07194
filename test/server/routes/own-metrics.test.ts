import { expect, it } from "vitest";
import { setUpServer } from "../../support/http-server.js";

it("/metrics counts requests by route and code, never by path", async () => {
  const { get, put } = await setUpServer();
  put();
  await get("/web/metrics");
  await get("/something/else/entirely");
  await get("/unknown/metrics");
  const { text, headers } = await get("/metrics");
  expect(headers["content-type"]).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(text).toContain(
    'app_metrics_proxy_http_request_duration_seconds_count{route="/:name/metrics",code="200"} 1',
  );
  expect(text).toContain(
    'app_metrics_proxy_http_request_duration_seconds_count{route="/:name/metrics",code="404"} 1',
  );
  expect(text).toContain('app_metrics_proxy_http_request_duration_seconds_count{route="other",code="404"} 1');
  expect(text).toContain('app_metrics_proxy_build_info{version="1.2.3"');
});
