/** The loop against its first version left alone, made ready to be drawn. Pure. */

import type { Report, ReportPeriod } from "../api/schema";
import { finite, metric, number, words, type Wire } from "./format";

/** What is counted beside the months, in the order in which it is shown, and in which words. */
export const COUNTED: readonly { readonly name: string; readonly said: string; readonly icon: string; readonly tone: "good" | "bad" | "open" | "plain" }[] = [
  { name: "trainings", said: "trained", icon: "train", tone: "plain" },
  { name: "promotions", said: "promoted", icon: "up", tone: "good" },
  { name: "refusals", said: "refused", icon: "cross", tone: "open" },
  { name: "aborted", said: "aborted", icon: "pause", tone: "open" },
  { name: "rollbacks", said: "rolled back", icon: "back", tone: "bad" },
  { name: "alerts", said: "incidents", icon: "alert", tone: "bad" },
];

export interface Gain {
  /** The gain itself, with its sign. */
  readonly value: string;
  readonly bounds: string;
  /** Whether the interval lies on one side of nothing gained. */
  readonly tone: "good" | "bad" | "open";
  readonly text: string;
}

/** What the loop gained over the version left alone, in words; null where too few rows are labelled. */
export function gainOf(report: Report, unit: string): Gain | null {
  const [value, low, high] = [finite(report.gain.value), finite(report.gain.low), finite(report.gain.high)];
  if (value === null || low === null || high === null) return null;
  const written = (x: number) => (report.gain_in === "worth" ? metric(x, "per decision") : metric(x, unit));
  const alone = `version ${report.first_version} left alone`;
  const text =
    report.gain_in === "worth"
      ? `${value >= 0 ? "more" : "less"} a decision than ${alone} would have earned`
      : `${value >= 0 ? "better" : "worse"} in ${words(report.gain_in)} than ${alone} would have been`;
  return {
    value: `${value > 0 ? "+" : ""}${written(value)}`,
    bounds: `${written(low)} to ${written(high)}`,
    tone: low > 0 ? "good" : high < 0 ? "bad" : "open",
    text,
  };
}

/** A figure of each period, by who answered. */
export function pairs(periods: readonly ReportPeriod[], name: string): { alone: (number | null)[]; loop: (number | null)[] } {
  return {
    alone: periods.map((period) => finite(period.alone[name])),
    loop: periods.map((period) => finite(period.loop[name])),
  };
}

/** The kinds of decision that happened at all. */
export function happened(report: Report): typeof COUNTED {
  return COUNTED.filter(({ name }) => (report.counts[name] ?? 0) > 0);
}

/** ``2013-03`` as a month; January and the first one with their year. */
export function monthName(name: string, first = false): string {
  const [year = "", month] = name.split("-");
  if (!month) return year;
  const said = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][Number(month) - 1] ?? month;
  return first || month === "01" ? `${said} ${year}` : said;
}

/** Round places for about ``most`` lines of an axis between two values. */
export function ticks(low: number, high: number, most = 4): number[] {
  if (!(high > low)) return [low];
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((size) => size >= rough) ?? rough;
  const found: number[] = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(Number((i * step).toPrecision(10)) + 0);
  return found;
}

/** A figure as the tables have it. */
export function figure(value: Wire, name: string, unit: string): string {
  return finite(value) === null ? number(value) : metric(value, name === "worth" ? "per decision" : unit);
}
