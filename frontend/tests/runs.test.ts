import { describe, expect, test } from "vitest";
import type { Run } from "../src/api/schema";
import { took } from "../src/lib/runs";

function run(started_at: string, ended_at: string | null, ...seconds: number[]): Run {
  const leaderboard = seconds.map((one, i) => ({ name: `trial ${i}`, params: {}, metrics: {}, objective: 1, seconds: one, state: "complete", chosen: false }));
  return { id: "r", model: "m", status: "finished", started_at, ended_at, leaderboard } as unknown as Run;
}

describe("what a run took", () => {
  test("is the time between its ends", () => expect(took(run("2013-01-01T00:00:00Z", "2013-01-01T00:01:30Z", 4))).toBe(90));
  test("is unknown while it goes on", () => expect(took(run("2013-01-01T00:00:00Z", null, 4))).toBeNull());
  test("is its candidates' time where the clock stood still", () => {
    expect(took(run("2013-01-01T00:00:00Z", "2013-01-01T00:00:00Z", 4, 1.5))).toBe(5.5);
    expect(took(run("2013-01-01T00:00:00Z", "2013-01-01T00:00:00Z"))).toBeNull();
  });
});
