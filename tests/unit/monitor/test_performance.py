from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from treadle.domain.errors import InvalidInput, NotFound
from treadle.domain.events import CohortEvaluated
from treadle.domain.gates import Verdict
from treadle.domain.monitoring import Maturity
from treadle.monitor.health import health, live_figures
from treadle.monitor.performance import scored
from treadle.spec.expressions import MetricRef, Threshold, When
from treadle.spec.model_spec import ColumnSpec, ModelSpec

START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def live_days(world, days: int, a_day: int = 60, version: int = 1, skill: float = 2.0, first: int = 0) -> None:
    """Days of traffic whose labels come five hours after the answer; ``skill`` says how much the score tells."""
    rng = np.random.default_rng(7)
    for day in range(first, first + days):
        rows = []
        for i in range(a_day):
            at = START + day * DAY + timedelta(minutes=20 * i)
            signal = rng.normal()
            key = f"{day}-{i}"
            score = float(1 / (1 + np.exp(-skill * signal)))
            row = {"key": key, "at": at, "score": score, "version": version, "request_id": key}
            rows.append(row | {"origin": "EWR" if i % 2 else "JFK", "latency_ms": 1.0 + i / a_day})
            world.land(key, bool(signal + rng.normal() > 0), at + 5 * HOUR)
        world.log.answer(rows)


def collect(world, until):
    return world.at(until).service().collect_outcomes(world.applied, None, until)


def test_a_matured_cohort_is_final_with_metrics_and_gates(world):
    live_days(world, 10)
    collect(world, START + 13 * DAY)
    found = world.service().evaluate(world.applied, 1, START, START + 10 * DAY)
    assert found.evaluation.maturity is Maturity.FINAL
    assert (found.evaluation.predictions, found.evaluation.labelled, found.evaluation.censored) == (600, 600, 0)
    assert found.evaluation.coverage == 1.0
    auc = found.evaluation.metrics["auc"]
    assert 0.7 < auc.low < auc.value < auc.high < 0.95
    assert found.evaluation.metrics["worth"].value is not None
    assert found.report.verdict is Verdict.PASS
    event = world.measurements.events[-1]
    assert isinstance(event.payload, CohortEvaluated)
    assert event.payload.report == found.report


def test_an_unripe_cohort_is_partial_and_not_gated(world):
    live_days(world, 3)
    collect(world, START + 3 * DAY)
    found = world.service().evaluate(world.applied, 1, START, START + 3 * DAY)
    assert found.evaluation.maturity is Maturity.PARTIAL
    assert found.report is None
    assert found.evaluation.labelled < found.evaluation.predictions == 180
    assert found.evaluation.censored == 0


def test_labels_that_never_come_are_censored(world):
    live_days(world, 6)
    world.engine.world = [row for row in world.engine.world if not row["key"].endswith("7")]
    collect(world, START + 9 * DAY)
    found = world.service().evaluate(world.applied, 1, START, START + 6 * DAY)
    assert found.evaluation.censored == 36
    assert found.evaluation.labelled == 324


def test_only_what_was_known_by_now_counts_and_history_stays(world):
    live_days(world, 6)
    collect(world, START + 9 * DAY)
    before = world.service().evaluate(world.applied, 1, START, START + 6 * DAY).evaluation
    for row in list(world.engine.world):
        world.land(row["key"], not row["label"], START + 9 * DAY + HOUR)
    collect(world, START + 10 * DAY)
    after = world.service().evaluate(world.applied, 1, START, START + 6 * DAY).evaluation
    assert after.metrics["auc"].value == pytest.approx(1 - before.metrics["auc"].value)
    again = world.at(START + 9 * DAY).service().evaluate(world.applied, 1, START, START + 6 * DAY).evaluation
    assert again == before
    assert len(world.measurements.evaluated) == 2


def test_versions_are_measured_apart_and_together(world):
    live_days(world, 5, version=1)
    live_days(world, 5, version=2, first=5, skill=-2.0)
    collect(world, START + 13 * DAY)
    service, span = world.service(), (START, START + 10 * DAY)
    one, two = (service.evaluate(world.applied, v, *span).evaluation for v in (1, 2))
    assert (one.predictions, two.predictions) == (300, 300)
    assert one.metrics["auc"].value > 0.7 > 0.3 > two.metrics["auc"].value
    assert service.evaluate(world.applied, None, *span).evaluation.predictions == 600


def test_a_broken_gate_opens_one_incident_that_a_new_version_ends(world):
    live_days(world, 12, skill=-2.0)
    collect(world, START + 15 * DAY)
    service = world.service()
    found = service.evaluate(world.applied, 1, START, START + 12 * DAY)
    assert found.report.verdict is Verdict.FAIL
    service.evaluate(world.applied, 1, START + DAY, START + 12 * DAY)
    (incident,) = world.measurements.incidents("flights")
    assert (incident.kind, incident.version) == ("gate", 1)
    assert incident.numbers["value"] < 0.55
    live_days(world, 7, version=2, first=12)
    collect(world, START + 22 * DAY)
    world.service().evaluate(world.applied, 2, START + 12 * DAY, START + 19 * DAY)
    assert world.measurements.incidents(open_only=True) == []


