/** Histograms made fit for drawing. Pure. */

export interface Bin {
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

const MOST = 40;

/**
 * The same counts over bins of equal width, no more than can be told apart. A source bin is spread over those that it
 * overlaps; one without width (a value of its own) falls into one. Few ``distinct`` values get a bin each, centred on them.
 */
export function rebinned(source: readonly Bin[], distinct: number | null = null): Bin[] {
  const first = source[0];
  const final = source.at(-1);
  if (!first || !final) return [];
  const few = distinct !== null && distinct > 1 && distinct <= MOST;
  const n = few ? distinct : Math.max(1, Math.min(MOST, source.length));
  const margin = few ? (final.high - first.low) / (n - 1) / 2 : 0;
  const [from, to] = [first.low - margin, final.high + margin];
  const width = (to - from) / n || 1;
  const counts: number[] = Array.from({ length: n }, () => 0);
  const slot = (x: number) => Math.min(n - 1, Math.max(0, Math.floor((x - from) / width)));
  for (const bin of source) {
    const span = bin.high - bin.low;
    if (span <= 0 || few) {
      counts[slot(few ? bin.low : bin.low + span / 2)]! += bin.count;
      continue;
    }
    for (let i = slot(bin.low); i <= slot(bin.high); i += 1) {
      const overlap = Math.min(bin.high, from + (i + 1) * width) - Math.max(bin.low, from + i * width);
      counts[i]! += (bin.count * Math.max(0, overlap)) / span;
    }
  }
  return counts.map((count, i) => ({ low: from + i * width, high: from + (i + 1) * width, count: Math.round(count) }));
}
