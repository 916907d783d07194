import type { Socket } from "node:net";

/** Hostile clients of the HTTP port: how many of each run at the same time, and what one connection of them does. */
type Reader = readonly [count: number, behave: (socket: Socket, request: () => string) => unknown];

const slowBytes = 4096;

export const readers: Readonly<Record<string, Reader>> = {
  /** Requests and never reads. */
  silent: [
    300,
    (socket, request) => {
      socket.pause();
      socket.write(request());
    },
  ],
  /** Reads 40 KiB per second. */
  slow: [
    50,
    (socket, request) => {
      socket.write(request());
      socket.pause();
      const timer = setInterval(() => socket.read(slowBytes), 100);
      socket.on("readable", () => undefined);
      socket.on("close", () => clearInterval(timer));
    },
  ],
  /** Sends 500 requests at once, and reads slowly. */
  pipelined: [
    10,
    (socket, request) => {
      for (let count = 0; count < 500; count++) socket.write(request());
      const timer = setInterval(() => (socket.isPaused() ? socket.resume() : socket.pause()), 200);
      socket.on("close", () => clearInterval(timer));
    },
  ],
  /** Disconnects before the response. */
  aborting: [
    5,
    (socket, request) => {
      socket.write(request());
      setTimeout(() => socket.resetAndDestroy(), 100 + 400 * Math.random());
    },
  ],
  /** Reads everything as fast as possible. */
  greedy: [
    6,
    (socket, request) => {
      socket.resume();
      socket.write(request());
    },
  ],
  /** Requests what does not exist, under long names. */
  unknown: [
    4,
    (socket) => {
      socket.resume();
      const name = String.fromCharCode(97 + Math.floor(26 * Math.random())).repeat(7000);
      socket.write(requestOf(`/${name}/metrics`, false));
    },
  ],
  /** Requests the pages that list everything. */
  lists: [
    2,
    (socket) => {
      socket.resume();
      const path = ["/targets", "/", "/discovery", "/metrics"][Math.floor(4 * Math.random())]!;
      socket.write(requestOf(path, false));
    },
  ],
};

export function requestOf(path: string, gzip: boolean, close = true): string {
  const headers = [
    "Host: a",
    `Accept-Encoding: ${gzip ? "gzip" : "identity"}`,
    ...(close ? ["Connection: close"] : []),
  ];
  return `GET ${path} HTTP/1.1\r\n${headers.join("\r\n")}\r\n\r\n`;
}
