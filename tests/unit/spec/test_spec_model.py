from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import ModuleType

import pytest

from treadle.domain.errors import DeclarationError
from treadle.spec import expressions as ex
from treadle.spec.describe import describe, find_model
from treadle.spec.model_spec import FunctionSpec, ModelSpec, ResourceSpec, SplitSpec

Load = Callable[[str], ModuleType]
Refused = Callable[[str], DeclarationError]

OPTIONS = """
flights = Model("flights", Flight, key=Flight.flight_id, time=Flight.departs, label=Flight.late, horizon=days(2),
                threshold="worth", window=days(365), probation=days(7), poll=hours(6), spacing=days(3),
                objective=metrics.auc, seed=7, split=by_time(validation=0.1, test=0.2), resources=Resources(cpus=1))
"""
WHOLE = """
@flights.source
def departures(window: Window) -> pl.LazyFrame: return pl.LazyFrame()

@flights.outcomes
def arrivals(window: Window) -> pl.DataFrame: return pl.DataFrame()

@flights.check
def enough(rows: pl.DataFrame) -> bool: return True

@flights.check
def fresh(rows: "pd.DataFrame") -> bool: return True

@flights.features
def features(rows: "pa.Table") -> "pa.Table": return rows

@flights.train
def fit(rows: pl.DataFrame, trial: Trial, validation: pl.DataFrame, seed: int): return object()

@flights.predict
def score(model: object, rows: pl.DataFrame) -> list[float]: return []

@flights.worth
def worth(row: Flight, flagged: bool, late: bool) -> float: return 1.0

flights.ship(
    metrics.auc >= 0.58,
    metrics.worth.beats_champion(),
    rollout=[shadow(days(2)), canary(5, 100, hold=days(1))],
    retrain=[gate_broken(), metrics.worth <= 0, age(days(30))],
)
"""


def test_a_whole_declaration_becomes_data(load: Load, head: str) -> None:
    module = load(head + OPTIONS + WHOLE)
    spec = module.flights.spec()
    worth = ex.MetricRef("worth")
    assert spec == ModelSpec(
        name="flights",
        doc="Which flights will be late?",
        row="Flight",
        columns=spec.columns,
        label="late",
        task="binary",
        key="flight_id",
        time="departs",
        horizon=timedelta(days=2),
        threshold="worth",
        window=timedelta(days=365),
        probation=timedelta(days=7),
        poll=timedelta(hours=6),
        spacing=timedelta(days=3),
        objective="auc",
        seed=7,
        source=FunctionSpec("departures"),
        outcomes=FunctionSpec("arrivals"),
        features=FunctionSpec("features", "pyarrow"),
        train=FunctionSpec("fit", wants=("trial", "validation", "seed")),
        predict=FunctionSpec("score"),
        worth=FunctionSpec("worth", "rows"),
        checks=(FunctionSpec("enough"), FunctionSpec("fresh", "pandas")),
        gates=(ex.Threshold(ex.MetricRef("auc"), ">=", 0.58), ex.BeatsChampion(worth, 0.95)),
        rollout=(
            ex.ShadowStep(timedelta(days=2)),
            ex.CanaryStep(5.0, timedelta(days=1)),
            ex.CanaryStep(100.0, timedelta(days=1)),
        ),
        triggers=(ex.GateBroken(), ex.When(ex.Threshold(worth, "<=", 0.0)), ex.Age(timedelta(days=30))),
        split=SplitSpec(0.1, 0.2),
        resources=ResourceSpec(cpus=1.0),
    )
    assert [c.name for c in spec.features_in] == ["flight_id", "departs", "origin", "distance", "pressure"]
    assert spec.slices == ("origin",)


