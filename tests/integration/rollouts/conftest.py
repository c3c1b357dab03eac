"""A real server under a virtual clock, with a small model whose features can be spoilt from a day on."""

from __future__ import annotations

import socket
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from treadle.app.replay import Sender, batches
from treadle.app.settings import Settings, settings
from treadle.app.supervisor import Supervisor
from treadle.domain import events as ev
from treadle.sdk import Client
from treadle.sdk.bundles import pack
from treadle.spec.model_spec import ModelSpec
from treadle.storage.predictions.log import ParquetPredictionLog
from treadle.storage.sql.store import SqlStore

SINCE = datetime(2024, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)
A_DAY = 96

MODEL = '''
# /// script
# requires-python = ">=3.11"
# dependencies = ["polars>=1.34"]
# ///
"""Will a parcel be late?"""

from datetime import datetime
from pathlib import Path

import polars as pl

from treadle import Col, Model, Row, Window, by_time, canary, days, hours, metrics, shadow

DATA = Path(__file__).parent / "parcels.parquet"


class Parcel(Row):
    """What is known of a parcel when it is handed in."""

    parcel: Col[str]
    handed_in: Col[datetime]
    weight: Col[float]
    depot: Col[float]
    late: Col[bool]


parcels = Model(
    "parcels",
    Parcel,
    key=Parcel.parcel,
    time=Parcel.handed_in,
    label=Parcel.late,
    horizon=days(1),
    split=by_time(validation=days(7), test=days(7)),
)


@parcels.source
def handed_in(window: Window) -> pl.LazyFrame:
    """Parcels of the window; the label only once it was known."""
    rows = pl.scan_parquet(DATA).filter(pl.col("handed_in") < window.until)
    if window.start is not None:
        rows = rows.filter(pl.col("handed_in") >= window.start)
    return rows.with_columns(late=pl.when(pl.col("known") <= window.as_of).then("late")).drop("known")


@parcels.outcomes
def delivered(window: Window) -> pl.LazyFrame:
    """What became known in the window."""
    rows = pl.scan_parquet(DATA).filter(pl.col("known") <= window.until)
    if window.start is not None:
        rows = rows.filter(pl.col("known") > window.start)
    return rows.select(key="parcel", label="late", observed_at="known")


@parcels.train
def fit(rows: pl.DataFrame) -> dict[str, float]:
    """How much each feature counts."""
    assert rows.height > 100
    return {"weight": 1.0, "depot": DEPOT}


@parcels.predict
def chance(model: dict[str, float], rows: pl.DataFrame) -> list[float]:
    """The chance of being late."""
    signal = rows["weight"] * model["weight"] + rows["depot"] * model["depot"]
    return (1 / (1 + (-signal).exp())).to_list()


@parcels.worth
def worth(row: Parcel, warned: bool, late: bool) -> float:
    """Euros per decision."""
    return (4 if late else -4) if warned else 0


parcels.ship(
    metrics.auc >= 0.58,
    metrics.worth.beats_champion(confidence=0.8),
    rollout=[shadow(days(6)), canary(30, 100, hold=days(1))],
)
'''


def write_parcels(path: Path, spoilt_from: datetime) -> None:
    """Half of what makes a parcel late is its weight; the depot tells the rest, until the day from which it tells
    the opposite."""
    rng = np.random.default_rng(5)
    days = 75
    at = [SINCE - 35 * DAY + timedelta(minutes=15 * i) for i in range(days * A_DAY)]
    weight, depot = rng.normal(size=len(at)), rng.normal(size=len(at))
    sign = np.array([-1.0 if moment >= spoilt_from else 1.0 for moment in at])
    late = 0.8 * weight + 1.6 * sign * depot + rng.logistic(size=len(at)) * 0.6 > 0
    frame = pl.DataFrame(
        {
            "parcel": [f"p{i}" for i in range(len(at))],
            "handed_in": at,
            "weight": weight,
            "depot": depot,
            "late": late,
            "known": [moment + timedelta(hours=6) for moment in at],
        }
    )
    frame.with_columns(pl.col("handed_in", "known").cast(pl.Datetime("us", "UTC"))).write_parquet(path)


@dataclass
class Life:
    """A server of its own, and what has happened on it."""

    folder: Path
    where: Settings
    client: Client
    sender: Sender
    now: datetime = SINCE

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def declare(self, depot: float) -> None:
        """Apply the model whose depot counts as given."""
        text = textwrap.dedent(MODEL).lstrip().replace("DEPOT", repr(depot))
        (self.folder / "model.py").write_text(text)
        self.client.apply(pack(self.folder / "model.py"))
        self.until(self.now)

    def until(self, to: datetime) -> None:
        """Move the clock, at rest there."""
        for _ in self.client.advance(to):
            pass
        self.now = to

    def live(self, to: datetime) -> None:
        """Every parcel of the days until then asks when it is handed in."""
        spec = ModelSpec.from_json(self.client.model("parcels").applied.spec_json)
        rows = pl.read_parquet(self.folder / "parcels.parquet").drop("late", "known")
        for batch in batches(spec, rows, self.now, to):
            self.until(batch.at)
            self.sender.send(batch)
        self.until(to)

    def told(self, *kinds: type[Any]) -> list[tuple[datetime, Any]]:
        """Events of some kinds, oldest first."""
        found, after = [], 0
        while sealed := self.client.events(after, model="parcels", limit=1000):
            after = sealed[-1].position
            found += [(item.event.at, item.event.payload) for item in sealed if isinstance(item.event.payload, kinds)]
        return found

    def story(self) -> list[tuple[int, str, int]]:
        """The rollouts so far: on which day (from 0) what happened to which version."""
        names = {ev.RolloutStarted: "started", ev.VersionPromoted: "promoted", ev.VersionRolledBack: "rolled back"}
        return [
            ((at - SINCE).days, names.get(type(one)) or one.action, one.version)
            for at, one in self.told(ev.RolloutStarted, ev.RolloutStepped, ev.VersionPromoted, ev.VersionRolledBack)
        ]

    def answers(self) -> pl.DataFrame:
        """The prediction log."""
        store = SqlStore(self.where.database_url)
        try:
            log = ParquetPredictionLog(self.where.home, store)
            log.record()
            return pl.concat([pl.read_parquet(part.path) for part in log.parts("parcels")], how="diagonal_relaxed")
        finally:
            store.close()


@pytest.fixture(scope="module")
def life_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[datetime], Life]]:
    ends: list[Supervisor | Life] = []

    def begin(spoilt_from: datetime) -> Life:
        folder = tmp_path_factory.mktemp("parcels")
        home = tmp_path_factory.mktemp("home")
        write_parcels(folder / "parcels.parquet", spoilt_from)
        where = settings(home, port=free_ports())
        supervisor = Supervisor(where, virtual_start=SINCE)
        supervisor.start()
        ends.append(supervisor)
        threading.Thread(target=supervisor.run, daemon=True).start()
        client = Client(url=where.control_url, gateway_url=where.gateway_url)
        life = Life(folder, where, client, Sender(where.gateway_url, "parcels"))
        ends.append(life)
        return life

    yield begin
    for end in ends:
        if isinstance(end, Supervisor):
            end.stop()
        else:
            end.sender.close()
        end.close()


def free_ports() -> int:
    """A port whose neighbour is free too."""
    for port in range(18720, 18990, 10):
        try:
            for one in (port, port + 1):
                socket.create_server(("127.0.0.1", one)).close()
        except OSError:
            continue
        return port
    raise RuntimeError("no port is free")
