"""From a model file's own source to a registered version, with the real steps in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from treadle.data.service import DataService
from treadle.domain import codec
from treadle.domain.errors import DataRejected, EnvironmentFailed
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.steps import StepKind, StepRequest
from treadle.ports.steps import LogLine
from treadle.registry.service import RegistryService
from treadle.spec.model_spec import ModelSpec
from treadle.storage.blobs.obstore_blobs import ObstoreBlobs
from treadle.storage.sql.store import SqlStore
from treadle.testing.engine import ScriptedEngine, real_steps
from treadle.train.service import TrainService

MODEL = '''
"""Which parcels will arrive late?"""
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from treadle import Col, Model, Row, Window, col, days, metrics, tune

START = datetime(2024, 1, 1, tzinfo=timezone.utc)


class Parcel(Row):
    parcel: Col[str]
    sent: Col[datetime]
    depot: Col[str] = col(one_of=["east", "west"], slice=True)
    weight: Col[float] = col(ge=0)
    distance: Col[float | None]
    late: Col[bool]


parcels = Model(
    "parcels", Parcel, key=Parcel.parcel, time=Parcel.sent, label=Parcel.late, horizon=days(1), threshold="worth"
)


@dataclass
class Params:
    strength: float = tune(1.0, low=0.01, high=100, log=True)


def _all() -> pl.DataFrame:
    n, rng = 3000, np.random.default_rng(0)
    weight, distance = rng.exponential(size=n), rng.normal(size=n)
    return pl.DataFrame({
        "parcel": [f"p{i}" for i in range(n)],
        "sent": [START + timedelta(minutes=30 * i) for i in range(n)],
        "depot": np.where(rng.random(n) < 0.5, "east", "west"),
        "weight": weight,
        "distance": [None if i % 40 == 0 else d for i, d in enumerate(distance)],
        "late": weight + distance + rng.normal(size=n) > 1.5,
        "known": [START + timedelta(minutes=30 * i, hours=12) for i in range(n)],
    })


@parcels.source
def sent(window: Window) -> pl.DataFrame:
    rows = _all().filter(pl.col("sent") < window.until)
    return rows.with_columns(late=pl.when(pl.col("known") <= window.as_of - LEAK).then("late")).drop("known")


LEAK = timedelta(0)


@parcels.outcomes
def arrived(window: Window) -> pl.DataFrame:
    return _all().select("parcel", "late", observed_at="known")


@parcels.train
def fit(rows: pl.DataFrame, params: Params):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=params.strength))
    x = rows.select("weight", pl.col("distance").fill_null(0))
    return model.fit(x, rows["late"])


@parcels.predict
def predict(model, rows: pl.DataFrame):
    return model.predict_proba(rows.select("weight", pl.col("distance").fill_null(0)))[:, 1]


@parcels.worth
def worth(row: Parcel, flagged: bool, late: bool) -> float:
    return (5 if late else -1) if flagged else 0


parcels.ship(metrics.auc >= 0.6)
'''

AS_OF = datetime(2024, 2, 15, tzinfo=UTC)


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Environments:
    def lock(self, requirements: Sequence[str], requires_python: str | None = None) -> EnvironmentLock:
        raise EnvironmentFailed("this test has one environment")

    def build(self, lock: EnvironmentLock, *, log: LogLine | None = None) -> str:
        return lock.digest

    def interpreter(self, digest: str) -> str:
        return sys.executable


class Home:
    """Real stores and the real steps of one model file."""

    def __init__(self, folder: Path, text: str) -> None:
        self.store = SqlStore(f"sqlite:///{folder / 'treadle.db'}")
        self.blobs = ObstoreBlobs(folder / "blobs")
        digest = codec.digest_bytes(text.encode())
        (folder / "parcels.py").write_text(text)
        self.engine = ScriptedEngine(self.blobs, real_steps(folder, "parcels.py"))
        described = self.engine.run(StepRequest(StepKind.DESCRIBE, "parcels", digest, "parcels.py", "env")).value
        spec = codec.from_plain(ModelSpec, described["spec"])
        code = CodeTree("parcels.py", {}, digest, str(folder))
        lock = EnvironmentLock("scikit-learn==1.9.0", "3.11", "env")
        self.applied = AppliedModel("parcels", 1, spec.to_json(), spec.digest, code, lock, AS_OF)
        self.data = DataService(self.engine, self.blobs, self.store.snapshots)
        self.train = TrainService(self.engine, Environments(), self.blobs, self.store.runs, WallClock())
        self.registry = RegistryService(
            self.store.versions, self.store.snapshots, self.store.runs, self.blobs, WallClock()
        )


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[str], Home]]:
    homes: list[Home] = []

    def one(text: str) -> Home:
        homes.append(Home(tmp_path, text))
        return homes[-1]

    yield one
    for home in homes:
        home.store.close()


def test_from_source_to_version(begin: Callable[[str], Home]) -> None:
    home = begin(MODEL)
    collected = home.data.collect(home.applied, AS_OF)
    parts = home.data.split(home.applied, collected.frame, AS_OF)
    trained = home.train.train(
        home.applied, parts, collected.snapshot, run_id="run-1", attempt="a-1", tune=4, baselines=True
    )
    version = home.registry.register(home.applied, trained, "a-1", AS_OF)

    assert home.registry.resolve("parcels@challenger") == version
    home.registry.verify(version)
    lineage = home.registry.lineage(version)
    assert lineage.snapshot.rows == collected.frame.height
    assert lineage.run.artifacts["model.pkl"] == version.artifacts["model.pkl"]
    assert version.metrics["auc"] > 0.7
    assert version.threshold is not None
    assert 0.0 < version.threshold < 0.5
    assert "@predict" in version.compilation.reason
    assert version.compilation.python_us is not None
    assert 10 < version.compilation.python_us < 1e6
    board = home.store.runs.get("run-1").leaderboard
    assert [c.name for c in board] == [*(f"trial {i}" for i in range(4)), "baseline: constant", "baseline: linear"]
    assert len(home.store.runs.list(parent="run-1")) == 4

    frame = home.data.load(version.recipe.snapshot_digest)
    rows = home.train.keep_rows(home.data.split(home.applied, frame, version.as_of).test)
    steps = len(home.engine.ran)
    assert home.train.score(version, rows).equals(home.train.scored(trained))
    assert len(home.engine.ran) == steps
    again = home.train.train(
        home.applied, parts, collected.snapshot, run_id="run-1", attempt="a-1", tune=4, baselines=True
    )
    assert again.recipe.digest == version.recipe_digest
    assert len(home.engine.ran) == steps
    assert home.registry.register(home.applied, again, "a-1", AS_OF) == version
    home.store.events.seal()
    kinds = [sealed.event.payload.kind for sealed in home.store.events.read(0)]
    assert kinds.count("version_registered") == 1


@pytest.mark.parametrize("day", [20, 30, 45])
def test_no_row_that_was_not_known_reaches_a_part(begin: Callable[[str], Home], day: int) -> None:
    home = begin(MODEL)
    as_of = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day)
    parts = home.data.split(home.applied, home.data.collect(home.applied, as_of).frame, as_of)
    for part in (parts.train, parts.validation, parts.test):
        assert part["late"].null_count() == 0
        assert part["sent"].max() <= as_of - timedelta(days=1)
    assert parts.immature == 47


def test_a_source_that_looks_ahead_is_refused(begin: Callable[[str], Home]) -> None:
    home = begin(MODEL.replace("LEAK = timedelta(0)", "LEAK = timedelta(hours=-3)"))
    with pytest.raises(DataRejected, match=r"late: look-ahead .* broken by 6 of 2,160 rows, for example parcel=p2"):
        home.data.collect(home.applied, AS_OF)
    assert home.store.snapshots.list("parcels") == []
