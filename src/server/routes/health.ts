import { Router } from "express";
import type { ServerContext } from "../context.js";
import { sendText } from "../send.js";

/** `/-/healthy`: the process answers. `/-/ready`: the first scan is done. */
export function healthRoutes({ ready }: ServerContext): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router.get("/-/healthy", (_request, response) => sendText(response, 200, "healthy"));
  router.get("/-/ready", (_request, response) => {
    if (ready()) sendText(response, 200, "ready");
    else sendText(response, 503, "not ready: the first scan is not done yet");
  });
  return router;
}
