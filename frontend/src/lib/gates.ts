/** A gate's numbers laid out for drawing. Pure. */

import type { GateReport, GateResult } from "../api/schema";
import { finite } from "./format";

export type Verdict = GateReport["verdict"];

export const VERDICTS: Readonly<Record<Verdict, string>> = {
  pass: "pass",
  fail: "fail",
  not_enough_data: "not enough data",
};

/** Positions on a strip, as shares of its width (0 to 1). ``fails`` is the side of the threshold that breaks the gate. */
export interface Strip {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly threshold: number | null;
  readonly fails: "left" | "right";
  readonly from: number;
  readonly to: number;
}

interface Numbers {
  readonly value?: GateResult["value"];
  readonly low?: GateResult["low"];
  readonly high?: GateResult["high"];
}

/** The axis that holds a gate's value, interval, threshold and slices, with a margin on both sides. */
export function strip(gate: GateResult, of: Numbers = gate): Strip | null {
  const own = [gate.value, gate.low, gate.high, gate.threshold].map(finite);
  const sliced = gate.slices.flatMap((slice) => [slice.value, slice.low, slice.high].map(finite));
  const known = [...own, ...sliced].filter((x) => x !== null);
  if (finite(of.value) === null || known.length === 0) return null;
  const least = Math.min(...known);
  const most = Math.max(...known);
  const margin = (most - least || Math.abs(most) || 1) * 0.14;
  const from = least - margin;
  const to = most + margin;
  const place = (x: number | null) => (x === null ? null : (x - from) / (to - from));
  return {
    value: place(finite(of.value)),
    low: place(finite(of.low)),
    high: place(finite(of.high)),
    threshold: place(finite(gate.threshold)),
    fails: failing(gate.expression),
    from,
    to,
  };
}

/** On which side of its threshold a gate breaks. Comparisons are differences of which more is always better. */
export function failing(expression: string): "left" | "right" {
  return /\)?\s<=?\s/.test(expression) && !/champion/.test(expression) ? "right" : "left";
}

/** The name of the metric that a gate's expression begins with. */
export function metricOf(expression: string): string {
  return /^\(?([a-z_0-9]+)/.exec(expression)?.[1] ?? "";
}

/** What a gate compares with its threshold, in a few words. */
export function meaning(gate: GateResult): string {
  if (/beats_champion/.test(gate.expression)) return "gain over the champion, on the same rows";
  if (/not_worse_than_champion/.test(gate.expression)) return "difference to the champion, on the same rows";
  const worst = /\.worst\((\w+)\)/.exec(gate.expression);
  if (worst) return `the worst value of ${worst[1]}`;
  return "";
}
