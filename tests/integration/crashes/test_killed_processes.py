"""Processes of a real server are killed at random moments of a model's life, which ends as if nothing had been.

``TREADLE_SEED`` sets the kills; a failing life tells its own. ``pytest -m soak`` kills ``TREADLE_KILLS`` (200) times.
"""

import os
import random
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from killed_server import (
    KINDS,
    SUPERVISOR,
    Killing,
    Life,
    Lived,
    Remains,
    Server,
    Story,
    alive,
    descendants,
    flights,
    lend_environments,
    remains,
    twice,
    visits,
)

pytestmark = pytest.mark.timeout(900)

SEED = int(os.environ.get("TREADLE_SEED") or secrets.randbelow(10**6))


@dataclass(frozen=True)
class Undisturbed:
    """A story as it goes when nothing dies."""

    story: Story
    home: Path
    lived: Lived
    remains: Remains


def undisturbed(story: Story, folder: Path) -> Undisturbed:
    server = Server(folder / "home", story.since)
    server.up()
    try:
        lived = Life(server, story).live()
    finally:
        server.down()
    left = remains(server.home, story.model)
    assert lived.again == 0
    assert sorted(left.logged["prediction_id"]) == sorted(lived.answered)
    assert not twice(left.events)
    return Undisturbed(story, server.home, lived, left)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("calm")
    found = undisturbed(visits(folder / "code"), folder)
    kinds = [kind for _, kind, _ in found.remains.decisions]
    assert kinds.count("version_promoted") >= 3
    assert kinds.count("version_refused") >= 1
    assert found.remains.joined.height == len(found.lived.answered) > 500
    return found


def disturbed(calm: Undisturbed, home: Path, killings: list[Killing], seed: int) -> tuple[Lived, Remains]:
    lend_environments(calm.home, home)
    server = Server(home, calm.story.since)
    server.up()
    try:
        lived = Life(server, calm.story, killings, seed).live()
    finally:
        server.down()
    return lived, remains(home, calm.story.model)


def must_be_equal(calm: Undisturbed, lived: Lived, left: Remains, killings: list[Killing], seed: int) -> None:
    """Nothing acknowledged is lost, nothing is done twice, and what came of it is the same."""
    told = f"seed {seed}: {killings}, hit: {lived.kills}"
    logged = left.logged["prediction_id"]
    assert logged.n_unique() == len(logged), f"logged twice, {told}"
    lost = set(lived.answered) - set(logged)
    assert not lost, f"{len(lost)} answers are not in the log, {told}"
    assert len(lived.answered) == len(calm.lived.answered) == len(set(lived.answered)), told
    assert not twice(left.events), f"{twice(left.events)}, {told}"
    for part in ("versions", "decisions", "runs", "deployment", "measured", "incidents"):
        assert getattr(left, part) == getattr(calm.remains, part), f"{part} differ, {told}"
    assert left.joined.equals(calm.remains.joined), f"what was joined differs, {told}"
    assert len(lived.kills) == len(killings), told


@pytest.fixture(scope="module")
def calm_flights(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("flights")
    found = undisturbed(flights(folder / "code"), folder)
    assert found.remains.joined.height > 3000
    return found


def test_a_life_with_kills_ends_like_one_without(calm: Undisturbed, tmp_path: Path) -> None:
    """Among ten others the supervisor dies: all ends with it, and the next ``treadle up`` goes on."""
    chance = random.Random(SEED)
    killings = [*calm.lived.killings(10, chance), *calm.lived.killings(1, chance, [SUPERVISOR])]
    lived, left = disturbed(calm, tmp_path / "home", killings, SEED)
    must_be_equal(calm, lived, left, killings, SEED)
    assert SUPERVISOR in lived.kills
    assert not (tmp_path / "home" / "server.json").exists()


def test_flights_with_kills_end_like_those_without(calm_flights: Undisturbed, tmp_path: Path) -> None:
    killings = calm_flights.lived.killings(10, random.Random(SEED))
    lived, left = disturbed(calm_flights, tmp_path / "home", killings, SEED)
    must_be_equal(calm_flights, lived, left, killings, SEED)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_great_many_kills(calm: Undisturbed, tmp_path: Path) -> None:
    done, seed = 0, SEED
    while done < int(os.environ.get("TREADLE_KILLS", "200")):
        seed += 1
        kinds = [*KINDS, SUPERVISOR]
        random.Random(seed).shuffle(kinds)
        killings = calm.lived.killings(10, random.Random(seed), kinds)
        lived, left = disturbed(calm, tmp_path / f"home-{seed}", killings, seed)
        must_be_equal(calm, lived, left, killings, seed)
        done += len(killings)
        print(f"{done} kills, last seed {seed}")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "home", datetime(2013, 3, 1, tzinfo=UTC))
    made.up()
    assert made.process is not None
    below = descendants(made.process.pid)
    assert len(below) >= 3
    yield made
    made.down()
    assert made.process.returncode == 0
    assert not [pid for pid in below if alive(pid)]
    assert not (made.home / "server.json").exists()


def test_a_second_server_is_refused_and_the_first_one_ends_in_order(server: Server, tmp_path: Path) -> None:
    second = subprocess.run(server.command(), capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 2
    assert f"a server already runs on {server.home}" in second.stderr
    assert "Traceback" not in second.stderr
    other = Server(tmp_path / "other", server.since)
    for port in (server.port, server.port - 1):
        other.port = port
        taken = subprocess.run(other.command(), capture_output=True, text=True, check=False, timeout=60)
        assert taken.returncode == 2
        assert f"port {port if port == server.port else port + 1} is in use" in taken.stderr
        assert "--port" in taken.stderr
        assert "Traceback" not in taken.stderr
    assert server.process is not None
    assert server.process.poll() is None
