// The ranks of the house, low to high. A file imports only from a lower rank or from its own folder.
// Rooms that share a rank never import one another.
const ranks = [
  ["backoff", "bounded-map", "memory-budget"],
  ["model", "exposition", "address", "errors", "logging", "telemetry", "files"],
  ["config", "deadline"],
  ["discovery", "cache", "fetch"],
  ["scan", "replication", "server"],
  ["daemon"],
  ["cli"],
  ["main"],
];

const pathOf = (room) => `^src/${room}(/|\\.ts$)`;

const rankRules = ranks.flatMap((rooms, rank) =>
  rooms.map((room) => ({
    name: `${room}-imports-only-lower-ranks`,
    severity: "error",
    comment: `src/${room} may import its own files and ranks below it, nothing beside or above it.`,
    from: { path: pathOf(room) },
    to: {
      path: "^src/",
      pathNot: [pathOf(room), ...ranks.slice(0, rank).flat().map(pathOf)],
    },
  })),
);

// Inside src/server: app.ts and http-server.ts put the folders together.
const serverRules = Object.entries({
  listener: ["routes", "relay"],
  responses: ["listener", "routes", "relay"],
  routes: ["listener"],
  relay: ["listener", "responses", "routes"],
}).map(([folder, others]) => ({
  name: `server-${folder}-imports-no-${others.join("-or-")}`,
  severity: "error",
  from: { path: `^src/server/${folder}/` },
  to: { path: `^src/server/(${others.join("|")})/` },
}));

module.exports = {
  forbidden: [
    ...rankRules,
    { name: "no-circular-imports", severity: "error", from: {}, to: { circular: true } },
    {
      name: "every-file-has-a-rank",
      severity: "error",
      comment: "A new room needs a place in the ranks above.",
      from: { path: "^src/", pathNot: ranks.flat().map(pathOf) },
      to: {},
    },
    {
      name: "the-exposition-room-is-pure",
      severity: "error",
      comment: "Bytes in, bytes out: the formats need no I/O.",
      from: { path: "^src/(exposition|model)/" },
      to: { dependencyTypes: ["core", "npm"], pathNot: "^buffer$" },
    },
    ...serverRules,
    {
      name: "no-orphans",
      severity: "error",
      from: { path: "^src/", orphan: true, pathNot: "^src/main\\.ts$" },
      to: {},
    },
    {
      name: "src-needs-only-production-packages",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"], dependencyTypesNot: ["type-only"] },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  },
};
