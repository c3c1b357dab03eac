"""Waits until what was applied serves, or will not."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from treadle.domain import events as ev

if TYPE_CHECKING:
    from treadle.cli.progress import Teller
    from treadle.sdk.client import Client
    from treadle.sdk.records import Applied

EVERY = 0.5


@dataclass(frozen=True)
class Ended:
    """How it ended: whether a version of the revision serves or begins to, and what there is to say of it."""

    serves: bool
    told: str


@dataclass
class Watched:
    """The attempts and versions that came of one revision; pure but for its own memory."""

    revision: int
    attempts: set[str] = field(default_factory=set)
    versions: set[int] = field(default_factory=set)

    def see(self, payload: ev.Payload) -> Ended | None:
        """Take an event in; the end, if it is that."""
        match payload:
            case ev.TrainingRequested() if payload.revision >= self.revision:
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
                return Ended(True, f"version {payload.version} serves: {payload.reason}")
        return None


def follow(client: Client, applied: Applied, after: int, timeout: float, told: Teller) -> Ended:
    """Follow the events after a position until the end, for at most ``timeout`` seconds."""
    watched = Watched(applied.revision)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = client.events(after, model=applied.model)
        for sealed in found:
            after = sealed.position
            told.log(f"{sealed.event.at:%Y-%m-%d %H:%M} {ev.dataclass_kind(sealed.event.payload)}")
            ended = watched.see(sealed.event.payload)
            if ended is not None:
                return ended
        if not found:
            _tell(client, applied.model, told)
            time.sleep(EVERY)
    return Ended(False, f"no end after {timeout:g} s; look again with `treadle status`")


def _tell(client: Client, model: str, told: Teller) -> None:
    for doing in client.status().doing:
        if doing.model == model:
            share = None if doing.share is None else round(doing.share * 100)
            told(doing.what, share, None if share is None else 100, doing.detail)
