// The layers of src, low to high. A file imports only from lower layers or from its own folder.
// Folders that share a layer never import one another.
const layers = [
  ["backoff", "bounded-map", "memory-budget", "printable"],
  ["model", "exposition", "address", "errors", "logging", "files"],
  ["config", "deadline", "listen", "scheduler", "archive", "telemetry"],
  ["discovery", "cache", "fetch"],
  ["scan", "replication", "server"],
  ["daemon"],
  ["cli"],
  ["main"],
];

const pathOf = (folder) => `^src/${folder}(/|\\.ts$)`;

const layerRules = layers.flatMap((folders, layer) =>
  folders.map((folder) => ({
    name: `${folder}-imports-only-lower-layers`,
    severity: "error",
    comment: `src/${folder} may import its own files and lower layers only.`,
    from: { path: pathOf(folder) },
    to: {
      path: "^src/",
      pathNot: [pathOf(folder), ...layers.slice(0, layer).flat().map(pathOf)],
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

// Inside src/replication: replication.ts puts the folders together.
const replicationRules = Object.entries({
  ssh: ["wire", "sync", "peers"],
  wire: ["ssh", "sync", "peers"],
  sync: ["ssh", "peers"],
}).map(([folder, others]) => ({
  name: `replication-${folder}-imports-no-${others.join("-or-")}`,
  severity: "error",
  from: { path: `^src/replication/${folder}/` },
  to: { path: `^src/replication/(${others.join("|")})/` },
}));

module.exports = {
  forbidden: [
    ...layerRules,
    { name: "no-circular-imports", severity: "error", from: {}, to: { circular: true } },
    {
      name: "every-file-has-a-layer",
      severity: "error",
      comment: "Add a new folder to the layers above.",
      from: { path: "^src/", pathNot: layers.flat().map(pathOf) },
      to: {},
    },
    {
      name: "exposition-and-model-are-pure",
      severity: "error",
      comment: "Bytes in, bytes out: the formats need no I/O.",
      from: { path: "^src/(exposition|model)/" },
      to: { dependencyTypes: ["core", "npm"], pathNot: "^buffer$" },
    },
    ...serverRules,
    ...replicationRules,
    {
      name: "wire-and-sync-know-no-sockets",
      severity: "error",
      from: { path: "^src/replication/(wire|sync)/" },
      to: { path: "^(net|tls|http|https|ssh2)$|node_modules/ssh2" },
    },
    {
      name: "cache-knows-no-replication",
      severity: "error",
      from: { path: "^src/cache/" },
      to: { path: "^src/replication/" },
    },
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
