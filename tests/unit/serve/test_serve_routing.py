from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from treadle.domain import codec
from treadle.domain.deployments import RoutingTable, ServedModel, ServedVersion
from treadle.domain.errors import WorkerUnavailable
from treadle.serve.dataplane import DataPlane
from treadle.serve.routing import RoutingWatcher

PATIENCE = 5.0


class Bench:
    """A watcher over a folder, with predictors that the test controls by version."""

    def __init__(self, kit: Any, folder: Path) -> None:
        self.kit, self.folder = kit, folder
        self.plane = DataPlane(kit.writer(), kit.clock())
        self.made: list[tuple[int, Any]] = []
        self.broken: dict[int, str] = {}
        self.slow: dict[int, asyncio.Event] = {}
        self.watcher = RoutingWatcher(
            self.plane, folder / "routing.json", folder / "gateways", "gw-1", self.load, interval=0.005
        )

    async def load(self, model: ServedModel, version: ServedVersion) -> Any:
        if version.version in self.slow:
            await self.slow[version.version].wait()
        if version.version in self.broken:
            raise WorkerUnavailable(self.broken[version.version])
        predictor = self.kit.predictor()
        self.made.append((version.version, predictor))
        return predictor

    def publish(self, revision: int, *models: ServedModel) -> None:
        self.write(codec.dumps(RoutingTable(revision, models)))

    def write(self, text: str) -> None:
        fresh = self.folder / "routing.new"
        fresh.write_text(text)
        fresh.replace(self.folder / "routing.json")

    def model(self, *versions: int, **routes: Any) -> ServedModel:
        return self.kit.served(self.kit.flights(), *versions, **routes)

    @property
    def ack(self) -> dict[str, Any]:
        path = self.folder / "gateways" / "gw-1.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def served(self) -> list[int]:
        model = self.plane.table.models.get("flights")
        return sorted(model.versions) if model else []

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.002)


@pytest.fixture
def play(kit: Any, tmp_path: Path) -> Callable[[Callable[[Bench], Awaitable[None]]], None]:
    def run(scene: Callable[[Bench], Awaitable[None]]) -> None:
        async def whole() -> None:
            bench = Bench(kit, tmp_path)
            following = asyncio.create_task(bench.watcher.run())
            try:
                await scene(bench)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                await bench.watcher.close()

        asyncio.run(whole())

    return run


def test_a_gateway_is_ready_before_the_first_table(play: Any) -> None:
    async def scene(bench: Bench) -> None:
        await asyncio.wait_for(bench.watcher.looked.wait(), PATIENCE)
        assert bench.ack == {"id": "gw-1", "pid": os.getpid(), "revision": 0, "error": ""}
        bench.publish(1, bench.model(1))
        await bench.until(lambda: bench.ack["revision"] == 1)
        assert bench.served == [1]

    play(scene)


def test_what_is_served_already_is_not_loaded_again(play: Any) -> None:
    async def scene(bench: Bench) -> None:
        bench.publish(1, bench.model(1))
        await bench.until(lambda: bench.served == [1])
        bench.publish(2, bench.model(1, 2, weights={1: 50.0, 2: 50.0}))
        await bench.until(lambda: bench.ack["revision"] == 2)
        assert [version for version, _ in bench.made] == [1, 2]

    play(scene)


