/** A model's life on one axis of time: who answered when, and how well. Pure. */

import { payloadOf } from "../api/events";
import type { MetricSeries, QualityAnswer, SealedEvent } from "../api/schema";
import { finite } from "./format";

/** A version that answered from ``since`` until ``until`` (seconds). ``how`` says how it got there. */
export interface Reign {
  readonly version: number;
  readonly since: number;
  readonly until: number;
  readonly how: "promoted" | "rolled back to";
}

/** One line of a chart: values with bounds, on the axis of the life that it belongs to. */
export interface Line {
  readonly value: (number | null)[];
  readonly low: (number | null)[];
  readonly high: (number | null)[];
}

/** Realised quality on one axis. The challenger's line has values only where two versions answered side by side. */
export interface Life {
  readonly at: number[];
  readonly version: (number | null)[];
  readonly coverage: (number | null)[];
  readonly labelled: (number | null)[];
  readonly predictions: (number | null)[];
  readonly maturity: string[];
  readonly champion: Record<string, Line>;
  readonly challenger: Record<string, Line>;
  readonly challenged: boolean;
}

export const seconds = (text: string): number => Date.parse(text) / 1000;

/** Who answered when, from the events of promotion and rollback in any order. */
export function reigns(events: readonly SealedEvent[], now: number): Reign[] {
  const changes: { at: number; version: number; how: Reign["how"] }[] = [];
  for (const sealed of events) {
    const payload = payloadOf(sealed);
    const at = seconds(sealed.event.at);
    if (payload.kind === "version_promoted") changes.push({ at, version: payload.version, how: "promoted" });
    if (payload.kind === "version_rolled_back") changes.push({ at, version: payload.to, how: "rolled back to" });
  }
  changes.sort((a, b) => a.at - b.at);
  return changes.map((change, i) => ({
    version: change.version,
    since: change.at,
    until: changes[i + 1]?.at ?? now,
    how: change.how,
  }));
}

/** The version that answered at a time, if one did. */
export function reigning(all: readonly Reign[], at: number): number | null {
  return all.findLast((reign) => reign.since <= at)?.version ?? null;
}

/** Cohorts side by side on one axis: the champion of each moment, and whoever was measured beside it. */
export function life(quality: QualityAnswer, all: readonly Reign[]): Life {
  const at = [...new Set(quality.until.map(seconds))].sort((a, b) => a - b);
  const place = new Map(at.map((time, i) => [time, i]));
  const champions: (number | undefined)[] = Array.from({ length: at.length });
  const others: (number | undefined)[] = Array.from({ length: at.length });
  quality.until.forEach((until, i) => {
    const slot = place.get(seconds(until)) ?? 0;
    const version = quality.version[i] ?? null;
    const champion = reigning(all, at[slot] ?? 0);
    const present = champions[slot];
    if (present === undefined) champions[slot] = i;
    else if (version === champion || version === null) [others[slot], champions[slot]] = [present, i];
    else others[slot] = i;
  });
  const of = <T>(rows: readonly (number | undefined)[], pick: (i: number) => T): (T | null)[] =>
    rows.map((i) => (i === undefined ? null : pick(i)));
  const lines = (rows: readonly (number | undefined)[]): Record<string, Line> =>
    Object.fromEntries(Object.entries(quality.metrics).map(([name, series]) => [name, line(rows, series)]));
  return {
    at,
    version: of(champions, (i) => quality.version[i] ?? null),
    labelled: of(champions, (i) => quality.labelled[i] ?? null),
    predictions: of(champions, (i) => quality.predictions[i] ?? null),
    coverage: of(champions, (i) => share(quality.labelled[i], quality.predictions[i])),
    maturity: champions.map((i) => (i === undefined ? "" : (quality.maturity[i] ?? ""))),
    champion: lines(champions),
    challenger: lines(others),
    challenged: others.some((i) => i !== undefined),
  };
}

/** The last value that is there, with its bounds. */
export function last(found: Line | undefined): { value: number; low: number | null; high: number | null } | null {
  if (!found) return null;
  const i = found.value.findLastIndex((value) => value !== null);
  const value = found.value[i];
  return value === undefined || value === null ? null : { value, low: found.low[i] ?? null, high: found.high[i] ?? null };
}

const WANTED: Readonly<Record<string, readonly string[]>> = {
  binary: ["auc", "average_precision", "accuracy"],
  multiclass: ["accuracy", "f1_macro", "auc_ovr"],
  regression: ["mae", "rmse", "r2"],
};

/** The metrics that may stand for a model of any task. */
export const STANDING: readonly string[] = [...new Set(Object.values(WANTED).flat())];

/** Which metric stands for a model: what users of its task look at first, of those that were measured. */
export function primary(task: string, measured: readonly string[]): string | null {
  const first = WANTED[task]?.find((name) => measured.includes(name));
  return first ?? measured.find((name) => name !== "worth") ?? null;
}

function share(part: number | undefined, whole: number | undefined): number | null {
  return part === undefined || !whole ? null : part / whole;
}

function line(rows: readonly (number | undefined)[], series: MetricSeries): Line {
  const pick = (values: MetricSeries["value"]) => rows.map((i) => (i === undefined ? null : finite(values[i])));
  return { value: pick(series.value), low: pick(series.low), high: pick(series.high) };
}
