/** What pages read of a model's declaration (``treadle.spec.model_spec``), which comes as JSON text. */

export interface Step {
  readonly kind: "shadow" | "canary";
  readonly duration?: number;
  readonly hold?: number;
  readonly percent?: number;
}

export interface Spec {
  readonly name: string;
  readonly doc: string;
  readonly task: string;
  readonly label: string;
  readonly time: string | null;
  readonly key: string | null;
  readonly horizon: number | null;
  readonly probation: number;
  readonly rollout: readonly Step[];
  readonly columns: readonly { readonly name: string; readonly type: string; readonly nullable: boolean; readonly slice: boolean }[];
  readonly params: readonly { readonly name: string; readonly default: unknown; readonly low: number | null; readonly high: number | null }[];
}

export function specOf(json: string): Spec {
  return JSON.parse(json) as Spec;
}

/** The first paragraph of a docstring. */
export function summary(doc: string): string {
  return (doc.split(/\n\s*\n/)[0] ?? "").replace(/\s+/g, " ").trim();
}

/** Names and versions of locked requirements, without their hashes. */
export function packages(requirements: string): { name: string; version: string }[] {
  const found: { name: string; version: string }[] = [];
  for (const line of requirements.split("\n")) {
    const hit = /^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)/.exec(line.trim());
    if (hit?.[1] && hit[2]) found.push({ name: hit[1], version: hit[2] });
  }
  return found.sort((a, b) => a.name.localeCompare(b.name));
}
