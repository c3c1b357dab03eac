/** What a page shows of an endpoint: the last answer at once, the present one when it comes, and anew when it changes. */

import { untrack } from "svelte";
import { ask, Refusal, type Endpoint } from "./client";
import { live } from "./live.svelte";
import type { SealedEvent } from "./schema";

const kept = new Map<string, unknown>();
const KEPT = 60;
/** An endpoint is asked again at most once in so many milliseconds, however fast events come. */
const SPACING = 1500;

export interface Wish<T> {
  /** Which events make the answer stale. */
  readonly when?: (event: SealedEvent) => boolean;
  /** Ask again every so many milliseconds, while ``whilst`` says so of the last answer. */
  readonly every?: number;
  readonly whilst?: (last: T | undefined) => boolean;
}

export class Loaded<T> {
  value = $state.raw<T | undefined>();
  refusal = $state.raw<Refusal | undefined>();
  loading = $state(true);
  again: () => void = () => {};
}

/** Whether each has its answer, or will not get one: then a page can be laid out without jumping later. */
export function settled(...all: readonly Loaded<unknown>[]): boolean {
  return all.every((one) => one.value !== undefined || one.refusal !== undefined || !one.loading);
}

/** Load an endpoint into a component; ``wanted`` is asked anew when what it reads changes; null loads nothing. */
export function load<T>(wanted: () => Endpoint<T> | null, wish: Wish<T> = {}): Loaded<T> {
  const loaded = new Loaded<T>();
  $effect(() => {
    const endpoint = wanted();
    if (endpoint === null) {
      loaded.value = undefined;
      loaded.refusal = undefined;
      loaded.loading = false;
      return;
    }
    return untrack(() => keepLoaded(endpoint, loaded, wish));
  });
  return loaded;
}

function keepLoaded<T>(endpoint: Endpoint<T>, loaded: Loaded<T>, wish: Wish<T>): () => void {
  const control = new AbortController();
  let last = 0;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  loaded.value = kept.get(endpoint.url) as T | undefined;
  loaded.refusal = undefined;

  async function fetchNow(): Promise<void> {
    last = Date.now();
    loaded.loading = true;
    try {
      const value = await ask(endpoint, control.signal);
      if (control.signal.aborted) return;
      remember(endpoint.url, value);
      loaded.value = value;
      loaded.refusal = undefined;
    } catch (error) {
      if (control.signal.aborted) return;
      loaded.refusal = error instanceof Refusal ? error : new Refusal(0, "Fault", String(error), "");
    }
    loaded.loading = false;
  }

  function soon(): void {
    if (waiting !== undefined) return;
    waiting = setTimeout(() => {
      waiting = undefined;
      void fetchNow();
    }, Math.max(60, last + SPACING - Date.now()));
  }

  loaded.again = soon;
  void fetchNow();
  const stops: (() => void)[] = [];
  if (wish.when) stops.push(live.listen((event) => wish.when?.(event) && soon()));
  if (wish.every) {
    const timer = setInterval(() => {
      if (!wish.whilst || wish.whilst(loaded.value)) soon();
    }, wish.every);
    stops.push(() => clearInterval(timer));
  }
  return () => {
    control.abort();
    clearTimeout(waiting);
    for (const stop of stops) stop();
  };
}

function remember(url: string, value: unknown): void {
  kept.delete(url);
  kept.set(url, value);
  const oldest = kept.keys().next().value;
  if (kept.size > KEPT && oldest !== undefined) kept.delete(oldest);
}
