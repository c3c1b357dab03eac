/** What all line charts share: one line a series, with bounds around it where there are some. */

export interface Series {
  readonly label: string;
  readonly values: readonly (number | null)[];
  readonly low?: readonly (number | null)[] | undefined;
  readonly high?: readonly (number | null)[] | undefined;
  /** A colour of the theme, by name. */
  readonly colour: string;
  readonly dashed?: boolean;
}

/** A vertical line at ``at`` with a few letters on it. */
export interface Marker {
  readonly at: number;
  readonly label: string;
  readonly tone: "plain" | "bad";
}

/** A horizontal line. */
export interface Level {
  readonly value: number;
  readonly label: string;
}

export type Range = readonly [number, number];

/** Series of different steps on one axis. */
export function joined(parts: readonly { step: readonly number[]; value: readonly (number | null)[] }[]): {
  x: number[];
  values: (number | null)[][];
} {
  const x = [...new Set(parts.flatMap((part) => part.step))].sort((a, b) => a - b);
  const place = new Map(x.map((step, i) => [step, i]));
  const values = parts.map((part) => {
    const row: (number | null)[] = Array.from({ length: x.length }, () => null);
    part.step.forEach((step, i) => (row[place.get(step) ?? 0] = part.value[i] ?? null));
    return row;
  });
  return { x, values };
}

/** The index of the entry of an ascending list that is nearest to ``x``. */
export function nearest(list: readonly number[], x: number): number {
  let low = 0;
  let high = list.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] ?? 0) < x) low = middle + 1;
    else high = middle;
  }
  const before = list[low - 1];
  return before !== undefined && x - before <= (list[low] ?? Infinity) - x ? low - 1 : low;
}
