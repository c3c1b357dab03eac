"""What is moved, as every source tells it. Times are milliseconds since 1970; ids are the source's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol


class Point(NamedTuple):
    """One point of a metric. ``model`` and the data set say what was measured on what, where that is known."""

    key: str
    value: float
    timestamp: int
    step: int
    model: str | None = None
    dataset: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Experiment:
    """A named set of runs."""

    id: str
    name: str
    active: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """Data that a run used, and the tags of its use."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A run without its points and artifacts. ``keys`` are the names of its metrics."""

    id: str
    experiment: str
    name: str
    user: str
    status: str
    started: int
    ended: int | None
    active: bool
    artifacts: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    keys: tuple[str, ...]
    datasets: tuple[Dataset, ...] = ()
    models_in: tuple[str, ...] = ()
    models_out: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class LoggedModel:
    """A model as a run logged it. ``points`` are measurements of it, each with the run that made them."""

    id: str
    experiment: str
    name: str
    run: str | None
    kind: str
    status: str
    artifacts: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    points: tuple[tuple[str, Point], ...] = ()


@dataclass(frozen=True)
class Version:
    """A version of a registered model."""

    number: int
    source: str
    run: str | None
    description: str
    stage: str
    created: int
    tags: Mapping[str, str]
    model: str | None = None


@dataclass(frozen=True)
class RegisteredModel:
    """A registered model with its versions, oldest first; ``aliases`` name versions by number."""

    name: str
    description: str
    tags: Mapping[str, str]
    versions: tuple[Version, ...]
    aliases: Mapping[str, int]


@dataclass(frozen=True)
class Artifact:
    """A file of a run or a logged model. ``open`` gives a local copy for as long as its block lasts."""

    path: str
    open: Callable[[], AbstractContextManager[Path]]


class Source(Protocol):
    """Where everything is read from. Methods raise InvalidInput where it cannot be."""

    @property
    def url(self) -> str:
        """What it is called, without credentials."""
        ...

    def experiments(self) -> Iterator[Experiment]:
        """All of them, deleted ones too."""
        ...

    def runs(self, experiment: str) -> Iterator[Run]:
        """The runs of one, deleted ones too."""
        ...

    def points(self, run: Run) -> Iterator[Point]:
        """All points of a run's metrics, each once."""
        ...

    def artifacts(self, run: Run) -> Iterator[Artifact]:
        """A run's files. Raises Unreachable where this machine cannot read them."""
        ...

    def models(self, experiment: str) -> Iterator[LoggedModel]:
        """The logged models of an experiment."""
        ...

    def model_artifacts(self, model: LoggedModel) -> Iterator[Artifact]:
        """A logged model's files. Raises Unreachable."""
        ...

    def registered(self) -> Iterator[RegisteredModel]:
        """All registered models."""
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...


class Unreachable(Exception):
    """Artifacts lie where this machine cannot read them; the text says where."""
