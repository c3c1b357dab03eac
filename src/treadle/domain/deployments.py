"""Which version answers, and how traffic moves to another."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class RolloutState(enum.Enum):
    """Where a rollout is in its life."""

    RUNNING = "running"
    PAUSED = "paused"
    PROMOTED = "promoted"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True)
class Rollout:
    """The way of one challenger towards all traffic. ``step`` indexes the declared rollout's steps."""

    version: int
    previous: int | None
    state: RolloutState
    step: int
    started_at: datetime
    step_started_at: datetime
    reason: str = ""


@dataclass(frozen=True)
class Route:
    """A version's part in answering: ``weight`` in percent of requests, ``shadow`` for mirrored ones."""

    version: int
    weight: float
    shadow: bool = False


@dataclass(frozen=True)
class Deployment:
    """The desired serving state of one model. ``revision`` grows with every change.

    Weights of routes that are not shadows sum to 100. ``previous`` is where a rollback goes.
    """

    model: str
    revision: int
    champion: int | None
    previous: int | None
    promoted_at: datetime | None
    routes: tuple[Route, ...] = ()
    rollout: Rollout | None = None


@dataclass(frozen=True)
class ServedVersion:
    """What a gateway, or the worker behind it, needs to answer for one version; paths are absolute and local.

    ``runtime`` is ``onnx`` (``onnx_path``) or ``python``: then the supervisor keeps ``interpreter -m treadle.runner
    worker`` listening on ``worker_socket``, with the model at ``model_path`` and its code, ``code_entry``, in
    ``code_folder``.
    """

    version: int
    runtime: str
    artifact_digest: str
    threshold: float | None
    onnx_path: str | None = None
    worker_socket: str | None = None
    interpreter: str | None = None
    code_folder: str | None = None
    code_entry: str | None = None
    model_path: str | None = None
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ServedModel:
    """One line of the routing table. ``columns`` maps a feature to its declared type, nullability in ``nullable``."""

    model: str
    task: str
    key: str | None
    time: str | None
    zone: str | None
    columns: dict[str, str]
    nullable: tuple[str, ...]
    spec_json: str
    routes: tuple[Route, ...]
    versions: tuple[ServedVersion, ...]


@dataclass(frozen=True)
class RoutingTable:
    """Everything that gateways serve, replaced as a whole. ``revision`` grows by one each time."""

    revision: int
    models: tuple[ServedModel, ...] = ()