def test_when_triggers_answer_for_themselves(world):
    spec = ModelSpec.from_json(world.applied.spec_json)
    triggers = (When(Threshold(MetricRef("auc"), "<=", 0.9)), When(Threshold(MetricRef("auc"), "<=", 0.1)))
    model = replace(world.applied, spec_json=replace(spec, triggers=triggers).to_json())
    live_days(world, 10)
    collect(world, START + 13 * DAY)
    found = world.service().evaluate(model, 1, START, START + 10 * DAY)
    assert [r.verdict is Verdict.PASS for r in found.triggers] == [True, False]


def test_rows_without_a_score_carry_no_metric(world):
    live_days(world, 6)
    world.log.answer([{"key": "nan", "at": START, "score": float("nan")}])
    world.land("nan", True, START + HOUR)
    collect(world, START + 9 * DAY)
    found = world.service().evaluate(world.applied, 1, START, START + 6 * DAY)
    assert found.evaluation.predictions == 361
    assert found.report.rows == 360


def test_a_span_to_come_is_refused(world):
    with pytest.raises(InvalidInput, match="cannot be measured"):
        world.service().evaluate(world.applied, 1, START, START + DAY)


def test_no_label_at_all_is_an_incident_until_labels_come(world):
    live_days(world, 3)
    world.at(START + 6 * DAY).service().evaluate(world.applied, 1, START, START + 3 * DAY)
    assert [i.fingerprint for i in world.measurements.incidents(open_only=True)] == ["data:labels"]
    collect(world, START + 7 * DAY)
    world.service().evaluate(world.applied, 1, START, START + 3 * DAY)
    assert world.measurements.incidents(open_only=True) == []


def test_health_counts_requests_and_predictions(world):
    live_days(world, 2)
    found = health(world.log, "flights", START, START + DAY, errors=2)
    assert (found.requests, found.predictions, found.errors) == (62, 60, 2)
    assert 1.0 <= found.latency_p50 <= found.latency_p99 <= 2.0
    empty = health(world.log, "flights", START - DAY, START)
    assert (empty.requests, empty.latency_p99) == (0, None)
    assert live_figures(world.log, "flights", 1, START, START + DAY).latency_p99 is None
    both = live_figures(world.log, "flights", 1, START, START + 2 * DAY)
    assert 0.001 <= both.latency_p50 <= both.latency_p99 <= 0.002


def test_summary_tells_each_month(world):
    live_days(world, 40, a_day=10)
    world.engine.world = [row for row in world.engine.world if not row["key"].endswith("-7")]
    live_days(world, 1, a_day=10, version=2, first=40)
    collect(world, START + 45 * DAY)
    march, april = world.service().summary("flights")
    assert (march.since, march.until) == (START, datetime(2013, 4, 1, tzinfo=UTC))
    assert (march.predictions, march.joined, march.censored) == (310, 279, 31)
    assert april.versions == {1: 90, 2: 10}
    assert march.metrics["auc"].value > 0.7
    assert march.metrics["worth"].value is not None
    assert len(world.service().summary("flights", by="day")) == 41
    with pytest.raises(InvalidInput, match="month"):
        world.service().summary("flights", by="year")
    world.versions.kept.clear()
    with pytest.raises(NotFound):
        world.service().summary("flights")


def test_joined_frame_has_every_prediction_with_its_latest_label(world):
    live_days(world, 2)
    service = world.at(START + 2 * DAY).service()
    assert service.joined_frame("flights", START, START + DAY).collect()["label"].null_count() == 60
    collect(world, START + 4 * DAY)
    frame = service.joined_frame("flights", START, START + DAY).collect()
    assert frame.height == 60
    assert frame["label"].null_count() == 0
    assert {"row.origin", "worth", "observed_at"} <= set(frame.columns)
    assert service.joined_frame("flights", START - DAY, START).collect().height == 0


def test_a_cohort_without_predictions_is_not_kept(world):
    found = world.at(START + 9 * DAY).service().evaluate(world.applied, 1, START, START + DAY)
    assert (found.evaluation.predictions, found.report) == (0, None)
    assert world.measurements.evaluated == world.measurements.events == []


def test_without_a_horizon_nothing_is_final_or_censored_but_gates_are_held(world):
    spec = ModelSpec.from_json(world.applied.spec_json)
    world.applied = replace(world.applied, spec_json=replace(spec, horizon=None).to_json())
    live_days(world, 10)
    world.engine.world = world.engine.world[:-60]
    collect(world, START + 10 * DAY)
    found = world.service().evaluate(world.applied, 1, START, START + 10 * DAY)
    assert found.evaluation.maturity is Maturity.PARTIAL
    assert (found.evaluation.labelled, found.evaluation.censored) == (540, 0)
    assert found.report.verdict is Verdict.PASS


def test_classes_of_several_versions_are_brought_together():
    spec = ModelSpec("m", "", "R", (ColumnSpec("x", "float"), ColumnSpec("y", "str")), label="y", task="multiclass")
    rows = pl.DataFrame(
        {
            "version": [1, 2], "label": ["a", "c"], "decision": ["a", "c"],
            "score_0": [0.9, 0.2], "score_1": [0.1, 0.8], "time": [START, START],
        }
    )  # fmt: skip
    found = scored(rows, spec, {1: ("a", "b"), 2: ("b", "c")})
    assert found.classes == ("a", "b", "c")
    assert found.frame.select("score_0", "score_1", "score_2").rows() == [(0.9, 0.1, 0.0), (0.0, 0.2, 0.8)]
