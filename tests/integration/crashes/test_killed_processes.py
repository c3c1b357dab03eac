"""Processes of a real server are killed at random moments of a model's life, which ends as if nothing had been.

The life is that of a small model beside this file, and in it is what the demo has: first version, requests, outcomes,
drift, a gate that breaks on live traffic, trainings by age and for that gate, refusals, a shadow that is held until
there is data enough, canaries, a promotion, and a second rollout that is still under way at the end. It differs from
the demo in this: 48 rows a day instead of 900, three weeks instead of ten months, a served worker instead of a
compiled model, one client that asks again until it is answered, and no report. ``make soak`` kills in the first weeks
of the flights example too, whose model is compiled.

``TREADLE_SEED`` sets the kills; a failing life tells its own. ``pytest -m soak`` kills ``TREADLE_KILLS`` (200) times.
"""

import json
import os
import random
import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from killed_lives import Killing, Life, Lived, Story, flights, visits
from killed_server import KINDS, SUPERVISOR, Server, alive, descendants, lend_environments, until
from what_is_left import Remains, remains

pytestmark = pytest.mark.timeout(900)

SEED = int(os.environ.get("TREADLE_SEED") or secrets.randbelow(10**6))
EVERY_KIND = (SUPERVISOR, *KINDS, *KINDS)
"""Twenty kills are two of the supervisor, with whom all others end, and three or four of each other kind."""


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
    assert not left.wrong(lived.answered)
    assert sorted(left.joined["key"]) == sorted(set(left.joined["key"]))
    return Undisturbed(story, server.home, lived, left)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("calm")
    found = undisturbed(visits(folder / "code"), folder)
    told = [(kind, what) for _, kind, what in found.remains.decisions]
    kinds = [kind for kind, _ in told]
    stepped = [what[1:] for kind, what in told if kind == "rollout_stepped"]
    assert stepped[:3] == [(0, "held"), (1, "advanced"), (2, "advanced")]
    assert {"training_requested", "version_refused", "incident_opened", "rollout_examined"} <= set(kinds)
    assert (kinds.count("version_promoted"), kinds.count("rollout_started")) == (2, 2)
    assert {run[1] for run in found.remains.runs} == {"finished"}
    assert found.remains.joined.height == len(found.lived.answered) > 1000
    assert found.remains.joined.filter(found.remains.joined["version"] > 1).height > 50
    assert found.remains.shadows.height > 300
    return found


def must_end_alike(
    calm: Undisturbed,
    home: Path,
    killings: Sequence[Killing],
    seed: int,
    interludes: Callable[[Server], Mapping[int, Callable[[], None]]] = lambda _: {},
) -> Lived:
    """Live the story with kills: nothing acknowledged is lost, nothing is done twice, what comes of it is the same."""
    lend_environments(calm.home, home)
    server = Server(home, calm.story.since)
    server.up()
    try:
        lived = Life(server, calm.story, killings, seed, interludes(server)).live()
    finally:
        server.down()
    left = remains(home, calm.story.model)
    found = left.wrong(lived.answered) + left.differences(calm.remains)
    if len(lived.answered) != len(calm.lived.answered):
        found.append(f"{len(lived.answered)} rows were answered, not {len(calm.lived.answered)}")
    if len(lived.kills) != len(killings):
        found.append(f"{len(lived.kills)} kills instead of {len(killings)}")
    told = f"TREADLE_SEED={seed}: {killings}, hit: {lived.kills}, asked again {lived.again} times"
    assert not found, "\n".join([*found, told])
    assert not (home / "server.json").exists()
    return lived


def test_a_life_with_twenty_kills_ends_like_one_without(calm: Undisturbed, tmp_path: Path) -> None:
    killings = calm.lived.killings(20, random.Random(SEED), EVERY_KIND)
    lived = must_end_alike(calm, tmp_path / "home", killings, SEED)
    assert SUPERVISOR in lived.kills


def test_on_a_full_disk_requests_are_refused_and_all_goes_on_once_there_is_room(
    calm: Undisturbed, tmp_path: Path
) -> None:
    """A limit on the length of files stands in for the disk's end. Gateway and loop die besides, and start on it."""
    row = json.dumps(calm.story.rows.drop("__at").to_dicts()[0], default=lambda at: at.isoformat())

    def full(server: Server) -> None:
        def refused() -> bool:
            try:
                answer = httpx.post(f"{server.gateway}/models/{calm.story.model}/predict", content=row)
            except httpx.HTTPError:
                return False
            assert answer.status_code == 503, answer.text
            return "prediction log cannot be written" in answer.text and "disk space" in answer.json()["hint"]

        chance = random.Random(SEED)
        with server.full_disk():
            assert refused()
            for kind in ("gateway", "loop"):
                before = server.processes()[kind]
                assert server.kill(kind, chance)
                until(lambda gone=before, kind=kind: not set(gone) & set(server.processes()[kind]), f"the {kind}'s end")
            until(refused, "a gateway that starts on a full disk and refuses")
            # Control answers; where the loop cannot open the database it says so.
            assert httpx.get(server.control + "/health").status_code in (200, 503)
        assert server.process is not None
        assert server.process.poll() is None

    while_a_shadow_listens = 72
    must_end_alike(calm, tmp_path / "home", (), SEED, lambda server: {while_a_shadow_listens: lambda: full(server)})


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_a_great_many_kills(calm: Undisturbed, tmp_path: Path) -> None:
    done, seed = 0, SEED
    while done < int(os.environ.get("TREADLE_KILLS", "200")):
        seed += 1
        kinds = list(EVERY_KIND)
        random.Random(seed).shuffle(kinds)
        killings = calm.lived.killings(20, random.Random(seed), kinds)
        must_end_alike(calm, tmp_path / f"home-{seed}", killings, seed)
        done += len(killings)
        print(f"{done} kills, last seed {seed}", flush=True)


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_flights_with_kills_end_like_those_without(tmp_path: Path) -> None:
    calm = undisturbed(flights(tmp_path / "code"), tmp_path)
    assert calm.remains.joined.height > 3000
    killings = calm.lived.killings(20, random.Random(SEED), EVERY_KIND)
    must_end_alike(calm, tmp_path / "killed", killings, SEED)


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
