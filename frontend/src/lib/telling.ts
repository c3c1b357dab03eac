/** Events in words, with how much they weigh. Pure. */

import { payloadOf, type Kind, type Payload } from "../api/events";
import type { SealedEvent } from "../api/schema";
import { attemptPath, incidentPath, versionPath } from "./paths";
import { count, duration, words } from "./format";

export type Tone = "good" | "bad" | "open" | "plain";

export interface Told {
  readonly icon: string;
  readonly tone: Tone;
  readonly text: string;
  readonly detail: string;
  readonly link: string | null;
}

/** Groups of events as people filter them. */
export const GROUPS = {
  releases: ["version_promoted", "version_rolled_back", "rollout_started", "rollout_stepped", "version_refused"],
  training: ["training_requested", "training_failed", "version_registered", "gates_evaluated"],
  incidents: ["incident_opened", "incident_resolved"],
  code: ["model_applied"],
  registry: ["registry_changed", "alias_moved", "stage_moved"],
  monitoring: ["cohort_evaluated", "outcomes_collected", "rollout_examined"],
} as const satisfies Record<string, readonly Kind[]>;

export type Group = keyof typeof GROUPS;

/** The kinds that tell a model's story; the daily measurements are left out. */
export const STORY: readonly Kind[] = [...GROUPS.releases, ...GROUPS.training, ...GROUPS.incidents, ...GROUPS.code, ...GROUPS.registry];

/** One event as a line of a timeline. */
export function tell(sealed: SealedEvent): Told {
  const payload = payloadOf(sealed);
  const model = sealed.event.model;
  const version = (n: number) => versionPath(model, n);
  const told = (icon: string, tone: Tone, text: string, detail = "", link: string | null = null): Told => ({
    icon,
    tone,
    text,
    detail,
    link,
  });
  switch (payload.kind) {
    case "model_applied":
      return told("code", "plain", `Revision ${payload.revision} applied`, "", null);
    case "training_requested": {
      const search = payload.tune ? `, searching ${payload.tune} sets of parameters` : "";
      return told("train", "plain", `Training ${payload.attempt} asked for${search}`, `${words(payload.trigger)}: ${payload.reason}`, attemptPath(payload.attempt));
    }
    case "training_failed":
      return told("cross", "bad", `Training ${payload.attempt} ended without a version`, payload.message, attemptPath(payload.attempt));
    case "version_registered":
      return told("version", "plain", `Version ${payload.version} registered`, "", version(payload.version));
    case "gates_evaluated": {
      const against = payload.against === null ? "" : ` beside version ${payload.against}`;
      const tone: Tone = payload.report.verdict === "pass" ? "good" : payload.report.verdict === "fail" ? "bad" : "open";
      return told("gate", tone, `Gates of version ${payload.version}: ${words(payload.report.verdict)}`, `${count(payload.report.rows)} held-out rows${against}`, version(payload.version));
    }
    case "version_refused":
      return told("cross", "open", `Version ${payload.version} refused`, payload.reason, version(payload.version));
    case "rollout_started":
      return told("rollout", "plain", `Rollout of version ${payload.version} started`, payload.reason ?? "", version(payload.version));
    case "rollout_stepped":
      return told("rollout", payload.action === "aborted" ? "bad" : payload.action === "held" ? "open" : "plain", `Rollout of version ${payload.version} ${payload.action}, step ${payload.step + 1}`, payload.reason, version(payload.version));
    case "rollout_examined":
      return told("gate", "plain", `Live evidence of version ${payload.version}: ${words(payload.report.verdict)}`, `${payload.shadow ? "mirrored" : "answered"} requests, ${count(payload.report.rows)} rows`, version(payload.version));
    case "version_promoted":
      return told("up", "good", `Version ${payload.version} promoted`, payload.reason, version(payload.version));
    case "version_rolled_back":
      return told("back", "bad", `Rolled back from version ${payload.version} to ${payload.to}`, payload.reason, version(payload.to));
    case "routing_changed":
      return told("rollout", "plain", `Routing table ${payload.revision}: version ${payload.champion} answers`);
    case "outcomes_collected":
      return told("watch", "plain", `${count(payload.received)} outcomes taken in, ${count(payload.joined)} joined`);
    case "cohort_evaluated":
      return told("watch", payload.report?.verdict === "fail" ? "bad" : "plain", `Live quality of version ${payload.evaluation.version ?? "all"} measured`, `${count(payload.evaluation.labelled)} of ${count(payload.evaluation.predictions)} predictions labelled`);
    case "incident_opened":
      return told("alert", "bad", payload.incident.title, payload.incident.detail, incidentPath(payload.incident.id));
    case "incident_resolved":
      return told("check", "good", "Incident resolved", payload.reason, incidentPath(payload.incident));
    case "registry_changed":
      return told("version", "plain", registered(payload), payload.reason, null);
    case "alias_moved": {
      const from = payload.previous === null ? "" : `, before at version ${payload.previous}`;
      const text = payload.version === null ? `Alias ${payload.alias} removed${from}` : `Alias ${payload.alias} points at version ${payload.version}${from}`;
      return told("version", "plain", text, payload.reason, null);
    }
    case "stage_moved":
      return told("version", "plain", `Version ${payload.version} moved to ${payload.stage}, before in ${payload.previous}`, payload.reason, null);
  }
}

/** What came, went or was renamed in the registry, in words. */
function registered(change: Extract<Payload, { kind: "registry_changed" }>): string {
  switch (change.action) {
    case "created":
      return "Model registered";
    case "renamed":
      return `Model renamed to ${change.detail}`;
    case "renamed_from":
      return `Model renamed, before ${change.detail}`;
    case "deleted":
      return "Registered model deleted";
    case "version_created":
      return `Version ${change.version ?? ""} registered from ${change.detail}`;
    default:
      return `Version ${change.version ?? ""} deleted`;
  }
}

const DOING: Readonly<Record<string, string>> = {
  RequestTraining: "asking for a training",
  Train: "training",
  Judge: "holding against the gates",
  Promote: "promoting",
  Refuse: "refusing",
  Watch: "watching",
  RollBack: "rolling back",
  Drive: "rolling out",
};

/** The loop's stations, in the order in which a model passes them. */
export const STATIONS = ["serve", "watch", "train", "judge", "release"] as const;
export type Station = (typeof STATIONS)[number];

const STATION: Readonly<Record<string, Station>> = {
  RequestTraining: "train",
  Train: "train",
  Judge: "judge",
  Refuse: "judge",
  Promote: "release",
  RollBack: "release",
  Drive: "release",
  Watch: "watch",
};

/** What the loop is doing, in words. */
export function doing(what: string): string {
  return DOING[what] ?? words(what).toLowerCase();
}

/** Where on the wheel a command of the loop belongs. */
export function station(what: string): Station {
  return STATION[what] ?? "watch";
}

/** A rollout step of a declaration in words. */
export function stepName(step: { kind: string; percent?: number }): string {
  return step.kind === "shadow" ? "Shadow" : `${step.percent ?? 0} %`;
}

/** How long a rollout step lasts at least, in words. */
export function stepLasts(step: { duration?: number; hold?: number }): string {
  return duration(step.duration ?? step.hold ?? 0);
}
