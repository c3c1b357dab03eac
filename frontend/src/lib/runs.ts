/** What pages say of runs beyond their fields. Pure. */

import type { Run } from "../api/schema";
import { finite } from "./format";

const NAME = "mlflow.runName";
const NOTE = "mlflow.note.content";

/** What people call a run: the name that its client gave it, else its id. */
export function nameOf(run: Run): string {
  return run.tags?.[NAME] || run.id;
}

/** What people wrote about a run. */
export function noteOf(run: Run): string {
  return run.tags?.[NOTE] ?? "";
}

/** Tags worth showing; what clients keep there for themselves is left out, and their prefix. */
export function tagsOf(run: Run): Record<string, string> {
  const own = new Set([NAME, NOTE, "mlflow.log-model.history", "mlflow.parentRunId", "mlflow.user", "attempt", "as_of"]);
  return Object.fromEntries(
    Object.entries(run.tags ?? {})
      .filter(([name]) => !own.has(name))
      .map(([name, value]) => [name.replace(/^mlflow\./, ""), value]),
  );
}

/**
 * How many seconds a run took; null while it goes on, or where nobody knows. Under a virtual clock a training ends at the
 * time at which it began: then the seconds that its candidates took stand for it, which are measured by the wall.
 */
export function took(run: Run): number | null {
  if (!run.ended_at) return null;
  const seconds = (Date.parse(run.ended_at) - Date.parse(run.started_at)) / 1000;
  if (seconds > 0) return seconds;
  const spent = (run.leaderboard ?? []).reduce((sum, candidate) => sum + (finite(candidate.seconds) ?? 0), 0);
  return spent > 0 ? spent : null;
}
