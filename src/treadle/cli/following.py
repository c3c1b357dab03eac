"""Waits until what was applied, or asked for, serves, or will not."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from treadle.domain import events as ev
from treadle.loop import activity

if TYPE_CHECKING:
    from treadle.cli.progress import Teller
    from treadle.sdk.client import Client

EVERY = 0.5


@dataclass(frozen=True)
class Ended:
    """How it ended: whether a version serves or begins to, and what there is to say of it; ``promoted`` is the version
    that was given all traffic."""

    serves: bool
    told: str
    promoted: int | None = None


@dataclass
class Watched:
    """The attempts and versions that came of one revision (None: of the attempts given); pure but for its memory."""

    revision: int | None
    attempts: set[str] = field(default_factory=set)
    versions: set[int] = field(default_factory=set)

    def see(self, payload: ev.Payload) -> Ended | None:
        """Take an event in; the end, if it is that."""
        match payload:
            case ev.TrainingRequested() if self.revision is not None and payload.revision >= self.revision:
                self.attempts.add(payload.attempt)
            case ev.VersionRegistered() if payload.attempt in self.attempts:
                self.versions.add(payload.version)
            case ev.TrainingFailed() if payload.attempt in self.attempts:
                return Ended(False, f"training {payload.attempt} failed ({payload.cause}): {payload.message}")
            case ev.VersionRefused() if payload.version in self.versions:
                return Ended(False, f"version {payload.version} was refused: {payload.reason}")
            case ev.RolloutStarted() if payload.version in self.versions:
                return Ended(True, f"version {payload.version} is being rolled out: {payload.reason}")
            case ev.VersionPromoted() if payload.version in self.versions:
                return Ended(True, f"version {payload.version} serves: {payload.reason}", payload.version)
        return None


def follow(client: Client, model: str, watched: Watched, after: int, timeout: float, told: Teller) -> Ended:
    """Follow a model's events after a position until the end, for at most ``timeout`` seconds.

    A promoted version counts as serving once the gateway answers with it.
    """
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = client.events(after, model=model)
        for sealed in found:
            after = sealed.position
            told.log(f"{sealed.event.at:%Y-%m-%d %H:%M} {in_words(sealed.event.payload)}")
            ended = watched.see(sealed.event.payload)
            if ended is not None:
                return ended if ended.promoted is None else _served(client, model, ended, deadline, told)
        if not found:
            _tell(client, model, told)
            time.sleep(EVERY)
    return Ended(False, f"no end after {timeout:g} s; look again with `treadle status`")


def in_words(payload: ev.Payload) -> str:
    """An event as a line."""
    match payload:
        case ev.ModelApplied():
            return f"revision {payload.revision} applied"
        case ev.TrainingRequested():
            return f"training {payload.attempt} asked for ({payload.trigger})"
        case ev.TrainingFailed():
            return f"training {payload.attempt} failed ({payload.cause})"
        case ev.VersionRegistered():
            return f"version {payload.version} made by {payload.run}"
        case ev.GatesEvaluated():
            return f"version {payload.version} at the gates: {payload.report.verdict.value.replace('_', ' ')}"
        case ev.VersionPromoted():
            return f"version {payload.version} promoted"
        case ev.VersionRefused() | ev.RolloutStarted():
            return f"{str(payload.kind).replace('_', ' ')}: version {payload.version}"
        case ev.IncidentOpened():
            return f"incident opened: {payload.incident.title}"
        case _:
            return (ev.dataclass_kind(payload) or "event").replace("_", " ")


def _served(client: Client, model: str, ended: Ended, deadline: float, told: Teller) -> Ended:
    while not client.ready(model, ended.promoted):
        if time.monotonic() > deadline:
            return Ended(False, f"version {ended.promoted} is promoted, but no gateway answers with it yet")
        told("waiting for the gateway", None, None, f"version {ended.promoted}")
        time.sleep(EVERY / 5)
    return ended


def _tell(client: Client, model: str, told: Teller) -> None:
    for doing in client.status().doing:
        if doing.model == model:
            share = None if doing.share is None else round(doing.share * 100)
            told(activity.in_words(doing.what), share, None if share is None else 100, doing.detail)
