/** Runs of tracking as a table: which columns there are, which are shown, how they are ordered. Pure. */

import type { TrackedRow } from "../api/schema";
import type { Wire } from "./format";

export type Kind = "metrics" | "params" | "tags";

export interface Column {
  readonly kind: Kind;
  readonly key: string;
}

const SHOWN = 4;
const HIDDEN_TAG = /^mlflow\./;

export const written = (column: Column): string => `${column.kind}.${column.key}`;

/** The column that a word of the address names, or null. */
export function read(text: string): Column | null {
  const hit = /^(metrics|params|tags)\.(.+)$/.exec(text);
  return hit?.[1] && hit[2] ? { kind: hit[1] as Kind, key: hit[2] } : null;
}

/** Every column that one of the runs has, by kind and name. Tags that clients keep for themselves are left out. */
export function columns(runs: readonly TrackedRow[]): Column[] {
  const kinds: readonly Kind[] = ["metrics", "params", "tags"];
  return kinds.flatMap((kind) => {
    const keys = new Set(runs.flatMap((run) => Object.keys(run[kind])));
    return [...keys].filter((key) => kind !== "tags" || !HIDDEN_TAG.test(key)).sort().map((key) => ({ kind, key }));
  });
}

/** What is shown until people choose: the metrics that most runs have, and the params that differ most. */
export function standing(runs: readonly TrackedRow[]): Column[] {
  const all = columns(runs);
  const have = (column: Column) => runs.filter((run) => column.key in run[column.kind]).length;
  const differ = (column: Column) => new Set(runs.map((run) => run.params[column.key])).size;
  const first = (kind: Kind, weight: (column: Column) => number) =>
    all.filter((column) => column.kind === kind).sort((a, b) => weight(b) - weight(a)).slice(0, SHOWN);
  return [...first("metrics", have), ...first("params", (column) => Math.min(differ(column), 20) + have(column) / 1e6)];
}

/** A run's value in a column. */
export function valueOf(run: TrackedRow, column: Column): Wire | string | undefined {
  return column.kind === "metrics" ? run.metrics[column.key]?.value : run[column.kind][column.key];
}

/** The order that the server is asked for; ``-metrics.auc`` in the address is the greatest first. */
export function orderOf(sort: string): string | undefined {
  const [down, by] = sort.startsWith("-") ? [true, sort.slice(1)] : [false, sort];
  const column = read(by);
  const name = column ? `${column.kind}.\`${column.key}\`` : { name: "run_name", status: "status", user: "user_id", started: "start_time" }[by];
  return name === undefined ? undefined : `attributes.${name}`.replace(/^attributes\.(metrics|params|tags)\./, "$1.") + (down ? " DESC" : " ASC");
}

/** Seconds from the start to the end of a run; null while it goes on. */
export function lasted(run: TrackedRow): number | null {
  return run.ended === null ? null : (Date.parse(run.ended) - Date.parse(run.started)) / 1000;
}
