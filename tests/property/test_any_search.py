"""Searches compiled to SQL find what the plain evaluator finds, in its order, whole and page by page."""

import itertools
import math
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from treadle.domain.search import AllOf, AnyOf, Column, Comparison, Kind, Op, Order, View
from treadle.domain.tracking import CONTEXT_TAG, Dataset, DatasetInput, LoggedMetric, Status
from treadle.storage.sql.store import SqlStore
from treadle.storage.sql.tracking import run_search
from treadle.testing.memory import MemoryTracking

TEXTS = [
    "",
    "a",
    "A",
    "b",
    "ab",
    "Ab_c",
    "a%c",
    "a*c",
    "a?[c",
    "x" * 99,
    "x" * 100,
    "x" * 101,
    "x" * 100 + "y",
    "é",
    "É",
    "1",
    "10",
    "9",
]
NUMBERS = [0, -1, 1, 2, 2.5, -0.0, math.inf, -math.inf, 1e-300, 7, 2**70, -(2**63)]
PATTERNS = ["%", "a%", "%c", "_", "__", "a_c", "a%c", "a*c", "A%", "%x", "%y", "a?[c", "é", "%É%", "", "x%"]
NAMES = ["k0", "k1", "k2", "never logged"]


def populate(tracking) -> list[str]:
    chance = random.Random(4)
    experiments = ["0"] + [tracking.create_experiment(name, at=1).result(30).id for name in ("b", "c")]
    for number in range(60):
        run = f"{number:032x}"
        experiment = chance.choice(experiments)
        started = chance.randrange(4)
        tracking.create_run(
            experiment, name=chance.choice(TEXTS) or "n", user=chance.choice("uv"), started=started, run_id=run
        ).result(30)
        metrics = [
            LoggedMetric(name, chance.choice([0.0, -1.0, 1.0, 2.5, math.nan, math.inf, -math.inf, 7.0]), 1, step)
            for name in NAMES[:3]
            if chance.random() < 0.7
            for step in range(chance.randrange(1, 3))
        ]
        params = [(name, chance.choice(TEXTS)) for name in NAMES[:3] if chance.random() < 0.7]
        tags = [(name, chance.choice(TEXTS)) for name in NAMES[:3] if chance.random() < 0.7]
        tracking.log_batch(run, metrics=metrics, params=params, tags=tags).result(30)
        used = [
            DatasetInput(Dataset(chance.choice("ab"), chance.choice("cd"), "t", "s"), context)
            for _ in range(chance.randrange(3))
            for context in [{CONTEXT_TAG: chance.choice(["train", "eval"])} if chance.random() < 0.6 else {}]
        ]
        tracking.log_inputs(run, datasets=used).result(30)
        if chance.random() < 0.5:
            status = chance.choice(list(Status))
            ended = chance.choice([None, 5, 6])
            tracking.update_run(run, status=status, ended=ended).result(30)
        if chance.random() < 0.2:
            tracking.delete_run(run, at=9).result(30)
        if chance.random() < 0.2:
            tracking.add_comment(run, author="a", text=chance.choice(["good Ab", "100%"]), at=1).result(30)
    for number, name in enumerate(("x/y", "x/z", "Ab_c", "a%c")):
        tags = {key: chance.choice(TEXTS) for key in NAMES[:2] if chance.random() < 0.7}
        made = tracking.create_experiment(name, at=number // 2, tags=tags).result(30)
        if name == "x/z":
            tracking.delete_experiment(made.id, at=9).result(30)
    return experiments


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def both(request, tmp_path_factory):
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").database()
    else:
        url = f"sqlite:///{tmp_path_factory.mktemp('search') / 'treadle.db'}"
    store = SqlStore(url)
    double = MemoryTracking()
    experiments = populate(store.tracking)
    assert populate(double) == experiments
    few = run_search.FEW
    yield store.tracking, double, experiments
    run_search.FEW = few
    store.close()


texts = st.sampled_from(TEXTS)
patterns = st.sampled_from(PATTERNS)
numbers = st.sampled_from(NUMBERS)
keyed_texts = st.builds(Column, st.sampled_from([Kind.PARAM, Kind.TAG]), st.sampled_from(NAMES))
keyed_numbers = st.builds(Column, st.sampled_from([Kind.METRIC, Kind.MIN, Kind.MAX]), st.sampled_from(NAMES))
text_attributes = st.sampled_from(
    ["run_id", "run_name", "user_id", "status", "artifact_uri", "experiment_id", "lifecycle_stage"]
)
data = st.builds(Column, st.just(Kind.DATASET), st.sampled_from(["name", "digest", "context"]))
attributes = st.builds(Column, st.just(Kind.ATTRIBUTE), text_attributes)
times = st.builds(Column, st.just(Kind.ATTRIBUTE), st.sampled_from(["start_time", "end_time"]))
ordering = st.sampled_from([Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE])
values = texts | st.sampled_from(["u", "FINISHED", "RUNNING", "active", "0", "c", "train", f"{7:032x}"])


def compared(columns):
    return (
        st.builds(Comparison, columns, ordering, values)
        | st.builds(Comparison, columns, st.sampled_from([Op.LIKE, Op.ILIKE]), patterns)
        | st.builds(Comparison, columns, st.sampled_from([Op.IN, Op.NOT_IN]), st.lists(values, max_size=3).map(tuple))
        | st.builds(Comparison, columns, st.sampled_from([Op.IS_NULL, Op.IS_NOT_NULL]))
    )


def counted(columns):
    return st.builds(Comparison, columns, ordering, numbers) | st.builds(
        Comparison, columns, st.sampled_from([Op.IS_NULL, Op.IS_NOT_NULL])
    )


comparisons = compared(keyed_texts | attributes | data) | counted(keyed_numbers | times)
top = st.lists(compared(keyed_texts) | counted(keyed_numbers), min_size=2, max_size=4).map(tuple).map(AllOf)
conditions = top | st.recursive(
    comparisons,
    lambda inner: (
        st.builds(AllOf, st.lists(inner, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=5,
)
orders = st.lists(st.builds(Order, keyed_texts | keyed_numbers | times | attributes, st.booleans()), max_size=3)
words = st.sampled_from(["", "", "", "ab", "GOOD", "%", "k0", "100% x", "_"])


def pages(search, limit):
    found, cursor = [], None
    for number in itertools.count():
        # What pages are read by may change on the way; the cursor stays good.
        run_search.FEW = (0, 1000)[number % 2]
        page = search(limit=limit, cursor=cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found
        assert len(page.items) == limit
    raise AssertionError


QUICK = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


along = st.sampled_from([Kind.METRIC, Kind.PARAM, Kind.TAG])
by_index = st.builds(Order, st.builds(Column, along, st.sampled_from(NAMES)), st.booleans())
orders = orders | st.tuples(by_index, by_index).map(list)


@QUICK
@given(conditions, orders, words, st.sampled_from(View), st.integers(1, 20), st.integers(1, 3))
def test_runs_are_found_alike(both, condition, order, text, view, limit, many):
    store, double, experiments = both
    asked = experiments[:many]
    expected = [run.info.id for run in double.search_runs(asked, condition, order, text=text, view=view).items]
    for few in (0, 1000):
        run_search.FEW = few
        found = [run.info.id for run in store.search_runs(asked, condition, order, text=text, view=view).items]
        assert found == expected
    assert store.count_runs(asked, condition, text=text, view=view) == len(expected)

    def search(limit, cursor):
        return store.search_runs(asked, condition, order, text=text, view=view, limit=limit, cursor=cursor)

    assert [run.info.id for run in pages(search, limit)] == expected


names = st.builds(Column, st.just(Kind.ATTRIBUTE), st.sampled_from(["name", "lifecycle_stage"]))
moments = st.builds(
    Column, st.just(Kind.ATTRIBUTE), st.sampled_from(["experiment_id", "creation_time", "last_update_time"])
)
own_tags = st.builds(Column, st.just(Kind.TAG), st.sampled_from(NAMES))
of_experiments = st.lists(compared(names | own_tags) | counted(moments), max_size=3).map(tuple).map(AllOf)


@QUICK
@given(
    of_experiments,
    st.lists(st.builds(Order, names | moments | own_tags, st.booleans()), max_size=2),
    st.sampled_from(View),
    st.integers(1, 4),
)
def test_experiments_are_found_alike(both, condition, order, view, limit):
    store, double, _ = both
    # The default experiment is as old as its store.
    condition = AllOf((condition, Comparison(Column(Kind.ATTRIBUTE, "experiment_id"), Op.NE, 0)))
    expected = [found.id for found in double.search_experiments(condition, order, view=view).items]

    def search(limit, cursor):
        return store.search_experiments(condition, order, view=view, limit=limit, cursor=cursor)

    assert [found.id for found in pages(search, limit)] == expected
