from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from treadle.domain.errors import InvalidInput, StepCrashed, StepFailed
from treadle.domain.steps import StepKind
from treadle.spec.model_spec import ModelSpec

START = datetime(2013, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def joined(world) -> list[tuple]:
    rows = world.joined.rows().sort("observed_at", "prediction_id")
    return rows.select("key", "label", "decision", "worth").rows()


def test_outcomes_meet_their_prediction_and_are_valued(world):
    world.log.answer([{"key": k, "at": START, "score": s} for k, s in (("a", 0.9), ("b", 0.5), ("c", 0.1))])
    for key, label in (("a", True), ("b", False), ("c", True)):
        world.land(key, label, START + 3 * HOUR)
    taken = world.at(START + DAY).service().collect_outcomes(world.applied, None, START + DAY)
    assert (taken.received, taken.joined, taken.waiting, taken.findings) == (3, 3, 0, ())
    assert joined(world) == [("a", True, True, 120.0), ("b", False, True, -30.0), ("c", True, False, 0.0)]
    row = world.joined.rows().row(0, named=True)
    assert row["row.origin"] == "EWR"
    assert row["joined_at"] == START + DAY
    asked = world.engine.asked[0]
    assert asked.arguments["since"] == START.isoformat()
    assert not asked.cacheable
    typed = pl.read_parquet(world.blobs.path(world.engine.asked[1].inputs["rows.parquet"]))
    assert typed["departs"][0] == START
    assert typed.columns == ["flight_id", "departs", "origin", "distance", "late"]


def test_the_newest_prediction_answered_before_counts(world):
    world.log.answer(
        [
            {"key": "a", "at": START, "score": 0.1, "prediction_id": "early"},
            {"key": "a", "at": START + HOUR, "score": 0.9, "prediction_id": "late"},
            {"key": "a", "at": START + 4 * HOUR, "score": 0.5, "prediction_id": "too late"},
        ]
    )
    world.land("a", True, START + 3 * HOUR)
    world.at(START + DAY).service().collect_outcomes(world.applied, START, START + DAY)
    assert world.joined.rows()["prediction_id"].to_list() == ["late"]


def test_a_window_again_or_another_process_adds_nothing_twice(world):
    world.log.answer([{"key": "a", "at": START, "score": 0.9}])
    world.land("a", True, START + HOUR)
    service = world.at(START + DAY).service()
    service.collect_outcomes(world.applied, START, START + DAY)
    again = service.collect_outcomes(world.applied, START, START + DAY)
    other = world.at(START + 2 * DAY).service().collect_outcomes(world.applied, START, START + 2 * DAY)
    assert (again.received, again.joined, other.received, other.joined) == (1, 0, 1, 0)
    assert world.joined.rows().height == len(world.outcomes.kept) == 1


def test_a_crash_between_keeping_and_joining_is_healed(world):
    world.log.answer([{"key": "a", "at": START, "score": 0.9}])
    world.land("a", True, START + HOUR)
    world.joined.crash = True
    with pytest.raises(OSError, match="killed"):
        world.at(START + DAY).service().collect_outcomes(world.applied, START, START + DAY)
    world.joined.crash = False
    taken = world.at(START + DAY + HOUR).service().collect_outcomes(world.applied, START, START + DAY)
    assert taken.joined == 1
    assert len(world.outcomes.kept) == 1


def test_revisions_are_added_not_put_in_place(world):
    world.log.answer([{"key": "a", "at": START, "score": 0.9}])
    world.land("a", True, START + HOUR)
    service = world.at(START + DAY).service()
    service.collect_outcomes(world.applied, START, START + DAY)
    world.land("a", False, START + DAY + HOUR)
    taken = world.at(START + 2 * DAY).service().collect_outcomes(world.applied, START + DAY, START + 2 * DAY)
    assert taken.joined == 1
    assert [row[1] for row in joined(world)] == [True, False]


def test_unmatched_outcomes_wait_for_their_prediction_for_a_while(world):
    world.log.answer([{"key": "b", "at": START, "score": 0.9}])
    world.land("a", True, START + 2 * HOUR)
    service = world.at(START + DAY).service()
    assert service.collect_outcomes(world.applied, None, START + DAY).waiting == 1
    world.log.answer([{"key": "a", "at": START + HOUR, "score": 0.9}])
    later = world.at(START + 2 * DAY).service().collect_outcomes(world.applied, START + DAY, START + 2 * DAY)
    assert (later.received, later.joined, later.waiting) == (0, 1, 0)
    assert world.joined.rows()["joined_at"].to_list() == [START + 2 * DAY]
    world.land("never", True, START + 2 * DAY + HOUR)
    third = world.at(START + 3 * DAY).service()
    assert third.collect_outcomes(world.applied, START + 2 * DAY, START + 3 * DAY).waiting == 1
    end = START + 40 * DAY
    assert world.at(end).service().collect_outcomes(world.applied, START + 3 * DAY, end).waiting == 0


def test_bad_rows_are_reported_and_left_out(world):
    world.log.answer([{"key": k, "at": START, "score": 0.9} for k in "abcd"])
    world.engine.raw = pl.DataFrame(
        {
            "key": ["a", None, "b", "c", "d", "d"],
            "label": ["true", "false", "perhaps", "0", "1", "0"],
            "observed_at": ["2013-03-01T02:00:00Z", "2013-03-01T02:00:00Z", "2013-03-01T02:00:00Z", "soon"]
            + ["2013-03-01T02:00:00Z"] * 2,
        }
    )
    taken = world.at(START + DAY).service().collect_outcomes(world.applied, START, START + DAY)
    assert (taken.received, taken.joined) == (2, 2)
    assert [(f.column, f.count) for f in taken.findings] == [("key", 1), ("late", 1), ("observed_at", 1), ("key", 1)]
    assert taken.findings[1].examples[0]["label"] == "perhaps"
    world.engine.raw = pl.DataFrame({"flight": ["a"], "label": [True]})
    odd = world.service().collect_outcomes(world.applied, START, START + DAY)
    assert [f.column for f in odd.findings] == ["key", "observed_at"]


def test_nothing_of_the_future_is_asked_for(world):
    with pytest.raises(InvalidInput, match="but it is"):
        world.service().collect_outcomes(world.applied, START, START + DAY)


def test_a_worth_step_that_was_killed_is_done_again_and_not_left_open(world):
    world.log.answer([{"key": "a", "at": START, "score": 0.9}])
    world.land("a", True, START + HOUR)
    world.engine.killed = {StepKind.WORTH}
    with pytest.raises(StepCrashed):
        world.at(START + DAY).service().collect_outcomes(world.applied, START, START + DAY)
    world.engine.killed = set()
    world.service().collect_outcomes(world.applied, START, START + DAY)
    assert joined(world) == [("a", True, True, 120.0)]


def test_a_worth_that_raises_leaves_worth_open_and_an_outcome_step_that_raises_is_raised(world):
    world.log.answer([{"key": "a", "at": START, "score": 0.9}])
    world.land("a", True, START + HOUR)
    world.engine.broken = {StepKind.WORTH}
    taken = world.at(START + DAY).service().collect_outcomes(world.applied, START, START + DAY)
    assert taken.joined == 1
    assert joined(world)[0][3] is None
    world.engine.broken = {StepKind.OUTCOMES}
    with pytest.raises(StepFailed):
        world.service().collect_outcomes(world.applied, START, START + DAY)


def test_rows_are_valued_by_the_version_that_answered(world):
    spec = ModelSpec.from_json(world.versions.kept[2].spec_json)
    world.versions.kept[2] = replace(world.versions.kept[2], spec_json=replace(spec, worth=None).to_json())
    world.log.answer([{"key": "a", "at": START, "score": 0.9}, {"key": "b", "at": START, "score": 0.9, "version": 2}])
    world.land("a", True, START + HOUR)
    world.land("b", True, START + HOUR)
    world.at(START + DAY).service().collect_outcomes(world.applied, START, START + DAY)
    assert [row[3] for row in joined(world)] == [120.0, None]


def test_a_model_without_outcomes_or_predictions_asks_nothing(world):
    service = world.at(START + DAY).service()
    assert service.collect_outcomes(world.applied, None, START + DAY).received == 0
    assert world.engine.asked == []


def test_pushed_outcomes_are_answered_one_by_one(world):
    world.log.answer([{"key": k, "at": START, "score": 0.9, "prediction_id": f"id-{k}"} for k in "abc"])
    now = START + DAY
    records = [
        {"prediction_id": "id-a", "label": True},
        {"prediction_id": "id-a", "label": True},
        {"prediction_id": "id-a", "label": False},
        {"prediction_id": "nobody", "label": True},
        {"key": "b", "label": 1, "observed_at": "2013-03-01T05:00:00+00:00"},
        {"key": "z", "label": False},
        {"key": "b", "prediction_id": "id-b", "label": True},
        {"label": True},
        {"key": "c", "label": "perhaps"},
        {"key": "c", "label": True, "observed_at": "2013-03-01T05:00:00"},
        {"key": "c", "label": True, "observed_at": (now + DAY).isoformat()},
        {"key": "c", "label": True, "when": "?"},
    ]
    answers = world.at(now).service().push_outcomes(world.applied, records)
    assert [a.status for a in answers] == [
        "joined", "duplicate", "conflicting", "unknown", "joined", "waiting", *["invalid"] * 6,
    ]  # fmt: skip
    assert all(a.message for a in answers if a.status not in ("joined", "waiting"))
    assert sorted(world.joined.rows()["prediction_id"].to_list()) == ["id-a", "id-b"]
    later = (
        world.at(now + DAY)
        .service()
        .push_outcomes(world.applied, [{"prediction_id": "id-a", "label": False}, records[4]])
    )
    assert [a.status for a in later] == ["revised", "duplicate"]
    assert world.joined.rows().height == 3


def test_a_pushed_outcome_after_the_horizon_is_late_and_counts(world):
    world.log.answer([{"key": k, "at": START, "score": 0.9, "prediction_id": f"id-{k}"} for k in "ab"])
    seen = (START + HOUR).isoformat()
    service = world.at(START + DAY).service()
    (soon,) = service.push_outcomes(world.applied, [{"prediction_id": "id-a", "label": True, "observed_at": seen}])
    assert soon.status == "joined"
    late = [{"prediction_id": "id-b", "label": True}, {"prediction_id": "id-a", "label": False}]
    answers = world.at(START + 3 * DAY).service().push_outcomes(world.applied, late)
    assert [a.status for a in answers] == ["late", "revised"]
    assert "horizon of 2 days" in answers[0].message
    assert world.joined.rows().height == 3


def test_the_same_outcomes_again_without_a_time_are_duplicates(world):
    world.log.answer([{"key": "a", "at": START, "score": 0.9, "prediction_id": "id-a"}])
    told = [{"prediction_id": "id-a", "label": True}, {"key": "a", "label": True}, {"key": "z", "label": False}]
    service = world.at(START + HOUR).service()
    assert [a.status for a in service.push_outcomes(world.applied, told)] == ["joined", "joined", "waiting"]
    again = world.at(START + 2 * HOUR).service().push_outcomes(world.applied, told)
    assert [a.status for a in again] == ["duplicate"] * 3
    changed = world.at(START + 3 * HOUR).service().push_outcomes(world.applied, [{**told[0], "label": False}])
    back = world.at(START + 4 * HOUR).service().push_outcomes(world.applied, told[:1])
    assert [a.status for a in (*changed, *back)] == ["revised", "revised"]


def test_a_revision_may_stand_in_the_same_file(world):
    world.log.answer([{"key": "a", "at": START, "score": 0.9, "prediction_id": "id-a"}])
    told = [
        {"prediction_id": "id-a", "label": label, "observed_at": (START + hours * HOUR).isoformat()}
        for label, hours in ((True, 1), (False, 2))
    ]
    answers = world.at(START + DAY).service().push_outcomes(world.applied, told)
    assert [a.status for a in answers] == ["joined", "revised"]


def test_an_outcome_that_waits_says_what_for(world):
    world.log.answer([{"key": "a", "at": START + 2 * HOUR, "score": 0.9}])
    seen = (START + HOUR).isoformat()
    records = [{"key": key, "label": True, "observed_at": seen} for key in "az"]
    answers = world.at(START + DAY).service().push_outcomes(world.applied, records)
    assert [a.status for a in answers] == ["waiting", "waiting"]
    assert "only after observed_at" in answers[0].message
    assert "no prediction of this key" in answers[1].message
    model = keyless(world)
    answer_hours(world, 5, 5, request="both")
    told = {"time": (START + 5 * HOUR).isoformat(), "label": True}
    (answer,) = world.at(START + DAY).service().push_outcomes(model, [told])
    assert answer.status == "waiting"
    assert "send their prediction_id" in answer.message


def keyless(world, **changes):
    spec = replace(ModelSpec.from_json(world.applied.spec_json), key=None, worth=None, **changes)
    world.versions.kept[1] = replace(world.versions.kept[1], spec_json=spec.to_json())
    return replace(world.applied, spec_json=spec.to_json())


def answer_hours(world, *hours, request=None, at=START):
    """Predictions of the hours that begin so many hours after the start; of one request, where it is named."""
    world.log.answer(
        [
            {
                "key": None,
                "at": at,
                "time": START + hour * HOUR,
                "score": 0.9,
                "prediction_id": f"{request or f'r{hour}'}-{i}",
                "request_id": request or f"r{hour}",
            }
            for i, hour in enumerate(hours)
        ]
    )


def test_without_a_key_outcomes_are_joined_by_the_time_of_the_event(world):
    model = keyless(world)
    answer_hours(world, 1, 2, 3)
    answer_hours(world, 2, request="again", at=START + HOUR / 2)
    known = [START + hour * HOUR for hour in (1, 2)]
    world.engine.raw = pl.DataFrame({"time": known, "label": [True, False], "observed_at": [t + HOUR for t in known]})
    taken = world.at(START + DAY).service().collect_outcomes(model, None, START + DAY)
    assert (taken.received, taken.joined, taken.waiting, taken.findings) == (2, 2, 0, ())
    rows = world.joined.rows().sort("time")
    assert rows.select("prediction_id", "label", "key").rows() == [("r1-0", True, None), ("again-0", False, None)]
    assert rows["time"].to_list() == known
    again = world.at(START + 2 * DAY).service().collect_outcomes(model, None, START + 2 * DAY)
    assert (again.joined, again.waiting) == (0, 0)


def test_rows_that_time_does_not_tell_apart_are_reported_and_not_joined(world):
    model = keyless(world)
    answer_hours(world, 1, 1, 2, request="both")
    times, known = [START + HOUR, START + 2 * HOUR], [START + 3 * HOUR] * 2
    world.engine.raw = pl.DataFrame({"time": times, "label": [True, False], "observed_at": known})
    taken = world.at(START + DAY).service().collect_outcomes(model, None, START + DAY)
    assert (taken.received, taken.joined, taken.waiting) == (2, 1, 1)
    (finding,) = taken.findings
    assert (finding.column, finding.count) == ("time", 1)
    assert "declare a key" in finding.rule
    assert world.joined.rows()["prediction_id"].to_list() == ["both-2"]


def test_two_labels_for_one_time_are_reported(world):
    model = keyless(world)
    answer_hours(world, 1)
    known = [START + 3 * HOUR] * 3
    times = [START + HOUR, START + HOUR, None]
    world.engine.raw = pl.DataFrame({"time": times, "label": [True, False, True], "observed_at": known})
    taken = world.at(START + DAY).service().collect_outcomes(model, None, START + DAY)
    assert (taken.received, taken.joined) == (1, 1)
    assert [(f.column, f.rule.split(" (")[0]) for f in taken.findings] == [
        ("time", "time is missing or cannot be read"),
        ("time", "another label for the same time, observed at the same time"),
    ]


def test_a_key_and_a_time_together_name_one_of_the_times_of_a_key(world):
    world.log.answer(
        [
            {"key": "a", "at": START, "time": START + hour * HOUR, "score": 0.9, "prediction_id": f"p{hour}"}
            for hour in (5, 6)
        ]
    )
    told = {"key": "a", "label": True, "observed_at": (START + 8 * HOUR).isoformat()}
    records = [{**told, "time": (START + 5 * HOUR).isoformat()}, {**told, "time": (START + 7 * HOUR).isoformat()}]
    answers = world.at(START + DAY).service().push_outcomes(world.applied, records)
    assert [a.status for a in answers] == ["joined", "waiting"]
    assert world.joined.rows()["prediction_id"].to_list() == ["p5"]


def test_a_keyless_model_takes_prediction_ids_and_times(world):
    model = keyless(world, outcomes=None)
    answer_hours(world, 1, 2, 3)
    local = "2013-02-28T21:00:00"  # hour 2, in the zone of the time column
    records = [
        {"key": "a", "label": True},
        {"prediction_id": "r1-0", "label": True},
        {"time": local, "label": True},
        {"time": local, "label": False},
        {"time": "soon", "label": True},
        {"time": (START + 3 * HOUR).isoformat(), "prediction_id": "r3-0", "label": True},
        {"time": (START + 4 * HOUR).isoformat(), "label": True},
    ]
    answers = world.at(START + DAY).service().push_outcomes(model, records)
    assert [a.status for a in answers] == [
        "invalid", "joined", "joined", "conflicting", "invalid", "invalid", "waiting",
    ]  # fmt: skip
    assert "declares no key; give prediction_id or time" in answers[0].message
    timeless = keyless(world, outcomes=None, time=None)
    (answer,) = world.service().push_outcomes(timeless, [{"time": local, "label": True}])
    assert "declares no time; give prediction_id" in answer.message
    (answer,) = world.service().push_outcomes(world.applied, [{"time": local, "label": True}])
    assert "give its key" in answer.message


def test_parts_of_differing_types_are_read_together_and_mirrored_answers_left_out(world):
    world.log.answer([{"key": "a", "at": START, "score": 0.9, "distance": 100.0}])
    world.log.answer([{"key": "b", "at": START, "score": 0.9, "distance": "far"}])
    world.log.answer([{"key": "a", "at": START + HOUR, "score": 0.1}])
    mirrored = world.log.kept[2].path
    pl.read_parquet(mirrored).with_columns(shadow=pl.lit(value=True)).write_parquet(mirrored)
    for key in "ab":
        world.land(key, True, START + 2 * HOUR)
    world.at(START + 9 * DAY).service().collect_outcomes(world.applied, START, START + DAY)
    assert world.joined.rows().sort("key")["score"].to_list() == [0.9, 0.9]
    found = world.service().evaluate(world.applied, 1, START, START + DAY)
    assert (found.evaluation.predictions, found.evaluation.labelled) == (2, 2)
    assert world.service().joined_frame("flights", START, START + DAY).collect()["row.distance"].to_list() == [
        "100.0",
        "far",
    ]
