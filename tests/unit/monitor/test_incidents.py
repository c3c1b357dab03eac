from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from treadle.domain.data import Finding
from treadle.domain.events import IncidentOpened, IncidentResolved
from treadle.domain.gates import GateReport, GateResult, Verdict
from treadle.domain.monitoring import ColumnDrift, DriftReport, Evaluation, Maturity, ServiceHealth
from treadle.monitor import incidents

NOW = datetime(2013, 4, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def drifted(*alerts: str, version: int = 1) -> DriftReport:
    columns = [
        ColumnDrift(name, "js", 0.1 * (i + 2), 0.15, 0.1, 0.001, name in alerts)
        for i, name in enumerate(("a", "b", "c"))
    ]
    return DriftReport("m", version, NOW - DAY, NOW, 1000, tuple(columns))


def test_all_drifted_columns_are_one_incident_largest_first():
    (made,) = incidents.from_drift([drifted("a", "c")], [], NOW).opened
    assert made.title.startswith("c, a moved")
    assert made.numbers["c"] == 0.4
    again = incidents.from_drift([drifted("a")], [made], NOW + DAY)
    assert again == incidents.Changes()


def test_drift_is_over_after_two_quiet_reports_not_one():
    (made,) = incidents.from_drift([drifted("a")], [], NOW).opened
    assert incidents.from_drift([drifted("a"), drifted()], [made], NOW).resolved == ()
    (over,) = incidents.from_drift([drifted("a"), drifted(), drifted()], [made], NOW).resolved
    assert over.incident == made
    assert incidents.from_drift([], [made], NOW) == incidents.Changes()


def test_a_new_version_ends_the_drift_of_the_old_one():
    (made,) = incidents.from_drift([drifted("a")], [], NOW).opened
    changes = incidents.from_drift([drifted("a", version=2)], [made], NOW)
    assert [r.reason for r in changes.resolved] == ["version 2 answers now"]
    assert [i.version for i in changes.opened] == [2]


def evaluated(labelled: int = 100, maturity: Maturity = Maturity.FINAL) -> Evaluation:
    return Evaluation("m", 1, NOW - DAY, NOW, NOW, maturity, 100, labelled, 0)


def judged(**verdicts: Verdict) -> GateReport:
    results = tuple(GateResult(name, verdict, 0.5, 0.4, 0.6, 0.7, rows=100) for name, verdict in verdicts.items())
    return GateReport(Verdict.all(list(verdicts.values())), results, 100)


def test_each_broken_gate_is_an_incident_until_it_holds_again():
    changes = incidents.from_gates(evaluated(), judged(auc=Verdict.FAIL, worth=Verdict.FAIL), [], NOW)
    assert [i.title for i in changes.opened] == [f"{n} is broken on live traffic" for n in ("auc", "worth")]
    assert changes.opened[0].numbers["threshold"] == 0.7
    later = judged(auc=Verdict.NOT_ENOUGH_DATA, worth=Verdict.PASS)
    over = incidents.from_gates(evaluated(), later, changes.opened, NOW).resolved
    assert [r.incident for r in over] == [changes.opened[1]]
    assert incidents.from_gates(evaluated(), None, changes.opened, NOW) == incidents.Changes()


def test_the_same_cause_twice_in_one_report_is_one_incident():
    result = judged(auc=Verdict.FAIL).results[0]
    report = GateReport(Verdict.FAIL, (result, result), 100)
    assert len(incidents.from_gates(evaluated(), report, [], NOW).opened) == 1


def test_lost_labels():
    (made,) = incidents.from_labels(evaluated(0), [], NOW).opened
    assert made.kind == "data"
    assert incidents.from_labels(evaluated(0, Maturity.PARTIAL), [], NOW) == incidents.Changes()
    assert incidents.from_labels(replace(evaluated(0), predictions=5), [], NOW) == incidents.Changes()
    assert incidents.from_labels(evaluated(1), [made], NOW).resolved[0].incident == made


def test_unusable_outcomes_and_failed_requests():
    finding = Finding("key", "key is missing", 3, 10, ({"key": "None"},))
    (made,) = incidents.from_findings("m", [finding], 7, [], NOW).opened
    assert "3 outcomes" in made.title
    assert incidents.from_findings("m", [], 0, [made], NOW) == incidents.Changes()
    assert incidents.from_findings("m", [], 9, [made], NOW).resolved[0].incident == made
    bad = ServiceHealth("m", NOW - DAY, NOW, 100, 90, 10, 1.0, 2.0)
    (service,) = incidents.from_health(bad, [], NOW).opened
    assert service.title == "10.0% of 100 requests failed"
    assert incidents.from_health(replace(bad, errors=1), [service], NOW) == incidents.Changes()
    assert incidents.from_health(replace(bad, errors=0), [service], NOW).resolved[0].incident == service


def test_the_service_tells_of_opening_and_resolving_once(world):
    service = world.service()
    for attempt in ("a1", "a2"):
        service.report_training_failure("flights", attempt, "data", "origin: not one of")
        service.report_failure("flights", "Watch", "boom", 2)
    assert sorted(i.kind for i in world.measurements.incidents(open_only=True)) == ["service", "training"]
    service.report_training_success("flights", 3)
    service.report_recovery("flights", "Watch")
    service.report_recovery("flights", "Watch")
    assert world.measurements.incidents(open_only=True) == []
    kinds = [type(event.payload) for event in world.measurements.events]
    assert kinds.count(IncidentResolved) == 2
    assert kinds.count(IncidentOpened) >= 2


def test_unusable_outcomes_open_an_incident_that_a_clean_round_ends(world):
    start = datetime(2013, 3, 1, tzinfo=UTC)
    world.log.answer([{"key": "a", "at": start, "score": 0.9}])
    world.land("a", True, start + timedelta(hours=1))
    world.engine.world.append({"key": None, "label": True, "observed_at": start + timedelta(hours=1)})
    world.at(start + DAY).service().collect_outcomes(world.applied, start, start + DAY)
    assert [i.kind for i in world.measurements.incidents(open_only=True)] == ["data"]
    world.land("a", False, start + DAY + timedelta(hours=1))
    world.at(start + 2 * DAY).service().collect_outcomes(world.applied, start + DAY, start + 2 * DAY)
    assert world.measurements.incidents(open_only=True) == []
