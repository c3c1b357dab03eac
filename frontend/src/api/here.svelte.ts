/** The server at a glance, kept for the whole page: models, incidents, clock, the catalog of metrics. */

import { at } from "./client";
import { payloadOf } from "./events";
import { live } from "./live.svelte";
import { load, type Loaded } from "./load.svelte";
import type { MetricMeaning, StatusAnswer } from "./schema";

const QUIET = new Set(["routing_changed", "outcomes_collected"]);

class Here {
  #status: Loaded<StatusAnswer> | null = null;
  #metrics: Loaded<{ readonly items: readonly MetricMeaning[] }> | null = null;
  catalog = $derived(new Map((this.#metrics?.value?.items ?? []).map((metric) => [metric.name, metric])));

  /** Begin; called once, by the component that is always there. */
  open(): void {
    this.#status = load(() => at("/api/v1/status"), { when: (event) => !QUIET.has(payloadOf(event).kind), every: 20_000 });
    this.#metrics = load(() => at("/api/v1/metrics"));
  }

  get status(): StatusAnswer | undefined {
    return this.#status?.value;
  }

  get refusal() {
    return this.#status?.refusal;
  }

  /** Whether the server has answered, or will not. */
  get settled(): boolean {
    return this.status !== undefined || this.refusal !== undefined;
  }

  /** Whether there is a model of this name; unknown until the server has answered. */
  has(model: string): boolean {
    return this.status?.models.some((one) => one.name === model) ?? false;
  }

  again(): void {
    this.#status?.again();
  }

  unit(metric: string): string {
    return this.catalog.get(metric)?.unit ?? "";
  }

  /** What time it is to the loop, in milliseconds. */
  get now(): number {
    if (live.pulse) return live.now;
    return this.status ? Date.parse(this.status.now) : Date.now();
  }
}

export const here = new Here();
