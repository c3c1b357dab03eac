/** The one stream of server-sent events, and what it last said. */

import type { Doing, SealedEvent } from "./schema";
import { payloadOf, type Kind } from "./events";
import { clockOf } from "../lib/format";

export interface Pulse {
  readonly now: string;
  readonly loop: "running" | "away";
  readonly doing: readonly Doing[];
}

type Listener = (event: SealedEvent) => void;

class Live {
  connected = $state(false);
  /** Whether the stream was open before: only then is being cut off worth telling. */
  lost = $state(false);
  pulse = $state.raw<Pulse | null>(null);
  #listeners = new Set<Listener>();
  #source: EventSource | null = null;

  open(): void {
    if (this.#source !== null) return;
    const source = new EventSource("/api/v1/stream");
    this.#source = source;
    source.addEventListener("open", () => {
      this.connected = true;
      this.lost = false;
    });
    source.addEventListener("error", () => {
      this.lost = this.connected || this.lost;
      this.connected = false;
      if (source.readyState === EventSource.CLOSED) {
        this.#source = null;
        setTimeout(() => this.open(), 2000);
      }
    });
    source.addEventListener("pulse", (message) => {
      this.pulse = JSON.parse(message.data) as Pulse;
    });
    source.addEventListener("event", (message) => {
      const event = JSON.parse(message.data) as SealedEvent;
      for (const listener of this.#listeners) listener(event);
    });
  }

  /** Hear of every sealed event from now on; answers how to stop. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What time it is to the loop, in milliseconds; the browser's own until it is known. */
  get now(): number {
    return this.pulse ? clockOf(Date.parse(this.pulse.now), Date.now()) : Date.now();
  }
}

export const live = new Live();

/** Whether an event is of a model and of one of some kinds. */
export function about(event: SealedEvent, model: string | null, kinds?: ReadonlySet<Kind>): boolean {
  return (model === null || event.event.model === model) && (kinds === undefined || kinds.has(payloadOf(event).kind));
}
