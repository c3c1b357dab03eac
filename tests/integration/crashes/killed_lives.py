"""Short stories of models, lived by a patient client on a server whose processes are killed meanwhile."""

from __future__ import annotations

import bisect
import contextlib
import importlib.util
import json
import random
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import polars as pl
from killed_server import KINDS, PATIENCE, SUPERVISOR, Server, until

from treadle.app.replay import advanced
from treadle.domain.errors import WorkerUnavailable
from treadle.sdk import Client
from treadle.sdk.bundles import pack


@dataclass(frozen=True)
class Story:
    """What a life replays: a model file, and rows as they arrive, ``request`` of them in one request.

    ``rows`` has the features, and ``__at``.
    """

    model: str
    file: Path
    rows: pl.DataFrame
    since: datetime
    until: datetime
    every: timedelta
    request: int

    def batches(self) -> Iterator[tuple[datetime, list[dict[str, Any]]]]:
        """Times, and what arrives until the next one."""
        at = self.since
        while at < self.until:
            arriving = self.rows.filter((pl.col("__at") >= at) & (pl.col("__at") < at + self.every))
            yield at, arriving.drop("__at").to_dicts()
            at += self.every


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
        """Plan kills for another life of the same story: at any moment, each as likely as it is long.

        Steps die once a batch at most: one that dies each time it is tried has failed, which is another story.
        """
        planned: list[Killing] = []
        while len(planned) < count:
            kind, moment = kinds[len(planned) % len(kinds)], chance.uniform(0, self.seconds)
            batch = bisect.bisect_right(self.begun, moment) - 1
            if kind != "step" or not any(k.kind == kind and k.batch == batch for k in planned):
                planned.append(Killing(kind, batch, moment - self.begun[batch]))
        return planned


class Life:
    """One story on one server, as a patient client sees it: what is not answered is sent again.

    Requests are sent once all workers are there again. A shadow that is away for a second of real time would miss days
    of virtual time, and what it says of its version would come later: nobody is promised that it hears all.
    ``interludes`` happen before the batches of these numbers.
    """

    def __init__(
        self,
        server: Server,
        story: Story,
        killings: Sequence[Killing] = (),
        seed: int = 0,
        interludes: Mapping[int, Callable[[], None]] = MappingProxyType({}),
    ) -> None:
        self.server = server
        self.story = story
        self.lived = Lived()
        self._killings = list(killings)
        self._interludes = interludes
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
                until(self.server.is_whole, "every worker")
                for first in range(0, len(rows), self.story.request):
                    self._send(rows[first : first + self.story.request])
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
        if number in self._interludes:
            self._interludes[number]()
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


def visits(folder: Path, days: int = 26) -> Story:
    """The story of the model beside this file: two bookings an hour, decided by ``x``, which turns after five days."""
    chance = random.Random(0)
    since = datetime(2013, 3, 1, tzinfo=UTC)
    first, rows = since - timedelta(days=10), []
    for number in range((days + 14) * 48):
        at = first + timedelta(minutes=30 * number)
        x = round(chance.uniform(-3, 3), 3)
        points = x if at < since + timedelta(days=5) else -x
        came = chance.random() < (0.85 if points > 0 else 0.15)
        known = at + timedelta(hours=chance.choice([1, 2, 5, 11]))
        rows.append({"visit_id": f"v{number:05}", "at": at, "x": x, "came": came, "known": known})
    frame = pl.DataFrame(rows)
    folder.mkdir(parents=True, exist_ok=True)
    frame.write_parquet(folder / "visits.parquet")
    shutil.copy(Path(__file__).parent / "visits_model.py", folder / "model.py")
    sent = frame.select("visit_id", "at", "x", pl.col("at").alias("__at"))
    return Story("visits", folder / "model.py", sent, since, since + timedelta(days=days), timedelta(hours=6), 4)


def flights(folder: Path, days: int = 20) -> Story:
    """The first weeks of the flights example. It trains after eight days already, so that a whole rollout falls in.

    Without its gate on latency, which is measured and not computed, and without that on being better than the champion,
    which eight more days of data hardly make it.
    """
    example = Path(__file__).parents[3] / "examples" / "flights"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flights.parquet").symlink_to(example / "flights.parquet")
    text = re.sub(r" *metrics\.(latency|worth\.beats).*\n", "", (example / "model.py").read_text())
    assert "age(days(30))" in text
    (folder / "model.py").write_text(text.replace("age(days(30))", "age(days(8))"))
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
    return Story("flights", folder / "model.py", sent, since, end, timedelta(hours=6), 200)