def test_the_raw_functions_are_kept_and_returned(load: Load, head: str) -> None:
    module = load(head + OPTIONS + WHOLE)
    model = find_model(module)
    assert model is module.flights
    assert model.row is module.Flight
    assert model.params_class is None
    assert model.functions == {
        "source": module.departures,
        "outcomes": module.arrivals,
        "features": module.features,
        "train": module.fit,
        "predict": module.score,
        "worth": module.worth,
    }
    assert model.checks == {"enough": module.enough, "fresh": module.fresh}
    assert repr(model) == "Model('flights', Flight)"
    assert module.worth(row=None, flagged=True, late=True) == 1.0


@pytest.mark.parametrize(
    ("label", "task"),
    [
        ("Col[bool]", "binary"),
        ("Col[str]", "multiclass"),
        ("Col[int] = col(one_of=[1, 2, 3])", "multiclass"),
        ("Col[int]", "regression"),
        ("Col[float]", "regression"),
    ],
)
def test_the_label_makes_the_task(load: Load, whole: str, label: str, task: str) -> None:
    assert load(whole.replace("late: Col[bool]", f"late: {label}")).flights.spec().task == task


def test_text_annotations_are_read(load: Load, whole: str) -> None:
    text = whole.replace("import polars as pl\n", "import polars\n").replace("pl.", "polars.")
    module = load(f"from __future__ import annotations\n{text}")
    assert module.flights.spec().source == FunctionSpec("departures")


def test_frames_that_only_checkers_import_are_read_by_name(load: Load, whole: str) -> None:
    text = whole.replace("import polars as pl\n", "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import pandas as pd\n")
    text = text.replace("pl.LazyFrame()", "None").replace("pl.LazyFrame", "pd.DataFrame").replace("pl.", "pd.")
    module = load(f"from __future__ import annotations\n{text}")
    assert module.flights.spec().source == FunctionSpec("departures", "pandas")


def test_moving_a_comment_changes_no_digest(load: Load, head: str) -> None:
    text = head + OPTIONS + WHOLE
    first = load(text).flights.spec()
    second = load(text.replace("@flights", "# a comment\n@flights")).flights.spec()
    third = load(text.replace("0.58", "0.59")).flights.spec()
    assert first.digest == second.digest
    assert first.digest != third.digest


def test_a_specification_survives_json(load: Load, head: str) -> None:
    spec = load(head + OPTIONS + WHOLE).flights.spec()
    again = ModelSpec.from_json(spec.to_json())
    assert again == spec
    assert again.digest == spec.digest
    assert again.to_json() == spec.to_json()


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ("label=Flight.late, threshold='profit'", "threshold='profit'", '"worth"'),
        ("label=Flight.late, threshold=1.5", "threshold=1.5", "0 to 1"),
        ("label=Flight.late, threshold=True", "threshold=True", "0 to 1"),
        ("label=Flight.distance, threshold=0.5", "regression model", "leave it out"),
        ("label='late'", "label of model 'm' is 'late', no column", "label=Flight.column"),
        ("label=Other.late", "names Other.late, a column of another row", "column of Flight"),
        ("label=Flight.pressure", "may be missing", "until it is known"),
        ("label=Flight.departs", "label=Flight.departs is a datetime", "bool, str, int or float"),
        ("label=Flight.late, key=Flight.pressure", "key=Flight.pressure may be missing", "Col[float]"),
        ("label=Flight.late, key=Flight.late", "is the label as well", "another column"),
        ("label=Flight.late, time=Flight.origin", "time=Flight.origin is a str", "Col[datetime]"),
        ("label=Flight.late, horizon=2", "horizon of model 'm' is 2, not a duration", "days(2)"),
        ("label=Flight.late, window=days(0)", "window of model 'm' is 0:00:00", "above zero"),
        ("label=Flight.late, spacing=7", "spacing of model 'm' is 7", "days(2)"),
        ("label=Flight.late, seed=-1", "seed is -1", "0 or more"),
        ("label=Flight.late, split=0.2", "split is 0.2", "by_time("),
        ("label=Flight.late, resources=2", "resources is 2", "Resources("),
        ("label=Flight.late, objective='auc'", "objective='auc'", "metrics.auc"),
        ("label=Flight.late, objective=metrics.latency_p99", "cannot be improved", "metrics.auc"),
        ("label=Flight.late, objective=metrics.mae", "mae is for regression labels", "for a binary label"),
    ],
)
def test_a_wrong_option_is_refused(refused: Refused, head: str, options: str, message: str, hint: str) -> None:
    other = "class Other(Row):\n    late: Col[bool]\n\n"
    error = refused(f"{head}{other}m = Model('m', Flight, {options})  # here\n")
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize("name", ["Flights", "", "a b", "1st", "a/b", "x" * 64])
def test_a_name_must_fit_an_address(refused: Refused, head: str, name: str) -> None:
    assert "no name of a model" in refused(f"{head}m = Model({name!r}, Flight, label=Flight.late)  # here\n").message


