// The baseline for serving: Express handlers that only send given bytes.
import { readFileSync } from "node:fs";
import express from "express";

const { BODY, CONTENT_TYPE, HANDLER } = process.env;
const bytes = readFileSync(BODY);

const handlers = {
  /** The usual way: Express adds Content-Length and ETag. */
  send(_request, response) {
    response.set("Content-Type", CONTENT_TYPE);
    response.set("Content-Encoding", "gzip");
    response.send(bytes);
  },
  /** With as little of Express as possible. */
  end(_request, response) {
    response.setHeader("Content-Type", CONTENT_TYPE);
    response.setHeader("Content-Encoding", "gzip");
    response.setHeader("Content-Length", bytes.length);
    response.end(bytes);
  },
};

const app = express();
app.get("/:name/metrics", handlers[HANDLER]);
const server = app.listen(0, "127.0.0.1", () => process.send(server.address().port));
process.on("disconnect", () => process.exit());
