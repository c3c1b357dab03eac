"""The engine that runs steps, the environments they run in, and the cache of what they made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from treadle.domain.models import CodeTree, EnvironmentLock
from treadle.domain.steps import StepRequest, StepResult

LogLine = Callable[[str], None]
Report = Callable[[int, float], bool]
"""Called with a step's intermediate (step, value); answers whether the step should stop early (pruning)."""


class Cancel(Protocol):
    """Something that can be set once to stop a step; ``threading.Event`` fits."""

    def is_set(self) -> bool:
        """Whether it was set."""
        ...


class StepCache(Protocol):
    """Results by step key."""

    def get(self, key: str) -> StepResult | None:
        """What an equal step made, if one ran before."""
        ...

    def put(self, result: StepResult) -> None:
        """Keep a result; an equal key again is no change."""
        ...


class Engine(Protocol):
    """Runs steps in their model's environment, a bounded number at a time."""

    def run(
        self,
        request: StepRequest,
        *,
        log: LogLine | None = None,
        report: Report | None = None,
        cancel: Cancel | None = None,
    ) -> StepResult:
        """Run one step, or take its result from the cache.

        Raises StepFailed, StepCrashed, StepTimedOut or StepCancelled; no process of the step outlives the call's error.
        """
        ...

    def close(self) -> None:
        """Stop all workers."""
        ...


class Environments(Protocol):
    """Locked environments on this machine, shared by equal locks."""

    def lock(self, requirements: Sequence[str], requires_python: str | None = None) -> EnvironmentLock:
        """Resolve requirements to a lock with hashes. Raises EnvironmentFailed with the resolver's own words."""
        ...

    def build(self, lock: EnvironmentLock, *, log: LogLine | None = None) -> str:
        """Make the environment unless it is there; return its digest, by which steps name it."""
        ...

    def interpreter(self, digest: str) -> str:
        """The absolute path of the environment's interpreter. Raises NotFound before :meth:`build`."""
        ...


class CodeTrees(Protocol):
    """Code trees laid out on this machine, each in its own folder, complete and read-only."""

    def checkout(self, tree: CodeTree) -> str:
        """Lay a tree out unless it is there; return the absolute path of its folder."""
        ...


@runtime_checkable
class DerivesEnvironments(Protocol):
    """What :class:`Environments` may offer besides: an environment with more in it than the model asked for."""

    def derive(self, lock: EnvironmentLock, extras: Sequence[str]) -> EnvironmentLock:
        """A lock with the same versions as ``lock`` plus the requirements ``extras``. Raises EnvironmentFailed."""
        ...
