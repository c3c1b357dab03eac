from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from treadle.monitor import joins

START = datetime(2013, 1, 1, tzinfo=UTC)
hours = st.integers(0, 40).map(lambda h: START + timedelta(hours=h))
keys = st.sampled_from(["a", "b", "c"])
predictions = st.lists(st.tuples(keys, hours), max_size=12)
ways = st.sampled_from(["id", "key", "key and time", "time"])
outcomes = st.lists(st.tuples(ways, keys, st.integers(0, 11), st.booleans(), hours), max_size=20)
EVENTS = {key: START + timedelta(hours=hour) for key, hour in (("a", 1), ("b", 2), ("c", 2))}
"""Each row's event time; the last two have the same, and so time alone may mean either."""

INDEX = {
    "prediction_id": pl.String,
    "request_id": pl.String,
    "key": pl.String,
    "time": joins.TIME,
    "at": joins.TIME,
    "part": pl.String,
}
SCHEMA = joins.outcome_schema(pl.Boolean())


def index_of(answered):
    """Rows that were asked for in the same hour came in one request."""
    rows = [(f"p{i:02d}", f"{at:%d-%H}", key, EVENTS[key], at, "part") for i, (key, at) in enumerate(answered)]
    return pl.DataFrame(rows, schema=INDEX, orient="row")


def frame_of(told):
    named = {
        "id": lambda key, number: (f"p{number:02d}", None, None),
        "key": lambda key, number: (None, key, None),
        "key and time": lambda key, number: (None, key, EVENTS["a"]),
        "time": lambda key, number: (None, None, EVENTS[key]),
    }
    rows = [(*named[way](key, number), label, at, at) for way, key, number, label, at in told]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@settings(deadline=None)
@given(predictions, outcomes)
def test_an_outcome_meets_the_newest_prediction_answered_before_it(answered, told):
    index = index_of(answered)
    frame, _ = joins.without_repeats(frame_of(told), frame_of([]))
    matched, waiting = joins.match(frame, index)
    expected, unclear = [], []
    for prediction_id, key, time, label, at, _ in frame.rows():
        if prediction_id is not None:
            found = [row[0] for row in index.rows() if row[0] == prediction_id]
        else:
            alike = [row for row in index.rows() if key in (None, row[2]) and time in (None, row[3])]
            before = [(row[4], row[0], row[1]) for row in alike if row[4] <= at]
            found = [max(before)[1]] if before else []
            if key is None and before and sum(row[1] == max(before)[2] for row in alike) > 1:
                found = []
                unclear.append((time, at))
        expected += [(one, label, at) for one in found]
    assert matched.select("prediction_id", "label", "observed_at").rows() == expected
    assert waiting.height == frame.height - matched.height
    assert joins.ambiguous(frame, index).select("time", "observed_at").rows() == unclear


@settings(deadline=None)
@given(predictions, outcomes, st.data())
def test_however_outcomes_come_in_the_same_ones_are_joined_once(answered, told, data):
    """In one batch or in many, repeated or not: each outcome meets its prediction exactly once."""
    index = index_of(answered)
    known, joined = frame_of([]), pl.DataFrame(schema={name: SCHEMA[name] for name in ("prediction_id", "observed_at")})
    batches = data.draw(st.permutations(range(len(told))).map(lambda o: [o[i : i + 4] for i in range(0, len(o), 4)]))
    for batch in [*batches, *batches[:2], []]:
        fresh, _ = joins.without_repeats(frame_of([told[i] for i in batch]), known)
        known = pl.concat([known, fresh])
        met, _ = joins.match(known, index)
        joined = pl.concat([joined, joins.not_joined(met, joined).select(joined.columns)])
    met, _ = joins.match(known, index)
    assert set(joined.rows()) == set(met.select(joined.columns).rows())
    assert joined.is_unique().all()
    assert joins.not_joined(met, joined).is_empty()
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
