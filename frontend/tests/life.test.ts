import { describe, expect, test } from "vitest";
import type { QualityAnswer, SealedEvent } from "../src/api/schema";
import { last, life, primary, reigning, reigns, seconds } from "../src/lib/life";

function event(position: number, at: string, payload: Record<string, unknown>): SealedEvent {
  return { position, hash: "", previous_hash: "", event: { model: "flights", at, actor: "loop", once: null, payload } };
}

const EVENTS = [
  event(3, "2013-05-16T00:00:00Z", { kind: "version_rolled_back", version: 2, to: 1, reason: "" }),
  event(1, "2013-03-01T00:00:00Z", { kind: "version_promoted", version: 1, previous: null, reason: "" }),
  event(2, "2013-05-01T00:00:00Z", { kind: "version_promoted", version: 2, previous: 1, reason: "" }),
];
const NOW = seconds("2013-06-01T00:00:00Z");

function quality(rows: [string, number, number][]): QualityAnswer {
  return {
    since: rows.map(() => "2013-01-01T00:00:00Z"),
    until: rows.map(([until]) => until),
    version: rows.map(([, version]) => version),
    maturity: rows.map(() => "final" as const),
    predictions: rows.map(() => 100),
    labelled: rows.map(() => 97),
    censored: rows.map(() => 3),
    metrics: { auc: { value: rows.map(([, , auc]) => auc), low: rows.map(() => null), high: rows.map(() => "NaN" as const) } },
  };
}

describe("reigns", () => {
  test("follow from promotions and rollbacks, whatever order they come in", () => {
    const all = reigns(EVENTS, NOW);
    expect(all.map((reign) => reign.version)).toEqual([1, 2, 1]);
    expect(all[2]?.how).toBe("rolled back to");
    expect(all[1]?.until).toBe(all[2]?.since);
    expect(all[2]?.until).toBe(NOW);
  });

  test("nobody answers before the first", () => {
    const all = reigns(EVENTS, NOW);
    expect(reigning(all, seconds("2013-02-01T00:00:00Z"))).toBeNull();
    expect(reigning(all, seconds("2013-05-02T00:00:00Z"))).toBe(2);
  });
});

describe("life", () => {
  test("a version measured beside the champion has a line of its own", () => {
    const found = life(quality([["2013-05-10T00:00:00Z", 3, 0.7], ["2013-05-10T00:00:00Z", 2, 0.6], ["2013-05-11T00:00:00Z", 2, 0.61]]), reigns(EVENTS, NOW));
    expect(found.at).toHaveLength(2);
    expect(found.champion["auc"]?.value).toEqual([0.6, 0.61]);
    expect(found.challenger["auc"]?.value).toEqual([0.7, null]);
    expect(found.challenged).toBe(true);
    expect(found.coverage[0]).toBeCloseTo(0.97);
  });

  test("what is no number is a gap", () => {
    const found = life(quality([["2013-05-10T00:00:00Z", 2, 0.6]]), reigns(EVENTS, NOW));
    expect(found.champion["auc"]?.high).toEqual([null]);
    expect(last(found.champion["auc"])).toEqual({ value: 0.6, low: null, high: null });
    expect(last(undefined)).toBeNull();
  });
});

test("the primary metric is the usual one of the task, of those measured", () => {
  expect(primary("binary", ["brier", "auc", "worth"])).toBe("auc");
  expect(primary("regression", ["rmse", "worth"])).toBe("rmse");
  expect(primary("binary", ["worth"])).toBeNull();
});
