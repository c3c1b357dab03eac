"""Moving everything from a source to a server: run by run, each verified, again from where it was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from treadle.domain.errors import TreadleError, WorkerUnavailable
from treadle.sdk.mlflow.records import (
    Artifact,
    Experiment,
    LoggedModel,
    Point,
    RegisteredModel,
    Run,
    Source,
    Unreachable,
    Version,
)
from treadle.sdk.mlflow.sums import FileSums, PointSum, file_sums, run_sum, sum_points
from treadle.sdk.mlflow.target import Target
from treadle.sdk.tracking.server import RefusedError, StrangerError

MOVED_TAG = "treadle.moved"
"""Set once a run has arrived and was compared: the checksum of what was compared."""

VERSION_TAG = "treadle.moved.from"
PARENT_TAG = "mlflow.parentRunId"

Told = Callable[[str], None]


@dataclass
class Moved:
    """What was moved; ``known`` runs were there and complete. ``problems`` is what could not be, and why."""

    experiments: int = 0
    runs: int = 0
    known: int = 0
    points: int = 0
    artifacts: int = 0
    artifact_bytes: int = 0
    logged_models: int = 0
    registered_models: int = 0
    versions: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all of it is there and equal."""
        return not self.problems


@dataclass
class Mover:
    """Moves from a source to a target. ``told`` hears what is being done."""

    source: Source
    target: Target
    told: Told
    moved: Moved = field(default_factory=Moved)
    _runs: dict[str, str] = field(default_factory=dict)
    _models: dict[str, str] = field(default_factory=dict)
    _places: list[tuple[str, str]] = field(default_factory=list)
    _experiments: list[tuple[Experiment, str]] = field(default_factory=list)

    def move(self) -> Moved:
        """Move everything, then compare the numbers. What one thing refuses does not stop the others.

        Raises WorkerUnavailable where a server stays away; then it goes on where it was when it is called again.
        """
        doomed = []
        for experiment in self.source.experiments():
            with_problems = self._tolerant(f"experiment {experiment.name!r}")
            with with_problems:
                target, delete = self.target.experiment(experiment)
                self._experiments.append((experiment, target))
                self.moved.experiments += 1
                self._move_experiment(experiment, target)
                if delete:
                    doomed.append(target)
        for model in self.source.registered():
            with self._tolerant(f"registered model {model.name!r}"):
                self._move_registered(model)
        self._count()
        for target in doomed:
            self.target.delete_experiment(target)
        return self.moved

    def _move_experiment(self, experiment: Experiment, target: str) -> None:
        models = list(self.source.models(experiment.id))
        measured: dict[str, list[Point]] = defaultdict(list)
        for model in models:
            for measurer, point in model.points:
                measured[measurer].append(point)
        made: dict[str, LoggedModel] = {}
        for run in self.source.runs(experiment.id):
            with self._tolerant(f"run {run.id}"):
                self.told(f"{experiment.name}: {run.name or run.id}")
                there = self.target.find_run(run, target) or self.target.create_run(run, target)
                self._runs[run.id] = there.id
                self._places.append((run.artifacts, there.artifacts))
                grows = run.status == "RUNNING" and run.active and there.active
                if MOVED_TAG in there.tags and not grows:
                    self.moved.known += 1
                    continue
                for model in models:
                    if model.run == run.id and model.id not in made:
                        made[model.id] = self._move_model(model, target)
                self._move_run(run, there, measured.get(run.id, []))
        for model in models:
            if model.id not in made:
                with self._tolerant(f"logged model {model.id}"):
                    self._move_model(model, target)

    def _move_run(self, run: Run, there: Run, measured: list[Point]) -> None:
        if not there.active:
            self.target.restore_run(there.id)
        tags = {key: value for key, value in run.tags.items() if key != MOVED_TAG}
        if PARENT_TAG in tags:
            tags[PARENT_TAG] = self._runs.get(tags[PARENT_TAG], tags[PARENT_TAG])
        seen = PointSum()
        points = seen.passing(self._with_models(self.source.points(run), measured))
        self.target.log(there.id, run.params, tags, points)
        models_in = [self._models.get(model, model) for model in run.models_in]
        self.target.log_inputs(there.id, run.datasets, models_in)
        self.target.log_outputs(there.id, [(self._models.get(model, model), step) for model, step in run.models_out])
        files = self._upload(f"run {run.id}", lambda: self.source.artifacts(run), there.artifacts)
        self.target.end_run(there.id, run)
        arrived = self.target.reading.run(there.id)
        if arrived is None:
            self.moved.problems.append(f"run {run.id}: it is not there after it was made")
            return
        wrong = self._differences(replace(run, tags=tags), arrived, seen, files)
        if wrong:
            self.moved.problems.append(f"run {run.id}: {', '.join(wrong)} differ after moving")
            return
        self.moved.runs += 1
        self.moved.points += seen.count
        if files is not None:  # otherwise they may be readable another time
            self.target.set_tag(there.id, MOVED_TAG, run_sum(run, seen, files))
        if not run.active:
            self.target.delete_run(there.id)

    def _with_models(self, points: Iterator[Point], measured: list[Point]) -> Iterator[Point]:
        """Points of a run, each with the logged models that were measured with it."""
        known = defaultdict(list)
        for point in measured:
            known[point.key, point.timestamp, point.step, repr(point.value)].append(point)
        for point in points:
            found = known.pop((point.key, point.timestamp, point.step, repr(point.value)), [])
            for other in found:
                yield other._replace(model=self._models.get(other.model or "", other.model))
            if not found:
                yield point._replace(model=self._models.get(point.model, point.model) if point.model else None)

    def _differences(self, run: Run, there: Run, seen: PointSum, files: FileSums | None) -> list[str]:
        """What is not equal at source and target."""
        wrong = []
        if sum_points(self.target.reading.points(there)) != seen:
            wrong.append("metrics")
        if there.params != run.params:
            wrong.append("params")
        if not run.tags.items() <= there.tags.items():
            wrong.append("tags")
        if {(d.name, d.digest, d.source) for d in run.datasets} != {
            (d.name, d.digest, d.source) for d in there.datasets
        }:
            wrong.append("data sets")
        if (there.status, there.started, there.ended) != (run.status, run.started, run.ended):
            wrong.append("status or times")
        if files:
            arrived = file_sums(self.target.reading.artifacts(there))
            if not files.items() <= arrived.items():
                wrong.append("artifacts")
        return wrong

    def _move_model(self, model: LoggedModel, target: str) -> LoggedModel:
        made = self.target.logged_model(model, target, self._runs.get(model.run or ""))
        self._models[model.id] = made.id
        self._places.append((model.artifacts, made.artifacts))
        if MOVED_TAG in made.tags:
            return made
        files = self._upload(f"logged model {model.id}", lambda: self.source.model_artifacts(model), made.artifacts)
        if files and not files.items() <= file_sums(self.target.reading.model_artifacts(made)).items():
            self.moved.problems.append(f"logged model {model.id}: artifacts differ after moving")
            return made
        self.target.finalize(made.id, model.status)
        self.target.tag_model(made.id, MOVED_TAG, f"{len(files or {})} files")
        self.moved.logged_models += 1
        return made

    def _move_registered(self, model: RegisteredModel) -> None:
        self.told(f"registered model {model.name}")
        there = {version.number: version for version in self.target.registered_model(model)}
        origins = {version.number: self._origin(version) for version in model.versions}
        foreign = [number for number, one in there.items() if one.tags.get(VERSION_TAG) != origins.get(number)]
        if foreign:
            self.moved.problems.append(f"registered model {model.name!r}: the target has other versions of it")
            return
        for version in model.versions:
            if version.number in there:
                continue
            number = self._make_version(model.name, version)
            if number != version.number:
                self.moved.problems.append(f"version {version.number} of {model.name!r} became version {number}")
                return
            self.moved.versions += 1
        for version in model.versions:
            if version.stage not in {"", "None"}:
                self.target.set_stage(model.name, version.number, version.stage)
        for alias, number in model.aliases.items():
            self.target.set_alias(model.name, alias, number)
        self.moved.registered_models += 1
        arrived = {version.number: version for version in self.target.reading.versions(model.name)}
        if {version.number: version.description for version in model.versions} != {
            number: version.description for number, version in arrived.items()
        }:
            self.moved.problems.append(f"registered model {model.name!r}: versions differ after moving")

    def _origin(self, version: Version) -> str:
        return f"{self.source.url} at {version.created}"

    def _make_version(self, name: str, version: Version) -> int:
        """Make a version; numbers that the source has deleted are used up on the way."""
        logged = version.model or (version.source.removeprefix("models:/") if "models:/m-" in version.source else "")
        there = replace(
            version,
            source=self._moved_place(version.source),
            run=self._runs.get(version.run or "", version.run),
            model=self._models.get(logged, logged or None),
            tags={**version.tags, VERSION_TAG: self._origin(version)},
        )
        while True:
            number = self.target.create_version(name, there)
            if number >= version.number:
                return number
            self.target.delete_version(name, number)

    def _moved_place(self, place: str) -> str:
        """Where artifacts lie now that lay below a run's or a model's place at the source."""
        for before, after in sorted(self._places, key=lambda pair: len(pair[0]), reverse=True):
            if before and (place == before or place.startswith(before.rstrip("/") + "/")):
                return after.rstrip("/") + place[len(before.rstrip("/")) :]
        for before, after in self._models.items():
            if place == f"models:/{before}":
                return f"models:/{after}"
        return place

    def _upload(self, whose: str, files: Callable[[], Iterator[Artifact]], place: str) -> FileSums | None:
        """Copy files, and sum them up; None where they cannot be read, which is a problem."""
        sums: FileSums = {}
        try:
            for artifact in files():
                with artifact.open() as file:
                    self.target.upload(place, artifact.path, file)
                    sums |= file_sums([artifact])
                    self.moved.artifacts += 1
                    self.moved.artifact_bytes += file.stat().st_size
        except Unreachable as error:
            self.moved.problems.append(f"{whose}: {error}")
            return None
        return sums

    def _count(self) -> None:
        """Compare how many runs each experiment has."""
        for experiment, target in self._experiments:
            wanted = {self._runs.get(run.id) for run in self.source.runs(experiment.id)}
            missing = wanted - {run.id for run in self.target.reading.runs(target)}
            if missing:
                self.moved.problems.append(f"experiment {experiment.name!r}: {len(missing):,} runs are missing")

    def _tolerant(self, what: str) -> _Tolerant:
        return _Tolerant(what, self.moved.problems)


class _Tolerant:
    """Notes what the target refuses, or what the source cannot give, as a problem."""

    def __init__(self, what: str, problems: list[str]) -> None:
        self._what, self._problems = what, problems

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if isinstance(error, WorkerUnavailable):
            return False
        if isinstance(error, RefusedError | StrangerError | TreadleError | OSError):
            self._problems.append(f"{self._what}: {error}")
            return True
        return False
