"""The registry: versions with their digests, aliases and lineage."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from treadle.domain import codec
from treadle.domain.data import Snapshot
from treadle.domain.errors import Conflict, CorruptData, InvalidInput, NotFound
from treadle.domain.events import Event, GatesEvaluated, VersionRegistered
from treadle.domain.gates import GateReport
from treadle.domain.models import AppliedModel
from treadle.domain.runs import Run
from treadle.domain.trainings import Trained
from treadle.domain.versions import ModelVersion
from treadle.ports.blobs import Blobs
from treadle.ports.clock import Clock
from treadle.ports.runs import Runs
from treadle.ports.snapshots import Snapshots
from treadle.ports.versions import Versions

CHAMPION, CHALLENGER = "champion", "challenger"
TRIES = 20

_REFERENCE = re.compile(r"(?P<model>[^@/\s]+)(?:@(?P<alias>[^@/\s]+)|/(?P<number>[0-9]+))?")


@dataclass(frozen=True)
class Lineage:
    """Where a version came from, and what came of it.

    ``code``, ``environment`` are digests; ``siblings`` are the numbers of other versions of any model trained on the
    same rows, as ``model/number``; ``children`` those of this model that were compared with it.
    """

    version: ModelVersion
    run: Run
    snapshot: Snapshot
    code: str
    environment: str
    parent: ModelVersion | None
    children: tuple[int, ...]
    siblings: tuple[str, ...]


class RegistryService:
    """Registers what was trained and finds it again."""

    def __init__(self, versions: Versions, snapshots: Snapshots, runs: Runs, blobs: Blobs, clock: Clock) -> None:
        self._versions = versions
        self._snapshots = snapshots
        self._runs = runs
        self._blobs = blobs
        self._clock = clock

    def register(
        self, applied: AppliedModel, trained: Trained, attempt: str, as_of: datetime, parent: int | None = None
    ) -> ModelVersion:
        """Make a version of what an attempt trained, and let the alias ``challenger`` point at it.

        The same attempt again gives the same version. ``parent`` is the champion that it will be compared with. Raises
        NotFound where an artifact is not stored.
        """
        known = self._versions.by_attempt(trained.model, attempt)
        version = known if known is not None else self._store(applied, trained, attempt, as_of, parent)
        self.confirm(version)
        return version

    def confirm(self, version: ModelVersion) -> None:
        """Tell of a registered version: its event, and the alias ``challenger`` where it is the newest.

        Both are one change after the version is stored, so that whoever finds a version by its attempt after a crash
        confirms it, once more or for the first time.
        """
        payload = VersionRegistered(
            version.attempt, version.number, version.run, version.recipe_digest, version.artifact_digest
        )
        once = f"version_registered:{version.attempt}"
        newest = self._versions.list(version.model)[0].number
        self._versions.set_alias(
            version.model, CHALLENGER, newest, Event(version.model, version.created_at, payload, once=once)
        )

    def get(self, model: str, number: int) -> ModelVersion:
        """A version by number. Raises NotFound."""
        return self._versions.get(model, number)

    def by_attempt(self, model: str, attempt: str) -> ModelVersion | None:
        """The version that an attempt ended in, if it did."""
        return self._versions.by_attempt(model, attempt)

    def _store(
        self, applied: AppliedModel, trained: Trained, attempt: str, as_of: datetime, parent: int | None
    ) -> ModelVersion:
        for name, digest in trained.artifacts.items():
            if not self._blobs.has(digest):
                raise NotFound(
                    f"artifact {name} of run {trained.run} is not stored ({digest[:12]})", hint="train again"
                )
        for _ in range(TRIES):
            number = self._versions.next_number(trained.model)
            version = _version(
                applied, trained, number, attempt=attempt, as_of=as_of, parent=parent, now=self._clock.now()
            )
            try:
                self._versions.register(version)
            except Conflict:
                known = self._versions.by_attempt(trained.model, attempt)
                if known is not None:
                    return known
                continue
            return version
        raise Conflict(f"no number could be had for a version of {trained.model!r} in {TRIES} tries", hint="try again")

    def judge(self, version: ModelVersion, report: GateReport, against: int | None) -> ModelVersion:
        """Record what the gates found of a version beside the champion ``against``. Raises NotFound."""
        payload = GatesEvaluated(version.number, against, report)
        once = f"gates_evaluated:{version.number}:{against}"
        event = Event(version.model, self._clock.now(), payload, once=once)
        self._versions.judge(version.model, version.number, report, event)
        return replace(version, gates=report)

    def resolve(self, reference: str) -> ModelVersion:
        """The version named by ``model@alias``, ``model/number``, or ``model`` (its champion, else the newest).

        Raises InvalidInput for another form, NotFound.
        """
        match = _REFERENCE.fullmatch(reference)
        if match is None:
            raise InvalidInput(
                f"{reference!r} names no version", hint="write flights@champion, flights/3 or flights, for example"
            )
        model, alias, number = match["model"], match["alias"], match["number"]
        if number is not None:
            return self._versions.get(model, int(number))
        aliases = self._versions.aliases(model)
        wanted = alias or CHAMPION
        if wanted in aliases:
            return self._versions.get(model, aliases[wanted])
        if alias is not None:
            known = ", ".join(f"{name} ({at})" for name, at in sorted(aliases.items())) or "none"
            raise NotFound(f"model {model!r} has no alias {alias!r}", hint=f"its aliases are: {known}")
        versions = self._versions.list(model)
        if not versions:
            raise NotFound(f"model {model!r} has no version yet", hint="see: treadle status")
        return versions[0]

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        """All versions of a model, newest first."""
        return tuple(self._versions.list(model))

    def alias(self, model: str, alias: str, number: int | None) -> None:
        """Point an alias at a version, or remove it. Raises NotFound."""
        self._versions.set_alias(model, alias, number)

    def lineage(self, version: ModelVersion) -> Lineage:
        """Where a version came from, and what came of it. Raises NotFound where a record is gone."""
        parent = None if version.parent is None else self._versions.get(version.model, version.parent)
        snapshot = self._snapshots.get(version.recipe.snapshot_digest)
        return Lineage(
            version=version,
            run=self._runs.get(version.run),
            snapshot=snapshot,
            code=version.recipe.code_digest,
            environment=version.recipe.environment_digest,
            parent=parent,
            children=tuple(v.number for v in self._versions.list(version.model) if v.parent == version.number),
            siblings=tuple(
                f"{v.model}/{v.number}"
                for v in self.trained_on(snapshot.digest)
                if (v.model, v.number) != (version.model, version.number)
            ),
        )

    def trained_on(self, snapshot: str) -> tuple[ModelVersion, ...]:
        """The versions that a snapshot's rows went into: lineage the other way."""
        return tuple(self._versions.using_snapshot(snapshot))

    def verify(self, version: ModelVersion) -> None:
        """Read every artifact and hold it against its digest, and all against the version's.

        Raises CorruptData, or NotFound for an artifact that is gone.
        """
        if (
            artifact_digest(version.artifacts) != version.artifact_digest
            or version.recipe.digest != version.recipe_digest
        ):
            raise CorruptData(
                f"the record of version {version.number} of {version.model!r} does not match its own digests",
                hint="restore the database from a backup; do not serve this version",
            )
        for digest in version.artifacts.values():
            self._blobs.get(digest)


def artifact_digest(artifacts: dict[str, str]) -> str:
    """The one digest of all artifacts by name."""
    return codec.digest(artifacts)


def _version(
    applied: AppliedModel,
    trained: Trained,
    number: int,
    *,
    attempt: str,
    as_of: datetime,
    parent: int | None,
    now: datetime,
) -> ModelVersion:
    return ModelVersion(
        model=trained.model,
        number=number,
        created_at=now,
        as_of=as_of,
        run=trained.run,
        attempt=attempt,
        recipe=trained.recipe,
        recipe_digest=trained.recipe.digest,
        artifacts=dict(trained.artifacts),
        artifact_digest=artifact_digest(trained.artifacts),
        threshold=trained.threshold,
        compilation=trained.compilation,
        spec_json=applied.spec_json,
        code_entry=applied.code.entry,
        code_root=applied.code.root,
        parent=parent,
        metrics=dict(trained.metrics),
        profile=trained.profile,
        score_profile=trained.score_profile,
        classes=trained.classes,
    )
