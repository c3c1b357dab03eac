from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from treadle.domain import codec
from treadle.domain.errors import DeclarationError, StepFailed
from treadle.domain.steps import StepKind
from treadle.spec.model_spec import ModelSpec

WINDOW = {"start": None, "until": "2024-03-01T00:00:00+00:00", "as_of": "2024-03-01T00:00:00+00:00"}
Models = Callable[..., Path]


def test_describe_gives_the_declaration_with_requirements(bench: Any, model: Models) -> None:
    value = bench.run(bench.apply(model()), StepKind.DESCRIBE).value
    spec: ModelSpec = codec.from_plain(ModelSpec, value["spec"])
    assert spec.name == "visits"
    assert spec.requirements == ("polars", "numpy")
    assert spec.train is not None
    assert spec.train.wants == ("params", "trial")


def test_wrong_declaration_is_told_with_the_users_own_file_and_line(bench: Any, model: Models) -> None:
    file = model(more="\nvisits.ship(metrics.auc >= 0.6)\n")
    with pytest.raises(DeclarationError, match="ships twice") as caught:
        bench.run(bench.apply(file), StepKind.DESCRIBE)
    assert caught.value.file == str(file)
    assert caught.value.line == len(file.read_text().splitlines())


def test_source_writes_the_declared_columns_in_utc(bench: Any, model: Models) -> None:
    made = bench.run(bench.apply(model()), StepKind.SOURCE, arguments=WINDOW)
    frame = bench.read(made, "rows.parquet")
    assert frame.columns == ["visit_id", "at", "age", "kind", "came"]
    assert frame.schema["at"] == pl.Datetime("us", "UTC")
    assert made.value == {"rows": 2}
    assert any("surplus" in line for line in bench.lines)
    assert made.log is not None
    assert "surplus" in bench.blobs.get(made.log).decode()


def test_fit_then_score_then_worth(bench: Any, model: Models, rows: str) -> None:
    worth = """
@visits.worth
def worth(row: Visit, decision: bool, label: bool) -> float:
    assert not hasattr(row, "label")
    return (1.0 if label else -1.0) * (row.age or 0.0) if decision else 0.0
"""
    applied = bench.apply(model(more=worth))
    inputs = {"train.parquet": rows, "validation.parquet": rows}
    fitted = bench.run(applied, StepKind.FIT, inputs=inputs, arguments={"params": {"shift": 0.1}}, seed=7)
    assert fitted.value["classes"] == [False, True]
    assert fitted.value["seconds"] >= 0
    scored = bench.run(applied, StepKind.SCORE, inputs={"model.pkl": fitted.outputs["model.pkl"], "rows.parquet": rows})
    scores = bench.read(scored, "scores.parquet")
    assert scores.schema == {"score": pl.Float64}
    assert scores["score"].to_list()[:3] == pytest.approx([0.76, 0.77, 0.75])
    valued = bench.read(bench.run(applied, StepKind.WORTH, inputs={"rows.parquet": rows}), "worth.parquet")
    assert valued["worth_true"].to_list()[:4] == pytest.approx([0.1, -0.2, 0.0, 0.4])
    assert valued["worth_false"].to_list() == [0.0] * 8


def test_equal_seeds_give_equal_models(bench: Any, model: Models, rows: str) -> None:
    applied = bench.apply(model())
    inputs = {"train.parquet": rows, "validation.parquet": rows}

    def fit(seed: int) -> str:
        made = bench.run(applied, StepKind.FIT, inputs=inputs, seed=seed, cacheable=False)
        return str(made.outputs["model.pkl"])

    assert fit(1) == fit(1)
    assert fit(1) != fit(2)


def test_checks_that_raise_have_failed(bench: Any, model: Models, rows: str) -> None:
    checks = """
@visits.check
def good(rows: pl.DataFrame) -> bool:
    return rows.height == 8

@visits.check
def bad(rows: pl.DataFrame) -> bool:
    return rows["nowhere"].sum() > 0
"""
    good, bad = bench.run(bench.apply(model(more=checks)), StepKind.CHECK, inputs={"rows.parquet": rows}).value
    assert good == {"name": "good", "passed": True, "message": ""}
    assert not bad["passed"]
    assert "nowhere" in bad["message"]


def test_outcomes_are_those_known_in_the_window(bench: Any, model: Models) -> None:
    outcomes = """
@visits.outcomes
def outcomes(window: Window) -> pl.DataFrame:
    days = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3, 4)]
    return pl.DataFrame({"visit_id": list("abcd"), "came": [True, False, None, True], "observed_at": days})
"""
    since, until = "2024-01-01T00:00:00+00:00", "2024-01-03T00:00:00+00:00"
    applied = bench.apply(model(more=outcomes))
    made = bench.run(applied, StepKind.OUTCOMES, arguments={"since": since, "until": until})
    frame = bench.read(made, "outcomes.parquet")
    assert frame.rows() == [("b", False, datetime(2024, 1, 2, tzinfo=UTC))]
    everything = bench.run(applied, StepKind.OUTCOMES, arguments={"since": None, "until": until})
    assert everything.value == {"rows": 2}


def test_equal_cacheable_steps_run_once(bench: Any, model: Models) -> None:
    applied = bench.apply(model(source="print('ran'); " + 'return pl.DataFrame({"visit_id": ["a"]})'))
    first = bench.run(applied, StepKind.SOURCE, arguments=WINDOW)
    second = bench.run(applied, StepKind.SOURCE, arguments=WINDOW)
    assert bench.lines == ["ran"]
    assert second.cached
    assert not first.cached
    assert second.outputs == first.outputs
    bench.run(applied, StepKind.SOURCE, arguments=WINDOW, cacheable=False)
    assert bench.lines == ["ran", "ran"]
    bench.blobs.delete(first.outputs["rows.parquet"])
    again = bench.run(applied, StepKind.SOURCE, arguments=WINDOW)
    assert not again.cached


