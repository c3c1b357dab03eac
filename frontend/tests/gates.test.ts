import { describe, expect, test } from "vitest";
import type { GateResult } from "../src/api/schema";
import { failing, meaning, metricOf, strip } from "../src/lib/gates";

function gate(more: Partial<GateResult>): GateResult {
  return { expression: "auc >= 0.58", verdict: "pass", rows: 10, note: "", slices: [], parts: [], ...more };
}

describe("strips", () => {
  test("hold everything that is known, with a margin", () => {
    const drawn = strip(gate({ value: 0.7, low: 0.68, high: 0.72, threshold: 0.58 }));
    expect(drawn?.threshold).toBeGreaterThan(0);
    expect(drawn?.high).toBeLessThan(1);
    expect(drawn?.value).toBeGreaterThan(drawn?.low ?? 1);
  });

  test("a gate without a value is not drawn, one without bounds is", () => {
    expect(strip(gate({ value: "NaN", threshold: 0.58 }))).toBeNull();
    expect(strip(gate({ value: 0.7, threshold: 0.7 }))?.value).toBeCloseTo(0.5);
  });

  test("slices share their gate's axis", () => {
    const slice = { slice: "LGA", value: 0.1, low: 0.05, high: 0.2, rows: 3 };
    const whole = gate({ value: 0.1, low: 0.05, high: 0.2, threshold: 0.08, slices: [slice, { ...slice, slice: "EWR", value: 0.4, high: 0.5 }] });
    expect(strip(whole, slice)?.from).toBe(strip(whole)?.from);
    expect(strip(whole, slice)?.threshold).toBe(strip(whole)?.threshold);
  });
});

test("the failing side follows the direction of the threshold; comparisons are gains", () => {
  expect(failing("auc >= 0.58")).toBe("left");
  expect(failing("latency_p99 <= 0.02")).toBe("right");
  expect(failing("recall.worst(origin) < 0.5")).toBe("right");
  expect(failing("mae.beats_champion(confidence=0.9)")).toBe("left");
});

test("expressions name their metric and what they compare", () => {
  expect(metricOf("recall.worst(origin) >= 0.08")).toBe("recall");
  expect(metricOf("(auc >= 0.5 & worth > 0)")).toBe("auc");
  expect(meaning(gate({ expression: "recall.worst(origin) >= 0.08" }))).toContain("origin");
  expect(meaning(gate({}))).toBe("");
});
