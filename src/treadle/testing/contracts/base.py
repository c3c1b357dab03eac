"""What the suites share: a store to open, and threads that start together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from treadle.ports.deployments import Deployments
from treadle.ports.events import Events
from treadle.ports.models import Models
from treadle.ports.monitoring import Measurements
from treadle.ports.register import Register
from treadle.ports.runs import Runs
from treadle.ports.snapshots import Snapshots
from treadle.ports.steps import StepCache
from treadle.ports.versions import Versions

T = TypeVar("T")


class StoreUnderTest(Protocol):
    """The metadata ports. A suite uses its own port and ``events``; a partial backend may lack the others."""

    events: Events
    models: Models
    runs: Runs
    versions: Versions
    deployments: Deployments
    snapshots: Snapshots
    steps: StepCache
    measurements: Measurements
    register: Register

    def close(self) -> None:
        """Let go of everything."""
        ...


class StoreContract:
    """Base of the suites of metadata ports: override :meth:`make`."""

    def make(self, folder: Path) -> StoreUnderTest:
        """A new, empty store; ``folder`` is the test's own."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[StoreUnderTest]:
        """The store of one test."""
        store = self.make(tmp_path)
        yield store
        store.close()


def together(count: int, work: Callable[[int], T]) -> list[T | Exception]:
    """Run ``work(0)`` to ``work(count - 1)`` in threads that start at one moment; what each gave, or raised."""
    barrier = threading.Barrier(count)

    def one(number: int) -> T | Exception:
        barrier.wait(30)
        try:
            return work(number)
        except Exception as error:  # noqa: BLE001  the test looks at it
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count), timeout=120))
