"""A real server whose processes are killed while it lives a short story, and what is left of it in the end."""

from __future__ import annotations

import bisect
import contextlib
import importlib.util
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from treadle.app.platform import Platform, open_platform
from treadle.app.replay import advanced
from treadle.app.settings import settings
from treadle.domain import events as ev
from treadle.domain.errors import WorkerUnavailable
from treadle.sdk import Client
from treadle.sdk.bundles import pack

PATIENCE = 120.0
TREADLE = [sys.executable, "-c", "from treadle.cli.main import main; main()"]
SUPERVISOR = "supervisor"
KINDS = ("control", "loop", "gateway", "worker", "step")
MARKS = {
    "control": "treadle.app.control",
    "loop": "treadle.app.loop",
    "gateway": "treadle.app.gateway",
    "worker": "treadle.runner worker",
    "step": "treadle.runner steps",
}


@dataclass(frozen=True)
class Story:
    """What a life replays: a model file, and rows as they arrive. ``rows`` has ``key``, ``at`` and the features."""

    model: str
    file: Path
    rows: pl.DataFrame
    since: datetime
    until: datetime
    every: timedelta

    def batches(self) -> Iterator[tuple[datetime, list[dict[str, Any]]]]:
        """Times, and what arrives until the next one."""
        at = self.since
        while at < self.until:
            arriving = self.rows.filter((pl.col("__at") >= at) & (pl.col("__at") < at + self.every))
            yield at, arriving.drop("__at").to_dicts()
            at += self.every


class Server:
    """``treadle up`` on a home, with a virtual clock."""

    def __init__(self, home: Path, since: datetime) -> None:
        self.home = home
        self.since = since
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def control(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    def command(self) -> list[str]:
        options = ["--home", str(self.home), "--port", str(self.port), "--virtual-clock", self.since.isoformat()]
        return [*TREADLE, "up", *options]

    def up(self) -> None:
        """Start it and wait until it is ready."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=subprocess.STDOUT)
        until(self._ready, "the server to be ready", self._ended)

    def down(self) -> None:
        """Stop it as a person does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE)

    def processes(self) -> dict[str, list[int]]:
        """Its processes by kind, the supervisor's own left out."""
        found: dict[str, list[int]] = {kind: [] for kind in KINDS}
        if self.process is None:
            return found
        for pid, line in descendants(self.process.pid).items():
            for kind, mark in MARKS.items():
                if mark in line:
                    found[kind].append(pid)
        return found

    def kill(self, kind: str, chance: random.Random) -> bool:
        """End one process of a kind, as a power cut would; whether there was one."""
        pids = self.processes()[kind]
        if not pids:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(pids), signal.SIGKILL)
        return True

    def lose_supervisor(self) -> None:
        """Kill the supervisor, see that everything ends with it, and start anew on the same home."""
        if self.process is None:
            return
        below = descendants(self.process.pid)
        self.process.kill()
        self.process.wait()
        until(lambda: not any(alive(pid) for pid in below), f"the end of {below}")
        self.up()

    def _ready(self) -> bool:
        try:
            return all(httpx.get(url + "/health").status_code == 200 for url in (self.control, self.gateway))
        except httpx.HTTPError:
            return False

    def _ended(self) -> str:
        if self.process is not None and self.process.poll() is not None:
            return f"the server ended: {(self.home / 'up.log').read_text()[-2000:]}"
        return ""


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def descendants(root: int) -> dict[int, str]:
    """Command lines of all processes below one, by id."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
    below = {root}
    while grown := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= grown
    found = {}
    for pid in below - {root}:
        with contextlib.suppress(OSError):
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def free_port() -> int:
    """A port whose next one is free too."""
    while True:
        with socket.socket() as one, socket.socket() as next_one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            if port < 65000:
                with contextlib.suppress(OSError):
                    next_one.bind(("127.0.0.1", port + 1))
                    return int(port)


def until(happens: Any, what: str, hindered: Any = lambda: "") -> None:
    """Wait for something."""
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert not hindered(), hindered()
        assert time.monotonic() < deadline, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.05)


@dataclass
class Killing:
    """One process of a kind dies, so many seconds after a batch began; batch 0 is the applying of the model."""

    kind: str
    batch: int
    delay: float


@dataclass
class Lived:
    """What the client saw: ids it was answered with, how often it asked again, the kills that hit.

    ``begun`` tells when each batch began, in seconds from the start.
    """

    answered: list[str] = field(default_factory=list)
    again: int = 0
    kills: list[str] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def killings(self, count: int, chance: random.Random, kinds: Sequence[str] = KINDS) -> list[Killing]:
        """Plan kills for another life of the same story: at any moment, each as likely as it is long."""
        planned = []
        for number in range(count):
            moment = chance.uniform(0, self.seconds)
            batch = bisect.bisect_right(self.begun, moment) - 1
            planned.append(Killing(kinds[number % len(kinds)], batch, moment - self.begun[batch]))
        return planned


class Life:
    """One story on one server, as a patient client sees it: what is not answered is sent again."""

    def __init__(self, server: Server, story: Story, killings: Sequence[Killing] = (), seed: int = 0) -> None:
        self.server = server
        self.story = story
        self.lived = Lived()
        self._killings = list(killings)
        self._chance = random.Random(seed)
        self._one_at_a_time = threading.Lock()
        self._client = Client(server.control, server.gateway, actor="a test")
        self._http = httpx.Client(base_url=server.gateway, timeout=30)

    def live(self) -> Lived:
        """From the first apply to the last outcome."""
        began = time.monotonic()
        with self._batch(began):
            self._patiently(lambda: self._client.apply(pack(self.story.file)))
        for at, rows in self.story.batches():
            with self._batch(began):
                self._advance(at)
                if rows:
                    self._send(rows)
        with self._batch(began):
            self._advance(self.story.until + timedelta(days=2))
        self.lived.seconds = time.monotonic() - began
        self._client.close()
        self._http.close()
        return self.lived

    @contextlib.contextmanager
    def _batch(self, began: float) -> Iterator[None]:
        """A part of the story, with the kills that fall into it."""
        number = len(self.lived.begun)
        self.lived.begun.append(time.monotonic() - began)
        timers = [threading.Timer(k.delay, self._kill, [k]) for k in self._killings if k.batch == number]
        for timer in timers:
            timer.start()
        yield
        for timer in timers:
            timer.join()

    def _kill(self, killing: Killing) -> None:
        with self._one_at_a_time:
            if killing.kind == SUPERVISOR:
                self.lived.kills.append(SUPERVISOR)
                self.server.lose_supervisor()
            else:
                until(lambda: self._hit(killing.kind), "something to kill")

    def _hit(self, kind: str) -> bool:
        """Kill a process of a kind, or one of another where there is none now."""
        for found in (kind, *(other for other in KINDS if other != kind)):
            if self.server.kill(found, self._chance):
                self.lived.kills.append(found)
                return True
        return False

    def _advance(self, to: datetime) -> None:
        for line in advanced(self._client, to):
            self.lived.again += isinstance(line.get("waiting"), str)

    def _send(self, rows: list[dict[str, Any]]) -> None:
        body = json.dumps({"rows": rows}, default=lambda at: at.isoformat())

        def ask() -> None:
            answer = self._http.post(f"/models/{self.story.model}/predict", content=body)
            if answer.status_code != 200:
                told = f"{answer.status_code}: {answer.text[:500]}"
                assert answer.status_code == 503, told
                raise WorkerUnavailable(told)
            self.lived.answered += [prediction["id"] for prediction in answer.json()["predictions"]]

        self._patiently(ask)

    def _patiently(self, asks: Any) -> None:
        """Ask until it is answered."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                asks()
            except (WorkerUnavailable, httpx.HTTPError) as error:
                assert time.monotonic() < deadline, f"no answer for {PATIENCE:.0f} s: {error}"
                self.lived.again += 1
                time.sleep(0.05)
            else:
                return


