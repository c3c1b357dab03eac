import { describe, expect, test } from "vitest";
import { fromMlflow, match } from "../src/lib/paths";

describe("addresses that MLflow's clients print", () => {
  test("lead to the run and to the experiment", () => {
    expect(fromMlflow("#/experiments/2/runs/9f3a")).toBe("/runs/9f3a");
    expect(fromMlflow("#/experiments/2/runs/9f3a/artifacts")).toBe("/runs/9f3a");
    expect(fromMlflow("#/experiments/2")).toBe("/experiments/2");
    expect(fromMlflow("#/experiments/2?searchFilter=x")).toBe("/experiments/2");
  });
  test("of what there is no page for lead nowhere", () => {
    expect(fromMlflow("#/models/churn")).toBeNull();
    expect(fromMlflow("#worth")).toBeNull();
    expect(fromMlflow("")).toBeNull();
  });
});

test("patterns name the parts of a path", () => {
  expect(match("/experiments/:experiment", "/experiments/a%2Fb/")).toEqual({ experiment: "a/b" });
  expect(match("/experiments/:experiment", "/experiments")).toBeNull();
});