def test_a_row_class_is_needed(refused: Refused, head: str) -> None:
    assert "as its row" in refused(f"{head}m = Model('m', dict, label=Flight.late)  # here\n").message


@pytest.mark.parametrize(
    ("role", "signature", "message", "hint"),
    [
        ("source", "()", "takes nothing", "window: Window"),
        ("source", "(window, more)", "takes window, more", "window: Window"),
        ("source", "(window) -> int", "returns int, which is no frame", "pl.LazyFrame"),
        ("outcomes", "(window: Window) -> list", "returns list, which is no frame", "pl.LazyFrame"),
        ("check", "(rows: int) -> bool", "takes rows as int", "pl.DataFrame"),
        ("check", "(rows: pl.LazyFrame) -> bool", "takes a lazy frame", "rows come read already"),
        ("check", "(rows: pl.DataFrame) -> str", "returns str", "True where rows are good"),
        ("features", "(rows: pl.DataFrame, more: int) -> pl.DataFrame", "takes rows, more", "rows: pl.DataFrame"),
        ("train", "()", "takes nothing", "params: Params"),
        ("train", "(rows: pl.DataFrame, model: int)", "a parameter 'model'", "params, trial, validation, seed"),
        ("train", "(rows: pl.DataFrame) -> None", "returns None", "the fitted model"),
        ("train", "(params: Flight, rows: pl.DataFrame)", "a parameter 'rows'", "rows: pl.DataFrame, params"),
        ("predict", "(rows: pl.DataFrame) -> list", "takes rows", "model: Pipeline"),
        ("worth", "(row: Flight, flagged: bool) -> float", "takes row, flagged", "decision: bool, label: bool"),
        (
            "worth",
            "(row: Flight, flagged: str, late: bool) -> float",
            "takes flagged: str, but gets a bool",
            "row: Flight",
        ),
        (
            "worth",
            "(row: Model, flagged: bool, late: bool) -> float",
            "takes row: Model, but gets a Flight",
            "row: Flight",
        ),
    ],
)
def test_a_wrong_function_is_refused(
    refused: Refused, model: str, role: str, signature: str, message: str, hint: str
) -> None:
    arguments, arrow, result = signature.partition(" -> ")
    error = refused(f"{model}@flights.{role}  # here\ndef function{arguments}{arrow}{result}: ...\n")
    assert message in error.message
    assert hint in error.hint


def test_async_functions_are_refused(refused: Refused, model: str) -> None:
    assert "is async" in refused(f"{model}@flights.source  # here\nasync def departures(window): ...\n").message


def test_a_role_is_given_once(refused: Refused, whole: str) -> None:
    error = refused(f"{whole}\n@flights.train  # here\ndef fit_again(rows: pl.DataFrame) -> object: ...\n")
    assert "two train functions" in error.message
    assert "the first is fit, line " in error.hint


def test_checks_have_names_of_their_own(refused: Refused, model: str) -> None:
    check = "@flights.check{}\ndef good(rows: pl.DataFrame) -> bool: ...\n"
    assert "a check good already" in refused(model + check.format("") + check.format("  # here")).message