def test_two_models_share_a_worker_without_meeting(bench: Any, model: Models, rows: str) -> None:
    inputs = {"train.parquet": rows, "validation.parquet": rows}
    made = {}
    for name in ("one", "two"):
        file = model(fit=f"import helper; print(helper.NAME, __file__); {FIT_WITH}")
        (file.parent / "helper.py").write_text(f'NAME = "{name}"\n')
        made[name] = bench.apply(file)
    for name in ("one", "two", "one"):
        fitted = bench.run(made[name], StepKind.FIT, inputs=inputs, cacheable=False)
        assert bench.lines[-1].startswith(name)
        inputs_of_score = {"model.pkl": fitted.outputs["model.pkl"], "rows.parquet": rows}
        bench.run(made[name], StepKind.SCORE, inputs=inputs_of_score, cacheable=False)
    assert len(bench.engine.workers()) == 1


FIT_WITH = "return Mean(0.5, 0.0, helper.NAME)"


def test_pickles_load_in_another_process_by_the_files_name(bench: Any, model: Models, rows: str) -> None:
    applied = bench.apply(model(name="visits_model.py"))
    inputs = {"train.parquet": rows, "validation.parquet": rows}
    fitted = bench.run(applied, StepKind.FIT, inputs=inputs)
    blob = bench.blobs.get(fitted.outputs["model.pkl"])
    assert b"visits_model" in blob
    assert blob[1] == 5 == pickle.HIGHEST_PROTOCOL
    for pid in bench.engine.workers():
        import os
        import signal

        os.killpg(pid, signal.SIGKILL)
    scored = bench.run(applied, StepKind.SCORE, inputs={"model.pkl": fitted.outputs["model.pkl"], "rows.parquet": rows})
    assert bench.read(scored, "scores.parquet").height == 8


def test_data_beside_the_model_file_is_found(bench: Any, model: Models) -> None:
    file = model(source='return pl.read_parquet(Path(__file__).parent / "data.parquet").with_columns(at=window.as_of)')
    pl.DataFrame({"visit_id": ["q"], "kind": ["x"]}).write_parquet(file.parent / "data.parquet")
    applied = bench.apply(file)
    assert bench.run(applied, StepKind.SOURCE, arguments=WINDOW, cacheable=False).value == {"rows": 1}
    pl.DataFrame({"visit_id": ["q", "r"], "kind": ["x", "x"]}).write_parquet(file.parent / "data.parquet")
    assert bench.run(applied, StepKind.SOURCE, arguments=WINDOW, cacheable=False).value == {"rows": 2}


def test_an_error_of_the_users_names_line_and_traceback(bench: Any, model: Models) -> None:
    file = model(source='print("before"); return {}["missing"]')
    with pytest.raises(StepFailed, match="KeyError: 'missing'") as caught:
        bench.run(bench.apply(file), StepKind.SOURCE, arguments=WINDOW)
    assert "model.py, line" in caught.value.message
    assert f'File "{file}"' in caught.value.traceback
    assert "treadle/runner" not in caught.value.traceback
    assert bench.lines == ["before"]


def test_a_library_that_is_not_there_is_to_be_named(bench: Any, model: Models) -> None:
    with pytest.raises(StepFailed, match="No module named 'nosuchlib'") as caught:
        bench.run(bench.apply(model(source="import nosuchlib")), StepKind.SOURCE, arguments=WINDOW)
    assert "dependencies at the head of the model file" in caught.value.hint


def test_naive_times_need_a_zone(bench: Any, model: Models) -> None:
    file = model(source='return pl.DataFrame({"visit_id": ["a"], "at": [datetime(2024, 1, 1)]})')
    with pytest.raises(StepFailed, match="times without a zone"):
        bench.run(bench.apply(file), StepKind.SOURCE, arguments=WINDOW)


def test_what_cannot_be_saved_is_told(bench: Any, model: Models, rows: str) -> None:
    inputs = {"train.parquet": rows, "validation.parquet": rows}
    with pytest.raises(StepFailed, match="cannot be saved") as caught:
        bench.run(bench.apply(model(fit="return Mean(lambda: 1, 0, 0)")), StepKind.FIT, inputs=inputs)
    assert "top level" in caught.value.hint


def test_pruned_trials_end_and_are_not_kept(bench: Any, model: Models, rows: str) -> None:
    fit = """
    class TrialPruned(Exception):
        pass
    for step in range(10):
        trial.report(1.0 / (step + 1), step)
        if trial.should_prune():
            raise TrialPruned
    return Mean(0.5, 0.0, 0)"""
    applied = bench.apply(model(fit=fit))
    inputs = {"train.parquet": rows, "validation.parquet": rows}
    seen: list[tuple[int, float]] = []

    def report(step: int, value: float) -> bool:
        seen.append((step, value))
        return step == 2

    pruned = bench.run(applied, StepKind.FIT, inputs=inputs, report=report)
    assert pruned.value == {"pruned": True}
    assert pruned.outputs == {}
    assert seen == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    whole = bench.run(applied, StepKind.FIT, inputs=inputs)
    assert not whole.cached
    assert not whole.value["pruned"]
    assert [p["value"] for p in whole.value["points"]] == [1.0 / (step + 1) for step in range(10)]
