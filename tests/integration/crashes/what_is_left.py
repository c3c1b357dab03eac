"""What a home holds when its server is gone, and in what two lives of one story must be the same.

While a canary runs, chance decides which of two versions answers a request, and what is mirrored to a shadow is
promised to nobody; so numbers that come of these two may differ between two lives, while what was decided by them may
not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from treadle.app.platform import Platform, open_platform
from treadle.app.settings import settings
from treadle.domain import events as ev

Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Remains:
    """What is left. ``shared`` are times in which two versions answered; ``shadows`` the log of mirrored requests."""

    versions: list[tuple[Any, ...]]
    decisions: list[tuple[Any, ...]]
    runs: list[tuple[Any, ...]]
    deployment: tuple[Any, ...]
    joined: pl.DataFrame
    measured: list[tuple[Any, ...]]
    logged: pl.DataFrame
    shadows: pl.DataFrame
    events: list[ev.SealedEvent]
    incidents: list[tuple[Any, ...]]
    shared: list[Span]

    def differences(self, other: Remains) -> list[str]:
        """In what this is not the same as what another life of the same story has left."""
        parts = ("versions", "decisions", "runs", "deployment", "measured", "incidents", "shared")
        found = [f"{part}: {_unlike(getattr(self, part), getattr(other, part))}" for part in parts]
        return [line for line in found if not line.endswith(": ")] + self._joined_otherwise(other.joined)

    def wrong(self, answered: Sequence[str]) -> list[str]:
        """What must not be so whatever has happened; ``answered`` are the ids that a client was given."""
        logged = self.logged["prediction_id"]
        mirrored = self.shadows.select("prediction_id", "version")
        found = {
            "logged twice": len(logged) - logged.n_unique(),
            "answered twice": len(answered) - len(set(answered)),
            "answers that are not in the log": len(set(answered) - set(logged)),
            "mirrored twice": mirrored.height - mirrored.n_unique(),
            "mirrored, and never answered": len(set(mirrored["prediction_id"]) - set(logged)),
            "events recorded twice": twice(self.events),
        }
        return [f"{what}: {count}" for what, count in found.items() if count]

    def _joined_otherwise(self, other: pl.DataFrame) -> list[str]:
        """How joined rows differ: in what came of a row, or in the version that answered while only one did."""
        facts = ["key", "observed_at", "label", "at", "joined_at"]
        if not self.joined.select(facts).equals(other.select(facts)):
            return ["joined: other outcomes met other predictions"]
        both = pl.concat([self.joined, other.rename(lambda name: f"other_{name}")], how="horizontal")
        same = pl.col("version") == pl.col("other_version")
        valued = pl.all_horizontal(pl.col(c).eq_missing(pl.col(f"other_{c}")) for c in ("score", "decision", "worth"))
        apart = pl.any_horizontal(pl.lit(value=False), *(pl.col("at").is_between(a, b) for a, b in self.shared))
        return [
            f"joined: {rows.height} rows {what}, such as {rows.row(0, named=True)}"
            for what, where in (
                ("were answered otherwise by the same version", same & ~valued),
                ("were answered by another version", ~same & ~apart),
            )
            if not (rows := both.filter(where)).is_empty()
        ]


def remains(home: Path, model: str) -> Remains:
    """Look at what is left."""
    platform = open_platform(settings(home))
    try:
        platform.stages.log.record()
        platform.store.events.seal()
        assert platform.store.events.verify() > 0
        events = list(platform.store.events.read(limit=10**6))
        log = _read([part.path for part in platform.stages.log.parts(model)])
        shared = _shared(events)
        return Remains(
            versions=_versions(platform, model),
            decisions=_decisions(events),
            runs=sorted((run.id, run.status.value) for run in platform.store.runs.list(model=model, limit=10**4)),
            deployment=_deployment(platform, model),
            joined=_joined(platform, model),
            measured=_measured(platform, model, shared),
            logged=log.filter(~pl.col("shadow")),
            shadows=log.filter(pl.col("shadow")),
            events=events,
            incidents=sorted(
                (i.fingerprint, i.opened_at, i.resolved_at) for i in platform.store.measurements.incidents(model)
            ),
            shared=shared,
        )
    finally:
        platform.close()


def twice(events: list[ev.SealedEvent]) -> list[Any]:
    """What was recorded more often than once."""
    seen: set[Any] = set()
    found = []
    for item in events:
        key = (item.event.model, type(item.event.payload).__name__, str(item.event.payload), item.event.at)
        if key in seen:
            found.append(item.event)
        seen.add(key)
    return found


def _unlike(one: Any, other: Any) -> str:
    if one == other:
        return ""
    if isinstance(one, list):
        return f"only here {[x for x in one if x not in other]}, only there {[x for x in other if x not in one]}"
    return f"{one} here, {other} there"


def _shared(events: list[ev.SealedEvent]) -> list[Span]:
    """From each rollout's first canary step to its end."""
    found: list[Span] = []
    begun: datetime | None = None
    for event in (item.event for item in events):
        match event.payload:
            case ev.RolloutStepped(action="advanced"):
                begun = begun or event.at
            case ev.VersionPromoted() | ev.VersionRolledBack() | ev.RolloutStepped(action="aborted"):
                found += [(begun, event.at)] if begun is not None else []
                begun = None
    return found + ([(begun, events[-1].event.at)] if begun is not None else [])