def test_outcomes_need_a_key_or_a_time(refused: Refused, model: str) -> None:
    text = model.replace("key=Flight.flight_id, ", "").replace("time=Flight.departs, ", "")
    assert "neither key nor time" in refused(f"{text}@flights.outcomes  # here\ndef arrivals(window): ...\n").message


@pytest.mark.parametrize(
    "line",
    [
        'rows.with_columns(pl.col("late"))  # here',
        'rows["late"]  # here',
        'rows.select(["origin", "late"])  # here',
        "rows.late  # here",
        "pl.col.late  # here",
        "Flight.late  # here",
        'rows.drop("late")  # here',
    ],
)
def test_features_cannot_read_the_label(refused: Refused, model: str, line: str) -> None:
    text = '@flights.features\ndef features(rows: pl.DataFrame) -> pl.DataFrame:\n    """Not late."""\n'
    error = refused(f"{model}{text}    return {line}\n")
    assert "features function features reads the label 'late'" in error.message


def test_features_may_use_the_labels_name_for_something_else(load: Load, model: str) -> None:
    load(f"""{model}
@flights.features
def features(rows: pl.DataFrame) -> pl.DataFrame:
    late = pl.col("departs").dt.hour() > 22
    return rows.with_columns(evening=pl.when(late).then(pl.lit("late")).otherwise(pl.lit("early")))
""")


@pytest.mark.parametrize(
    ("ship", "message", "hint"),
    [
        ("flights.ship(True)", "True is no gate", "metrics.auc >= 0.8"),
        ("flights.ship(gate_broken())", "gate_broken() is no gate", "metrics.auc >= 0.8"),
        ("flights.ship(retrain=[True])", "retrain has True", "gate_broken()"),
        ("flights.ship(rollout=[25])", "rollout has 25", "canary("),
        ("flights.ship(metrics.auc.worst(Other.late) >= 0.5)", "names Other.late", "column of Flight"),
        ("flights.ship((metrics.auc > 0) & (metrics.f1.gap(Other.late) < 0.5))", "names Other.late", "of Flight"),
        ("flights.ship(retrain=[metrics.auc.slice(Other.late == True) < 0.5])", "names Other.late", "of Flight"),
        ("flights.ship(metrics.recall.worst(Flight.late) >= 0.5)", "slices by the label", "beforehand"),
        ("flights.ship(metrics.mae <= 3)", "for regression labels", "for a binary label"),
        ("flights.ship(); flights.ship()", "ships twice", "keep one"),
    ],
)
def test_a_wrong_shipping_is_refused(refused: Refused, model: str, ship: str, message: str, hint: str) -> None:
    other = "class Other(Row):\n    late: Col[bool]\n\n"
    error = refused(f"{model}{other}{ship}  # here\n")
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (("@flights.source", ""), "no source function", "@model.source"),
        (("@flights.train", ""), "no train function", "@model.train"),
        (
            ("label=Flight.late", 'label=Flight.late, threshold="worth"'),
            'threshold="worth" but no worth',
            "@model.worth",
        ),
        (("label=Flight.late", "label=Flight.late, objective=metrics.worth"), "improves metrics.worth", "@model.worth"),
    ],
)
def test_what_is_missing_is_named_when_all_is_declared(
    load: Load, whole: str, change: tuple[str, str], message: str, hint: str
) -> None:
    module = load(whole.replace(*change))
    with pytest.raises(DeclarationError) as caught:
        describe(module)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert (caught.value.file, caught.value.line) == (module.__file__, 16)


def test_a_gate_on_worth_needs_worth(load: Load, whole: str) -> None:
    module = load(f"{whole}flights.ship(\n    (metrics.auc > 0) | (metrics.worth > 0),\n)\n")
    with pytest.raises(DeclarationError, match="needs a worth function"):
        describe(module)
