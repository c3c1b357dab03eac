/** Runs beside each other. Pure. */

import type { MetricMeaning, Run } from "../api/schema";
import { finite } from "./format";

export interface Row<T> {
  readonly name: string;
  readonly values: (T | undefined)[];
  readonly differs: boolean;
}

/** Every param of any of the runs, those that differ first. */
export function params(runs: readonly Run[]): Row<unknown>[] {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.params ?? {})))];
  return names
    .map((name) => {
      const values = runs.map((run) => run.params?.[name]);
      return { name, values, differs: new Set(values.map((value) => JSON.stringify(value))).size > 1 };
    })
    .sort((a, b) => Number(b.differs) - Number(a.differs) || a.name.localeCompare(b.name));
}

/** Every last metric value of any of the runs; ``best`` is the index of the best one, where the catalog knows better. */
export function metrics(runs: readonly Run[], catalog: ReadonlyMap<string, MetricMeaning>): (Row<number> & { best: number | null })[] {
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.metrics ?? {})))].sort();
  const known = (name: string) => (catalog.has(name) ? 0 : 1);
  return names
    .sort((a, b) => known(a) - known(b) || a.localeCompare(b))
    .map((name) => {
      const values = runs.map((run) => finite(run.metrics?.[name]) ?? undefined);
      return { name, values, differs: new Set(values).size > 1, best: best(values, catalog.get(name)?.better) };
    });
}

/** The index of the best value, or null where it is a tie or nobody knows which way is better. */
export function best(values: readonly (number | undefined)[], better: string | undefined): number | null {
  const rank = (x: number) => (better === "higher" ? -x : better === "lower" ? x : Math.abs(x));
  if (better === undefined) return null;
  const known = values.flatMap((value, i) => (value === undefined ? [] : [{ i, rank: rank(value) }]));
  if (known.length < 2) return null;
  known.sort((a, b) => a.rank - b.rank);
  return known[0]!.rank === known[1]!.rank ? null : known[0]!.i;
}

/** A comparison of texts, numbers and nothing (which comes last) for sorting. */
export function order(a: string | number | null | undefined, b: string | number | null | undefined, down: boolean): number {
  const none = (x: unknown) => x === null || x === undefined;
  if (none(a) || none(b)) return Number(none(a)) - Number(none(b));
  const found = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  return down ? -found : found;
}
