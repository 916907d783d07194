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
          // All files use the Docker engine of this machine, so they run one after the other.
          fileParallelism: false,
        },
      },
      {
        // Waits most of the time, so it runs in parallel with the others.
        test: {
          name: "swarm",
          include: ["test/e2e/swarm.test.ts"],
          // Above the sum of a test's own waits, whose errors name what did not happen: on a busy machine, a swarm may take
          // two minutes to elect a leader and to restart its tasks after a fault.
          testTimeout: 400_000,
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
