"""Laws of the specification as data: JSON both ways is the identity, and equal digests are equal specifications."""

from __future__ import annotations

import json
import string
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from treadle import days, metrics
from treadle.spec import expressions as ex
from treadle.spec.conditions import Condition
from treadle.spec.model_spec import (
    ColumnSpec,
    FunctionSpec,
    ModelSpec,
    ParamSpec,
    ResourceSpec,
    SplitSpec,
)

names = st.text(string.ascii_lowercase + "_", min_size=1, max_size=8)
finite = st.floats(allow_nan=False, allow_infinity=False)
shares = st.floats(0, 1)
spans = st.integers(1, 10**6).map(lambda seconds: timedelta(seconds=seconds))
scalars = st.one_of(st.booleans(), st.integers(-(10**9), 10**9), finite, st.text(max_size=8))

refs = st.one_of(
    st.builds(ex.MetricRef, names),
    st.builds(ex.MetricRef, names, st.sampled_from(["worst", "gap"]), names),
    st.builds(ex.MetricRef, names, st.just("slice"), names, st.one_of(st.none(), scalars)),
)
leaves = st.one_of(
    st.builds(ex.Threshold, refs, st.sampled_from([">=", ">", "<=", "<"]), finite),
    st.builds(ex.BeatsChampion, refs, shares, finite),
    st.builds(ex.NotWorseThanChampion, refs, finite, shares),
)
expressions: st.SearchStrategy[ex.Expression] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(ex.AllOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(ex.AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)
triggers = st.one_of(st.builds(ex.Age, spans), st.just(ex.GateBroken()), st.builds(ex.When, expressions))
rollouts = st.one_of(st.builds(ex.ShadowStep, spans), st.builds(ex.CanaryStep, shares, spans))
columns = st.builds(
    ColumnSpec,
    name=names,
    type=st.sampled_from(["str", "int", "float", "bool", "datetime", "date"]),
    nullable=st.booleans(),
    ge=st.none() | finite,
    one_of=st.none() | st.lists(scalars, max_size=3).map(tuple),
    nulls=st.none() | shares,
    doc=st.text(max_size=10),
)
params = st.builds(
    ParamSpec,
    name=names,
    type=st.sampled_from(["float", "int", "str", "bool"]),
    default=scalars,
    low=st.none() | finite,
    high=st.none() | finite,
    log=st.booleans(),
    choices=st.none() | st.lists(scalars, max_size=3).map(tuple),
)
functions = st.builds(
    FunctionSpec, names, st.sampled_from(["polars", "pandas"]), st.lists(names, max_size=2).map(tuple)
)
specs = st.builds(
    ModelSpec,
    name=names,
    doc=st.text(max_size=20),
    row=names,
    columns=st.lists(columns, max_size=3).map(tuple),
    label=names,
    task=st.sampled_from(["binary", "multiclass", "regression"]),
    key=st.none() | names,
    horizon=st.none() | spans,
    threshold=st.one_of(st.none(), st.just("worth"), shares),
    window=st.none() | spans,
    params=st.lists(params, max_size=2).map(tuple),
    train=st.none() | functions,
    checks=st.lists(functions, max_size=2).map(tuple),
    gates=st.lists(expressions, max_size=3).map(tuple),
    rollout=st.lists(rollouts, max_size=2).map(tuple),
    triggers=st.lists(triggers, max_size=2).map(tuple),
    split=st.builds(SplitSpec, shares, shares, st.booleans()),
    resources=st.builds(ResourceSpec, st.none() | finite, st.none() | st.integers(0, 2**40), finite),
)


@given(specs)
def test_json_both_ways_is_the_identity(spec: ModelSpec) -> None:
    again = ModelSpec.from_json(spec.to_json())
    assert again == spec
    assert again.to_json() == spec.to_json()
    assert again.digest == spec.digest


@given(specs)
def test_json_is_canonical(spec: ModelSpec) -> None:
    text = spec.to_json()
    assert json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False) == text


@given(specs, specs)
def test_equal_digests_are_equal_specifications(first: ModelSpec, second: ModelSpec) -> None:
    assert (first.digest == second.digest) == (first.to_json() == second.to_json())


conditions: st.SearchStrategy[Condition] = st.recursive(
    st.floats(0, 1).flatmap(
        lambda value: st.sampled_from([metrics.auc >= value, metrics.f1 < value, metrics.recall.beats_champion()])
    ),
    lambda inner: st.one_of(st.builds(lambda a, b: a & b, inner, inner), st.builds(lambda a, b: a | b, inner, inner)),
    max_leaves=8,
)


@given(conditions, conditions, conditions)
def test_joining_is_associative_and_flat(a: Condition, b: Condition, c: Condition) -> None:
    assert ((a & b) & c).expression == (a & (b & c)).expression
    assert ((a | b) | c).expression == (a | (b | c)).expression
    joined = (a & b).expression
    assert isinstance(joined, ex.AllOf)
    assert not any(isinstance(part, ex.AllOf) for part in joined.parts)
    assert len((a & b).metrics) == len(a.metrics) + len(b.metrics)


@given(st.floats(0.001, 10_000))
def test_a_number_of_days_is_that_long(count: float) -> None:
    assert days(count) == timedelta(days=count)