def _versions(platform: Platform, model: str) -> list[tuple[Any, ...]]:
    return [
        (v.number, v.attempt, v.as_of, v.created_at, v.recipe_digest, v.artifact_digest, v.threshold, v.gates)
        for v in reversed(platform.store.versions.list(model))
    ]


def _decisions(events: list[ev.SealedEvent]) -> list[tuple[Any, ...]]:
    """Who decided what when; not in the order of two lanes at the same moment, which is nobody's promise."""
    told = [
        (item.event.at, item.event.payload.kind, _plain(item.event.payload))
        for item in events
        if not isinstance(item.event.payload, ev.RoutingChanged | ev.CohortEvaluated) and not _by_chance(item.event)
    ]
    return sorted(told, key=lambda one: (one[0], one[1], str(one[2])))


def _by_chance(event: ev.Event) -> bool:
    """A canary is only examined once one of its answers has matured, and chance decides which requests it gets."""
    return isinstance(event.payload, ev.RolloutExamined) and not event.payload.shadow


def _plain(payload: Any) -> Any:
    """What must be equal: how many outcomes met their prediction this time is told by the joined log."""
    match payload:
        case ev.OutcomesCollected():
            return payload.until, payload.received
        case ev.TrainingRequested():
            return payload.attempt, payload.trigger, payload.as_of, payload.revision, payload.tune
        case ev.RolloutExamined():
            return payload.version, payload.step, payload.shadow, payload.since, payload.until
        case ev.RolloutStepped():
            return payload.version, payload.step, payload.action
        case ev.VersionPromoted():
            return payload.version, payload.previous
        case ev.IncidentOpened():
            return payload.incident.fingerprint
        case ev.IncidentResolved():
            return payload.incident
        case _:
            return payload


def _deployment(platform: Platform, model: str) -> tuple[Any, ...]:
    found = platform.store.deployments.get(model)
    assert found is not None
    table = platform.stages.deploy.publish()
    served = [(line.model, line.routes) for line in table.models]
    rollout = found.rollout
    stands = None if rollout is None else (rollout.version, rollout.step, rollout.state, rollout.step_started_at)
    return found.champion, found.previous, found.promoted_at, found.routes, stands, served


def _joined(platform: Platform, model: str) -> pl.DataFrame:
    frame = _read([part.path for part in platform.stages.monitor._joined.parts(model)])
    wanted = ["key", "observed_at", "label", "version", "at", "score", "decision", "worth", "joined_at"]
    return frame.select(wanted).sort("key", "observed_at")


def _measured(platform: Platform, model: str, shared: list[Span]) -> list[tuple[Any, ...]]:
    """What realised quality was measured; of cohorts that chance had a part in, only that it was."""
    return [
        (e.version, e.since, e.until, e.at)
        if any(begin < e.until and e.since < end for begin, end in shared)
        else (e.version, e.since, e.until, e.at, e.labelled, sorted(e.metrics.items()))
        for e in platform.store.measurements.evaluations(model)
    ]


def _read(paths: list[str]) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in paths], how="diagonal_relaxed")
