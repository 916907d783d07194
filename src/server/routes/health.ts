import type { IRouter } from "express";
import type { ServerContext } from "../context.js";
import { sendText } from "../send.js";

/** `/-/healthy`: the process answers. `/-/ready`: the first scan is done. */
export function healthRoutes(router: IRouter, { ready }: ServerContext): void {
  router.get("/-/healthy", (_request, response) => sendText(response, 200, "healthy"));
  router.get("/-/ready", (_request, response) => {
    if (ready()) sendText(response, 200, "ready");
    else sendText(response, 503, "not ready: the first scan is not done yet");
  });
}