def test_a_removed_version_is_closed_when_its_last_request_has_ended(play: Any) -> None:
    async def scene(bench: Bench) -> None:
        bench.publish(1, bench.model(1))
        await bench.until(lambda: bench.served == [1])
        old = bench.made[0][1]
        old.gate = asyncio.Event()
        columns = {name: [value] for name, value in bench.kit.row.items()}
        request = asyncio.create_task(bench.plane.predict("flights", None, columns, 1))
        await asyncio.sleep(0)
        bench.publish(2, bench.model(2))
        await bench.until(lambda: bench.ack["revision"] == 2)
        await asyncio.sleep(0.05)
        assert not old.closed
        old.gate.set()
        assert (await request).version == 1
        await bench.until(lambda: old.closed)
        assert (await bench.plane.predict("flights", None, columns, 1)).version == 2

    play(scene)


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_answering_until_it_can(play: Any) -> None:
    async def scene(bench: Bench) -> None:
        bench.publish(1, bench.model(1))
        await bench.until(lambda: bench.served == [1])
        bench.broken[2] = "no worker yet"
        bench.publish(2, bench.model(2))
        await bench.until(lambda: bench.ack["error"])
        assert bench.ack["revision"] == 1
        assert "version 2 of 'flights' cannot be loaded: no worker yet" in bench.ack["error"]
        assert bench.served == [1]
        del bench.broken[2]
        await bench.until(lambda: bench.ack["revision"] == 2)
        assert (bench.served, bench.ack["error"]) == ([2], "")

    play(scene)


def test_one_broken_model_does_not_hold_up_the_others(play: Any) -> None:
    async def scene(bench: Bench) -> None:
        bench.broken[7] = "broken"
        cars = bench.kit.served(replace(bench.kit.flights(), name="cars"), 7)
        bench.publish(1, cars, bench.model(1))
        await bench.until(lambda: bench.served == [1])
        await bench.until(lambda: bench.ack)
        assert "cars" in bench.ack["error"]
        assert bench.ack["revision"] == 0
        with pytest.raises(WorkerUnavailable, match="'cars' is not loaded yet"):
            await bench.plane.predict("cars", None, {}, 1)

    play(scene)


def test_a_newer_table_cuts_a_load_short(play: Any) -> None:
    async def scene(bench: Bench) -> None:
        bench.slow[1] = asyncio.Event()
        bench.publish(1, bench.model(1, 2))
        await bench.until(lambda: bench.made)
        bench.publish(2, bench.model(3))
        await bench.until(lambda: bench.ack.get("revision") == 2)
        assert bench.served == [3]
        abandoned = next(predictor for version, predictor in bench.made if version == 2)
        await bench.until(lambda: abandoned.closed)

    play(scene)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"revision": 2}x', '{"models": []}', '{"revision":2,"models":[{}]}']
)
def test_a_file_that_cannot_be_read_changes_nothing(play: Any, text: str) -> None:
    async def scene(bench: Bench) -> None:
        bench.publish(1, bench.model(1))
        await bench.until(lambda: bench.served == [1])
        bench.write(text)
        await bench.until(lambda: bench.ack["error"])
        assert (bench.ack["revision"], bench.served) == (1, [1])
        bench.publish(3, bench.model(3))
        await bench.until(lambda: bench.ack == {"id": "gw-1", "pid": os.getpid(), "revision": 3, "error": ""})

    play(scene)


def test_closing_takes_the_acknowledgement_back(play: Any, tmp_path: Path) -> None:
    kept: list[Bench] = []

    async def scene(bench: Bench) -> None:
        kept.append(bench)
        bench.publish(1, bench.model(1))
        await bench.until(lambda: bench.served == [1])

    play(scene)
    assert not kept[0].ack
    assert all(predictor.closed for _, predictor in kept[0].made)
    assert not list((tmp_path / "gateways").iterdir())


def test_an_acknowledgement_that_could_not_be_written_is_written_later(play: Any, tmp_path: Path) -> None:
    """Without it nobody waits for this gateway before a version's worker is ended."""

    async def scene(bench: Bench) -> None:
        (tmp_path / "gateways").write_text("in the way, as a full disk is")
        bench.publish(1, bench.model(1))
        await bench.until(lambda: bench.served == [1])
        await asyncio.sleep(0.05)
        (tmp_path / "gateways").unlink()
        await bench.until(lambda: bench.ack)
        assert (bench.ack["revision"], bench.ack["error"]) == (1, "")
        assert [number for number, _ in bench.made] == [1]

    play(scene)
