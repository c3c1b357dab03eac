import { describe, expect, test } from "vitest";
import type { MetricMeaning, Run } from "../src/api/schema";
import { joined, nearest } from "../src/charts/chart";
import { best, metrics, order, params } from "../src/lib/compare";
import { rebinned } from "../src/lib/bins";
import { match } from "../src/lib/paths";
import { packages, summary } from "../src/lib/spec";

function run(id: string, more: Partial<Run>): Run {
  return { id, model: "flights", status: "finished", started_at: "2013-01-01T00:00:00Z", params: {}, metrics: {}, tags: {}, artifacts: {}, leaderboard: [], ...more };
}

const CATALOG = new Map<string, MetricMeaning>([
  ["auc", { name: "auc", tasks: [], better: "higher", meaning: "", unit: "" }],
  ["mae", { name: "mae", tasks: [], better: "lower", meaning: "", unit: "label" }],
]);

describe("runs beside each other", () => {
  test("params that differ come first, and one that is missing differs", () => {
    const rows = params([run("a", { params: { depth: 3, rate: 0.1 } }), run("b", { params: { depth: 3 } })]);
    expect(rows.map((row) => [row.name, row.differs])).toEqual([["rate", true], ["depth", false]]);
  });

  test("the best is marked by the catalog's direction, a tie and an unknown metric are not", () => {
    const rows = metrics([run("a", { metrics: { auc: 0.7, mae: 3, own: 1 } }), run("b", { metrics: { auc: 0.6, mae: 2, own: 2 } })], CATALOG);
    expect(rows.map((row) => [row.name, row.best])).toEqual([["auc", 0], ["mae", 1], ["own", null]]);
    expect(best([1, 1], "higher")).toBeNull();
    expect(best([undefined, 1], "higher")).toBeNull();
    expect(best([-3, 2], "zero")).toBe(1);
  });

  test("nothing sorts last, up and down", () => {
    expect([3, null, 1].toSorted((a, b) => order(a, b, true))).toEqual([3, 1, null]);
    expect(["run-10", "run-9"].toSorted((a, b) => order(a, b, false))).toEqual(["run-9", "run-10"]);
  });

  test("curves of different steps share an axis", () => {
    const { x, values } = joined([{ step: [0, 2], value: [1, 2] }, { step: [1, 2], value: [3, null] }]);
    expect(x).toEqual([0, 1, 2]);
    expect(values).toEqual([[1, null, 2], [null, 3, null]]);
    expect(nearest([0, 10, 20], 14)).toBe(1);
    expect(nearest([0, 10, 20], 99)).toBe(2);
  });
});

test("addresses are matched part by part and decoded", () => {
  expect(match("/", "/")).toEqual({});
  expect(match("/models/:model", "/models/a%20b")).toEqual({ model: "a b" });
  expect(match("/models/:model", "/models/a/")).toEqual({ model: "a" });
  expect(match("/models/:model", "/models/a/versions/1")).toBeNull();
  expect(match("/runs", "/")).toBeNull();
});

test("a lock's packages are read without their hashes", () => {
  const lock = "polars==2.1.0 \\\n    --hash=sha256:00\nscikit-learn==1.9.1 ; python_version >= '3.11'\n# via x\n";
  expect(packages(lock)).toEqual([{ name: "polars", version: "2.1.0" }, { name: "scikit-learn", version: "1.9.1" }]);
  expect(summary("First\nline.\n\nMore.")).toBe("First line.");
});

describe("histograms", () => {
  test("a few distinct values get a bin each", () => {
    const weekdays = [1, 2, 3, 4, 5, 6, 7].map((day) => ({ low: day, high: day, count: day * 10 }));
    const bins = rebinned(weekdays, 7);
    expect(bins.map((bin) => bin.count)).toEqual([10, 20, 30, 40, 50, 60, 70]);
    expect(bins[0]?.low).toBeCloseTo(0.5);
  });

  test("many uneven bins become equal ones, and no count is lost", () => {
    const uneven = Array.from({ length: 100 }, (_, i) => ({ low: i * i, high: (i + 1) * (i + 1), count: 10 }));
    const bins = rebinned(uneven, 5000);
    expect(bins).toHaveLength(40);
    expect(Math.abs(bins.reduce((sum, bin) => sum + bin.count, 0) - 1000)).toBeLessThan(20);
    expect(rebinned([])).toEqual([]);
  });
});
