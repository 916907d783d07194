import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/soak/**"],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          exclude: ["test/e2e/swarm.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          // One engine, one machine: the files share it and run one after the other.
          fileParallelism: false,
        },
      },
      {
        // Waits most of the time, and so runs beside the others.
        test: {
          name: "swarm",
          include: ["test/e2e/swarm.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: "soak",
          include: ["test/soak/**/*.test.ts"],
          testTimeout: 24 * 3_600_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
