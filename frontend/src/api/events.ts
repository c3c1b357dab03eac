/** What happens, as the events' payloads say it (``treadle.domain.events``). */

import type { Evaluation, GateReport, GateResult, Incident, SealedEvent } from "./schema";

export type Payload =
  | { kind: "model_applied"; revision: number; code_digest: string; environment_digest: string; spec_digest: string }
  | { kind: "training_requested"; attempt: string; trigger: string; reason: string; as_of: string; revision: number; tune: number }
  | { kind: "training_failed"; attempt: string; cause: string; message: string }
  | { kind: "version_registered"; attempt: string; version: number; run: string; recipe_digest: string; artifact_digest: string }
  | { kind: "gates_evaluated"; version: number; against: number | null; report: GateReport }
  | { kind: "version_refused"; version: number; reason: string }
  | { kind: "rollout_started"; version: number; previous: number | null; reason: string }
  | { kind: "rollout_stepped"; version: number; step: number; action: string; reason: string; report: GateReport | null }
  | { kind: "rollout_examined"; version: number; step: number; shadow: boolean; since: string; until: string; report: GateReport }
  | { kind: "version_promoted"; version: number; previous: number | null; reason: string }
  | { kind: "version_rolled_back"; version: number; to: number; reason: string }
  | { kind: "routing_changed"; revision: number; champion: number }
  | { kind: "outcomes_collected"; until: string; received: number; joined: number }
  | { kind: "cohort_evaluated"; evaluation: Evaluation; report: GateReport | null; triggers: GateResult[] }
  | { kind: "incident_opened"; incident: Incident }
  | { kind: "incident_resolved"; incident: string; reason: string }
  | { kind: "registry_changed"; action: string; version: number | null; detail: string; reason: string }
  | { kind: "alias_moved"; alias: string; version: number | null; previous: number | null; reason: string }
  | { kind: "stage_moved"; version: number; stage: string; previous: string; reason: string };

export type Kind = Payload["kind"];

/** The payload of an event, by its kind. */
export function payloadOf(sealed: SealedEvent): Payload {
  return sealed.event.payload as unknown as Payload;
}

/** What matured requests of a rollout said. */
export type Examined = Extract<Payload, { kind: "rollout_examined" }>;
