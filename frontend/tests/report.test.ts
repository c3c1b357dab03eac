import { describe, expect, test } from "vitest";
import type { Report } from "../src/api/schema";
import { figure, gainOf, happened, monthName, pairs, ticks } from "../src/lib/report";

function report(value: number | null, low: number | null, high: number | null, gain_in = "worth"): Report {
  const period = (name: string, alone: number | null, loop: number) => ({ name, predictions: 10, joined: 9, alone: { auc: alone }, loop: { auc: loop }, counts: {} });
  return {
    model: "flights", metric: "auc", first_version: 1, since: "2013-03-01T00:00:00Z", until: "2013-05-01T00:00:00Z",
    periods: [period("2013-03", 0.65, 0.65), period("2013-04", null, 0.7)], alone: { auc: 0.6 }, loop: { auc: 0.7 },
    gain: { value, low, high }, gain_in, days: 61, predictions: 20, joined: 18, censored: 1, pending: 1,
    counts: { trainings: 2, promotions: 1, refusals: 0 }, years: [],
  };
}

describe("the gain", () => {
  test("is told with its sign, its bounds and whose it is", () => {
    expect(gainOf(report(1.2, 0.7, 1.7), "")).toEqual({
      value: "+1.20", bounds: "0.70 to 1.70", tone: "good", text: "more a decision than version 1 left alone would have earned",
    });
    expect(gainOf(report(-0.5, -0.9, -0.1), "")?.value).toBe("−0.50");
    expect(gainOf(report(-0.5, -0.9, -0.1), "")).toMatchObject({ tone: "bad", text: expect.stringMatching(/^less/) });
    expect(gainOf(report(0.5, -0.1, 1.1), "")?.tone).toBe("open");
    expect(gainOf(report(29, 26, 32, "mae"), "")?.text).toBe("better in mae than version 1 left alone would have been");
  });
  test("is not told of too few rows", () => expect(gainOf(report(null, null, null), "")).toBeNull());
});

test("a figure of each month, by who answered, with gaps", () => {
  expect(pairs(report(1, 0, 2).periods, "auc")).toEqual({ alone: [0.65, null], loop: [0.65, 0.7] });
  expect(figure(null, "auc", "")).toBe("–");
  expect(figure(9.2051, "worth", "")).toBe("9.21");
});

test("what never happened is left out", () => expect(happened(report(1, 0, 2)).map((kind) => kind.name)).toEqual(["trainings", "promotions"]));

test("months have their year where it begins", () => {
  expect(["2013-03", "2013-12", "2014-01", "2014"].map((name, i) => monthName(name, i === 0))).toEqual(["Mar 2013", "Dec", "Jan 2014", "2014"]);
});

describe("ticks", () => {
  test("are round and within", () => {
    expect(ticks(-2.3, 21.2)).toEqual([0, 10, 20]);
    expect(ticks(0.57, 0.73)).toEqual([0.6, 0.65, 0.7]);
    expect(ticks(0, 1)).toEqual([0, 0.25, 0.5, 0.75, 1]);
  });
  test("of one value are that value", () => expect(ticks(3, 3)).toEqual([3]));
});