@dataclass(frozen=True)
class Remains:
    """What a home holds when its server is gone; two lives of one story must leave the same."""

    versions: list[tuple[Any, ...]]
    decisions: list[tuple[Any, ...]]
    runs: list[tuple[Any, ...]]
    deployment: tuple[Any, ...]
    joined: pl.DataFrame
    measured: list[tuple[Any, ...]]
    logged: pl.DataFrame
    events: list[ev.SealedEvent]
    incidents: list[tuple[Any, ...]]


def remains(home: Path, model: str) -> Remains:
    """Look at what is left."""
    platform = open_platform(settings(home))
    try:
        platform.stages.log.record()
        platform.store.events.seal()
        assert platform.store.events.verify() > 0
        events = list(platform.store.events.read(limit=10**6))
        return Remains(
            versions=_versions(platform, model),
            decisions=_decisions(events),
            runs=sorted((run.id, run.status.value) for run in platform.store.runs.list(model=model, limit=10**4)),
            deployment=_deployment(platform, model),
            joined=_joined(platform, model),
            measured=_measured(platform, model),
            logged=_read([part.path for part in platform.stages.log.parts(model)]),
            events=events,
            incidents=sorted(
                (i.fingerprint, i.opened_at, i.resolved_at) for i in platform.store.measurements.incidents(model)
            ),
        )
    finally:
        platform.close()


def _versions(platform: Platform, model: str) -> list[tuple[Any, ...]]:
    return [
        (v.number, v.attempt, v.as_of, v.created_at, v.recipe_digest, v.artifact_digest, v.threshold, v.gates)
        for v in reversed(platform.store.versions.list(model))
    ]


