"""What every ``ports.Deployments`` and ``ports.Routing`` promises."""
# ruff: noqa: S101

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from treadle.domain.deployments import Deployment, Route, RoutingTable, ServedModel, ServedVersion
from treadle.domain.errors import Conflict
from treadle.ports.deployments import Routing
from treadle.testing import samples
from treadle.testing.contracts.base import StoreContract, StoreUnderTest, together


class DeploymentsContract(StoreContract):
    """One deployment a model, changed by compare-and-set on its revision."""

    def test_a_deployment_comes_back(self, store: StoreUnderTest) -> None:
        """The last one, with all others by model."""
        assert store.deployments.get("flights") is None
        store.deployments.put(samples.a_deployment(1), samples.an_event())
        store.deployments.put(samples.a_deployment(2))
        store.deployments.put(samples.a_deployment(1, "bikes"))
        assert store.deployments.get("flights") == samples.a_deployment(2)
        assert [(d.model, d.revision) for d in store.deployments.all()] == [("bikes", 1), ("flights", 2)]
        assert store.events.seal() == 1

    @pytest.mark.parametrize("revision", [0, 1, 3])
    def test_a_revision_out_of_turn_conflicts(self, store: StoreUnderTest, revision: int) -> None:
        """And leaves no event behind."""
        store.deployments.put(samples.a_deployment(1))
        with pytest.raises(Conflict):
            store.deployments.put(samples.a_deployment(revision), samples.an_event())
        assert store.deployments.get("flights") == samples.a_deployment(1)
        assert store.events.seal() == 0

    def test_of_threads_one_wins(self, store: StoreUnderTest) -> None:
        """At each revision, and only the winner's event is recorded."""
        for revision in (1, 2, 3):
            deployment = samples.a_deployment(revision)

            def put(_: int, deployment: Deployment = deployment) -> None:
                store.deployments.put(deployment, samples.an_event())

            assert sorted(type(a).__name__ for a in together(4, put)) == ["Conflict"] * 3 + ["NoneType"]
        assert store.events.seal() == 3


def a_table(revision: int) -> RoutingTable:
    """One model with one version."""
    version = ServedVersion(1, "onnx", "ad" * 32, 0.3, onnx_path="/blobs/ac")
    columns = {"distance": "float"}
    spec = samples.a_spec().to_json()
    routes = (Route(1, 100.0),)
    served = ServedModel("flights", "binary", None, None, None, columns, ("distance",), spec, routes, (version,))
    return RoutingTable(revision, (served,))


class RoutingContract:
    """Override :meth:`make`: the routing, and how a gateway says that it serves a revision (None: it is gone)."""

    def make(self, folder: Path) -> tuple[Routing, Callable[[str, int | None], None]]:
        """A routing without a table and without gateways."""
        raise NotImplementedError

    @pytest.fixture
    def pair(self, tmp_path: Path) -> tuple[Routing, Callable[[str, int | None], None]]:
        """The routing of one test."""
        return self.make(tmp_path)

    def test_a_table_comes_back(self, pair: tuple[Routing, Callable[[str, int | None], None]]) -> None:
        """The last one published; before the first, an empty one of revision 0."""
        routing, _ = pair
        assert routing.read() == RoutingTable(0)
        routing.publish(a_table(1))
        routing.publish(a_table(2))
        assert routing.read() == a_table(2)

    def test_without_gateways_there_is_nothing_to_wait_for(
        self, pair: tuple[Routing, Callable[[str, int | None], None]]
    ) -> None:
        """Waiting ends at once."""
        started = time.monotonic()
        assert pair[0].wait_for(1, 10)
        assert time.monotonic() - started < 5

    def test_every_gateway_is_waited_for(self, pair: tuple[Routing, Callable[[str, int | None], None]]) -> None:
        """One that lags makes the waiting end in False; one that is gone does not count."""
        routing, serve = pair
        serve("a", 2)
        serve("b", 1)
        assert routing.wait_for(1, 1)
        assert not routing.wait_for(2, 0.05)
        serve("b", None)
        assert routing.wait_for(2, 1)

    def test_waiting_ends_when_the_last_one_serves(
        self, pair: tuple[Routing, Callable[[str, int | None], None]]
    ) -> None:
        """Well before the timeout."""
        routing, serve = pair
        serve("a", 0)
        timer = threading.Timer(0.05, serve, ["a", 3])
        timer.start()
        assert routing.wait_for(3, 20)
        timer.join()

    def test_readers_never_see_half_a_table(self, pair: tuple[Routing, Callable[[str, int | None], None]]) -> None:
        """While it is replaced again and again."""
        routing, _ = pair
        routing.publish(a_table(1))

        def work(number: int) -> int:
            for revision in range(1, 30):
                if number:
                    assert len(routing.read().models) == 1
                else:
                    routing.publish(a_table(revision))
            return number

        assert together(3, work) == [0, 1, 2]
