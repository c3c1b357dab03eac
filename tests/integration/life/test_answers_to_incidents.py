"""Promotion, traffic, outcomes, evaluation, drift and rollback over the real stores of one home."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from treadle.deploy.routing import LocalFiles
from treadle.deploy.service import DeployService
from treadle.domain.errors import Conflict
from treadle.domain.gates import Verdict
from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.domain.predictions import PredictionRecord
from treadle.domain.steps import StepKind
from treadle.domain.versions import Compilation, ModelVersion, Recipe
from treadle.evaluation.profiling import profile
from treadle.monitor.service import MonitorService
from treadle.spec.expressions import MetricRef, Threshold
from treadle.spec.model_spec import ColumnSpec, FunctionSpec, ModelSpec
from treadle.storage.blobs.obstore_blobs import ObstoreBlobs
from treadle.storage.predictions.joined import ParquetJoinedLog
from treadle.storage.predictions.log import ParquetPredictionLog
from treadle.storage.predictions.outcomes import ParquetOutcomes
from treadle.storage.predictions.wal import WalWriter
from treadle.storage.routing import FileRouting
from treadle.storage.sql.store import SqlStore
from treadle.testing.engine import ScriptedEngine

START = datetime(2013, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
SPEC = ModelSpec(
    name="flights",
    doc="",
    row="Flight",
    columns=(
        ColumnSpec("flight_id", "str"),
        ColumnSpec("departs", "datetime", zone="America/New_York"),
        ColumnSpec("origin", "str", slice=True),
        ColumnSpec("late", "bool"),
    ),
    label="late",
    task="binary",
    key="flight_id",
    time="departs",
    horizon=2 * DAY,
    outcomes=FunctionSpec("arrivals"),
    worth=FunctionSpec("worth"),
    gates=(Threshold(MetricRef("auc"), ">=", 0.6),),
)


@dataclass
class Standing:
    at: datetime = START

    def now(self) -> datetime:
        return self.at


class Home:
    """A home with everything that deploying and monitoring need; opened anew as often as one likes."""

    def __init__(self, folder, world):
        self.store = SqlStore(f"sqlite:///{folder / 'treadle.db'}")
        self.blobs = ObstoreBlobs(folder / "blobs")
        self.clock = Standing()
        self.writer = WalWriter(folder / "wal" / "g1")
        self.log = ParquetPredictionLog(folder, self.store)
        self.routing = FileRouting(folder)
        files = LocalFiles(
            self.blobs, self, self, lambda model, digest: CODE, run_folder=folder / "run", cache=folder / "cache"
        )
        self.deploy = DeployService(self.store.deployments, self.routing, self.store.versions, self.clock, files)
        self.monitor = MonitorService(
            engine=ScriptedEngine(self.blobs, {StepKind.OUTCOMES: world, StepKind.WORTH: worth}),
            blobs=self.blobs,
            log=self.log,
            outcomes=ParquetOutcomes(folder, self.store),
            joined=ParquetJoinedLog(folder, self.store),
            measurements=self.store.measurements,
            versions=self.store.versions,
            clock=self.clock,
        )

    def interpreter(self, digest):
        return f"/envs/{digest}/bin/python"

    def checkout(self, tree):
        return f"/code/{tree.digest}"

    def answer(self, day, version, skill, rng, labels, rows=80):
        for i in range(rows):
            at = START + day * DAY + timedelta(minutes=15 * i)
            signal, key = rng.normal(), f"{day}-{i}"
            score = float(1 / (1 + np.exp(-skill * signal)))
            columns = {
                "flight_id": [key],
                "departs": [f"{at:%Y-%m-%dT%H:%M:%S}"],
                "origin": ["JFK" if i % 2 else "EWR"],
            }
            self.writer.append(
                PredictionRecord(key, "flights", version, at, 1, columns, [score], [score >= 0.5], 0.5, 1.0)
            )
            label = bool(signal + rng.normal() > 0)
            labels.append({"key": key, "label": label, "observed_at": at + timedelta(hours=6)})


CODE = CodeTree("model.py", {}, "c" * 64, "/data")


def worth(request, folder, _report):
    rows = pl.read_parquet(folder / "rows.parquet")
    assert rows.schema["departs"] == pl.Datetime("us", "UTC")
    made = rows.select(worth_true=pl.when("late").then(120.0).otherwise(-30.0), worth_false=pl.lit(0.0))
    made.write_parquet(folder / "worth.parquet")
    return {}


def a_version(home, number):
    recipe = Recipe("s", CODE.digest, "d", "e" * 64, {}, number)
    runtime = "onnx" if number == 1 else "python"
    trained = pl.DataFrame({"origin": ["EWR", "JFK"] * 500})
    return ModelVersion(
        "flights", number, START, START, "run", f"a{number}", recipe, recipe.digest,
        {"model.onnx": home.blobs.put(b"onnx"), "model.pkl": home.blobs.put(b"pickle")}, f"{number:064x}", 0.5,
        Compilation(runtime), SPEC.to_json(), "model.py", "/data", profile=profile(trained, [SPEC.columns[2]]),
    )  # fmt: skip


@pytest.fixture
def labels():
    return []


@pytest.fixture
def home(tmp_path, labels):
    def arrivals(request, folder, _report):
        since, until = (datetime.fromisoformat(request.arguments[name]) for name in ("since", "until"))
        schema = {"key": pl.String, "label": pl.Boolean, "observed_at": pl.Datetime("us", "UTC")}
        seen = [row for row in labels if since < row["observed_at"] <= until]
        pl.DataFrame(seen, schema=schema).write_parquet(folder / "outcomes.parquet")
        return {"rows": len(seen)}

    opened = Home(tmp_path, arrivals)
    yield opened
    opened.writer.close()
    opened.store.close()


def test_a_worse_version_is_seen_on_matured_traffic_and_taken_back(home, labels):
    applied = AppliedModel(
        "flights", 1, SPEC.to_json(), SPEC.digest, CODE, EnvironmentLock("", "3.11", "e" * 64), START
    )
    home.store.models.apply(applied)
    for number in (1, 2):
        home.store.versions.register(a_version(home, number))
    rng = np.random.default_rng(3)
    home.deploy.promote("flights", 1, "all gates passed")
    for day in range(8):
        home.answer(day, 1, 2.0, rng, labels)
        home.clock.at = START + (day + 1) * DAY
        home.monitor.collect_outcomes(applied, None if day == 0 else START + day * DAY, home.clock.at)
    good = home.monitor.evaluate(applied, 1, START, START + 6 * DAY)
    assert good.report.verdict is Verdict.PASS
    assert good.evaluation.metrics["worth"].value > 20
    home.deploy.promote("flights", 2, "all gates passed")
    (served,) = home.routing.read().models[0].versions
    assert (served.runtime, served.code_folder) == ("python", "/code/" + CODE.digest)
    assert served.worker_socket.endswith(".sock")
    for day in range(8, 18):
        home.answer(day, 2, -2.0, rng, labels)
        home.clock.at = START + (day + 1) * DAY
        home.monitor.collect_outcomes(applied, START + day * DAY, home.clock.at)
    bad = home.monitor.evaluate(applied, 2, START + 8 * DAY, START + 16 * DAY)
    assert bad.report.verdict is Verdict.FAIL
    back = home.deploy.rollback("flights", bad.report.reason(), version=2)
    assert back.champion == 1
    with pytest.raises(Conflict):
        home.deploy.rollback("flights", "once more")
    assert home.routing.read().models[0].routes[0].version == 1
    assert home.store.versions.aliases("flights") == {"champion": 1}
    assert home.store.deployments.get("flights") == back
    assert not any(c.alert for c in home.monitor.drift(applied, a_version(home, 2), START, START + 7 * DAY).columns)
    assert home.monitor.health("flights", START, START + DAY).requests == 80
    (march,) = home.monitor.summary("flights")
    assert (march.predictions, march.versions) == (18 * 80, {1: 640, 2: 800})
    assert march.joined == sum(row["observed_at"] <= home.clock.at for row in labels)
    home.store.events.seal()
    kinds = [type(item.event.payload).kind for item in home.store.events.read(model="flights")]
    assert kinds.count("routing_changed") == 3
    assert {"version_promoted", "version_rolled_back", "cohort_evaluated", "incident_opened"} <= set(kinds)


def test_a_restart_reads_everything_again(home, labels, tmp_path):
    applied = AppliedModel(
        "flights", 1, SPEC.to_json(), SPEC.digest, CODE, EnvironmentLock("", "3.11", "e" * 64), START
    )
    home.store.models.apply(applied)
    home.store.versions.register(a_version(home, 1))
    home.answer(0, 1, 2.0, np.random.default_rng(1), labels)
    home.clock.at = START + DAY
    first = home.monitor.collect_outcomes(applied, START, home.clock.at)
    again = Home(tmp_path, lambda *_: pytest.fail("nothing is pulled twice by pushing"))
    again.clock.at = START + 2 * DAY
    told = [{"key": row["key"], "label": row["label"], "observed_at": row["observed_at"]} for row in labels]
    answers = [a.status for a in again.monitor.push_outcomes(applied, told)]
    again.writer.close()
    again.store.close()
    assert answers.count("duplicate") == first.joined
    assert answers.count("joined") == 80 - first.joined