def _decisions(events: list[ev.SealedEvent]) -> list[tuple[Any, ...]]:
    """Who decided what when; not in the order of two lanes at the same moment, which is nobody's promise."""
    wanted = (
        ev.TrainingRequested
        | ev.TrainingFailed
        | ev.VersionRegistered
        | ev.GatesEvaluated
        | ev.VersionRefused
        | ev.VersionPromoted
        | ev.VersionRolledBack
        | ev.OutcomesCollected
    )
    found = [item.event for item in events if isinstance(item.event.payload, wanted)]
    told = [(event.at, event.payload.kind, _plain(event.payload)) for event in found]
    return sorted(told, key=lambda one: (one[0], one[1], str(one[2])))


def _plain(payload: Any) -> Any:
    """What must be equal: how many outcomes met their prediction this time is told by the joined log."""
    if isinstance(payload, ev.OutcomesCollected):
        return payload.until, payload.received
    return payload


def _deployment(platform: Platform, model: str) -> tuple[Any, ...]:
    found = platform.store.deployments.get(model)
    assert found is not None
    table = platform.stages.deploy.publish()
    served = [(line.model, line.routes) for line in table.models]
    return found.champion, found.previous, found.promoted_at, found.routes, served


def _joined(platform: Platform, model: str) -> pl.DataFrame:
    frame = _read([part.path for part in platform.stages.monitor._joined.parts(model)])
    wanted = ["key", "observed_at", "label", "version", "at", "score", "decision", "worth", "joined_at"]
    return frame.select(wanted).sort("key", "observed_at")


def _measured(platform: Platform, model: str) -> list[tuple[Any, ...]]:
    return [
        (e.version, e.since, e.until, e.at, e.labelled, sorted(e.metrics.items()))
        for e in platform.store.measurements.evaluations(model)
    ]


def _read(paths: list[str]) -> pl.DataFrame:
    return pl.concat([pl.read_parquet(path) for path in paths], how="diagonal_relaxed")


def twice(events: list[ev.SealedEvent]) -> list[Any]:
    """What was recorded more often than once."""
    seen: set[Any] = set()
    found = []
    for item in events:
        key = (item.event.model, type(item.event.payload).__name__, str(item.event.payload), item.event.at)
        if key in seen:
            found.append(item.event)
        seen.add(key)
    return found


def lend_environments(source: Path, target: Path) -> None:
    """Spare another home the making of environments: files are linked, since nothing writes to them."""
    target.mkdir(parents=True, exist_ok=True)
    for name in ("envs", "locks"):
        shutil.copytree(source / name, target / name, symlinks=True, copy_function=os.link)


def visits(folder: Path, days: int = 14) -> Story:
    """The story of the model beside this file: four bookings an hour, decided by ``x``, which turns on day ten."""
    chance = random.Random(0)
    since = datetime(2013, 3, 1, tzinfo=UTC)
    first, rows = since - timedelta(days=10), []
    for number in range((days + 14) * 48):
        at = first + timedelta(minutes=30 * number)
        x = round(chance.uniform(-3, 3), 3)
        points = x if at < since + timedelta(days=6) else -x
        came = chance.random() < (0.85 if points > 0 else 0.15)
        known = at + timedelta(hours=chance.choice([1, 2, 5, 11]))
        rows.append({"visit_id": f"v{number:05}", "at": at, "x": x, "came": came, "known": known})
    frame = pl.DataFrame(rows)
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / "visits.parquet")
    shutil.copy(Path(__file__).parent / "visits_model.py", folder / "model.py")
    sent = frame.select("visit_id", "at", "x", pl.col("at").alias("__at"))
    return Story("visits", folder / "model.py", sent, since, since + timedelta(days=days), timedelta(hours=6))


def flights(folder: Path, days: int = 4) -> Story:
    """The first days of the flights example; without its gate on latency, which is measured and not computed."""
    example = Path(__file__).parents[3] / "examples" / "flights"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flights.parquet").symlink_to(example / "flights.parquet")
    text = (example / "model.py").read_text()
    (folder / "model.py").write_text(re.sub(r" *metrics\.latency.*\n", "", text))
    located = importlib.util.spec_from_file_location("the_flights_example", folder / "model.py")
    assert located is not None
    assert located.loader is not None
    module = importlib.util.module_from_spec(located)
    located.loader.exec_module(module)
    since = datetime(2013, 3, 1, tzinfo=UTC)
    end = since + timedelta(days=days)
    wanted = [column.name for column in module.flights.spec().features_in]
    sent = module._scheduled().filter(pl.col("departs") >= since, pl.col("departs") < end)
    sent = sent.select(*wanted, pl.col("departs").alias("__at")).sort("__at", "flight_id").collect()
    return Story("flights", folder / "model.py", sent, since, end, timedelta(hours=6))
