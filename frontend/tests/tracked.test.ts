import { describe, expect, test } from "vitest";
import type { TrackedRow } from "../src/api/schema";
import { columns, lasted, orderOf, read, standing, valueOf, written } from "../src/lib/tracked";

function run(metrics: Record<string, number>, params: Record<string, string>, tags: Record<string, string> = {}): TrackedRow {
  const told = Object.fromEntries(Object.entries(metrics).map(([key, value]) => [key, { value, step: 1, least: value, greatest: value }]));
  return { id: "r", name: "n", experiment: "1", user: "ada", status: "finished", started: "2026-01-01T00:00:00Z", ended: "2026-01-01T00:00:07Z", params, metrics: told, tags };
}

const RUNS = [
  run({ acc: 0.9, loss: 0.1 }, { depth: "3", seed: "1" }, { team: "a", "mlflow.user": "ada" }),
  run({ acc: 0.8 }, { depth: "4", seed: "1" }),
];

test("columns are those of all runs; clients' own tags are left out", () => {
  expect(columns(RUNS).map(written)).toEqual(["metrics.acc", "metrics.loss", "params.depth", "params.seed", "tags.team"]);
});

test("shown first is what most runs have, and what differs", () => {
  expect(standing(RUNS).map(written)).toEqual(["metrics.acc", "metrics.loss", "params.depth", "params.seed"]);
  const many = [run({}, Object.fromEntries("abcdef".split("").map((key) => [key, "1"]))), run({}, { f: "2" })];
  expect(standing(many)[0]).toEqual({ kind: "params", key: "f" });
});

test("values are read by column", () => {
  expect(valueOf(RUNS[0]!, { kind: "metrics", key: "acc" })).toBe(0.9);
  expect(valueOf(RUNS[1]!, { kind: "metrics", key: "loss" })).toBeUndefined();
  expect(valueOf(RUNS[0]!, { kind: "tags", key: "team" })).toBe("a");
});

describe("the order", () => {
  test("quotes what people have named", () => {
    expect(orderOf("-metrics.val/acc 1")).toBe("metrics.`val/acc 1` DESC");
    expect(orderOf("params.depth")).toBe("params.`depth` ASC");
  });
  test("knows a run's own columns", () => expect(orderOf("-started")).toBe("attributes.start_time DESC"));
  test("of what is no column is none", () => expect(orderOf("nonsense")).toBeUndefined());
});

test("a column is read back from the address", () => {
  expect(read("metrics.a.b")).toEqual({ kind: "metrics", key: "a.b" });
  expect(read("other.x")).toBeNull();
});

test("a run lasts until it ends", () => {
  expect(lasted(RUNS[0]!)).toBe(7);
  expect(lasted({ ...RUNS[0]!, ended: null })).toBeNull();
});
