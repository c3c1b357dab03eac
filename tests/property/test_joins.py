from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from treadle.monitor import joins

START = datetime(2013, 1, 1, tzinfo=UTC)
hours = st.integers(0, 40).map(lambda h: START + timedelta(hours=h))
keys = st.sampled_from(["a", "b", "c"])
predictions = st.lists(st.tuples(keys, hours), max_size=12)
outcomes = st.lists(st.tuples(st.booleans(), keys, st.integers(0, 11), st.booleans(), hours), max_size=20)

INDEX = {"prediction_id": pl.String, "key": pl.String, "at": joins.TIME, "part": pl.String}
SCHEMA = joins.outcome_schema(pl.Boolean())


def index_of(answered):
    rows = [(f"p{i:02d}", key, at, "part") for i, (key, at) in enumerate(answered)]
    return pl.DataFrame(rows, schema=INDEX, orient="row")


def frame_of(told):
    rows = [
        (f"p{number:02d}", None, label, at, at) if by_id else (None, key, label, at, at)
        for by_id, key, number, label, at in told
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@given(predictions, outcomes)
def test_an_outcome_meets_the_newest_prediction_answered_before_it(answered, told):
    index = index_of(answered)
    frame, _ = joins.without_repeats(frame_of(told), frame_of([]))
    matched = joins.match(frame, index)
    expected = []
    for prediction_id, key, label, at, _ in frame.rows():
        if prediction_id is not None:
            found = [row[0] for row in index.rows() if row[0] == prediction_id]
        else:
            before = [(row[2], row[0]) for row in index.rows() if row[1] == key and row[2] <= at]
            found = [max(before)[1]] if before else []
        expected += [(one, label, at) for one in found]
    assert matched.select("prediction_id", "label", "observed_at").rows() == expected


@given(predictions, outcomes, st.data())
def test_however_outcomes_come_in_the_same_ones_are_joined_once(answered, told, data):
    """In one batch or in many, repeated or not: each outcome meets its prediction exactly once."""
    index = index_of(answered)
    known, joined = (
        frame_of([]),
        pl.DataFrame(schema={"prediction_id": pl.String, "key": pl.String, "observed_at": joins.TIME}),
    )
    batches = data.draw(st.permutations(range(len(told))).map(lambda o: [o[i : i + 4] for i in range(0, len(o), 4)]))
    times = []
    for batch in [*batches, *batches[:2], []]:
        fresh, _ = joins.without_repeats(frame_of([told[i] for i in batch]), known)
        known = pl.concat([known, fresh])
        matched = joins.match(joins.waiting(known, joined), index)
        rows = matched.join(index.select("prediction_id", "key"), on="prediction_id")
        joined = pl.concat([joined, rows.select("prediction_id", "key", "observed_at")])
        times += matched.select("prediction_id", "observed_at").rows()
    whole = joins.match(known, index).select("prediction_id", "observed_at").rows()
    assert set(times) == set(whole)
    assert joins.match(joins.waiting(known, joined), index).is_empty()
    said = known.select(joins.SAID).rows()
    assert len(said) == len(set(said))


@given(st.lists(st.tuples(keys, st.booleans(), hours, hours), max_size=20), hours)
def test_what_was_not_known_is_not_seen_and_the_last_word_counts(told, now):
    rows = [(key, label, min(seen, came), max(seen, came)) for key, label, seen, came in told]
    schema = {"prediction_id": pl.String, "label": pl.Boolean, "observed_at": joins.TIME, "joined_at": joins.TIME}
    found = joins.known_by(pl.LazyFrame(rows, schema=schema, orient="row"), now).collect()
    known = [row for row in rows if row[3] <= now]
    assert set(found["prediction_id"]) == {row[0] for row in known}
    assert found["prediction_id"].is_unique().all()
    for prediction_id, _, observed_at, joined_at in found.rows():
        assert (observed_at, joined_at) == max(row[2:] for row in known if row[0] == prediction_id)
