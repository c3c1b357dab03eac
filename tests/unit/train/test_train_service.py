from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from treadle.domain.data import Snapshot
from treadle.domain.errors import InvalidInput, StepCancelled, StepFailed
from treadle.domain.models import AppliedModel
from treadle.domain.runs import RunStatus
from treadle.domain.steps import StepKind
from treadle.spec.model_spec import FunctionSpec, ModelSpec

SpecOf = Callable[..., ModelSpec]
Apply = Callable[..., AppliedModel]
WORTH = FunctionSpec("worth")


def test_a_training_and_its_run(works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot) -> None:
    spec, parts = spec_of(worth=WORTH, threshold="worth"), parts_of()
    told: list[tuple[str, float]] = []
    trained = works.service.train(
        apply(spec),
        parts,
        snapshot,
        run_id="run-1",
        attempt="a-1",
        params={"strength": 1.0},
        progress=lambda what, share: told.append((what, share)),
    )
    assert trained.recipe.params == {"strength": 1.0, "rounds": 3, "link": "logit"}
    assert trained.recipe.snapshot_digest == snapshot.digest
    assert trained.rows == {"train": 400, "validation": 150, "test": 200, "immature": 3, "unlabelled": 2}
    assert 0.0 < trained.threshold < 0.5  # a missed true costs four times a false alarm
    assert trained.metrics["auc"] > 0.75
    assert trained.metrics["worth"] > 1.4
    assert trained.compilation.runtime == "python"
    assert "no ONNX runtime" in trained.compilation.reason
    assert trained.compilation.python_us == 250.0
    assert trained.compilation.size == len(works.blobs.get(trained.artifacts["model.pkl"]))
    assert trained.profile.rows == 400
    assert set(trained.profile.columns) == {"at", "shop", "x", "z", "y"}
    assert trained.score_profile.columns["score"].count == 200
    scored = works.service.scored(trained)
    assert scored.columns == ["label", "score", "decision", "worth", "time", "row.shop"]
    assert scored["label"].equals(parts.test["y"].alias("label"))
    assert scored["decision"].to_list() == [s >= trained.threshold for s in scored["score"]]
    worth = [(4.0 if y else -1.0) if d else 0.0 for y, d in zip(scored["label"], scored["decision"], strict=True)]
    assert scored["worth"].to_list() == worth

    run = works.runs.get("run-1")
    assert run.status is RunStatus.FINISHED
    assert run.params == trained.recipe.params
    assert run.metrics["auc"] == trained.metrics["auc"]
    assert run.metrics["fit_auc"] == 0.9
    assert run.metrics["threshold"] == trained.threshold
    assert run.artifacts["model.pkl"] == trained.artifacts["model.pkl"]
    assert run.snapshot == snapshot.digest
    assert run.tags["attempt"] == "a-1"
    assert [p.step for p in works.runs.points("run-1", "loss_curve")] == [0, 1, 2]
    assert [c.name for c in run.leaderboard if c.chosen] == ["model"]
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_an_equal_training_runs_no_step(
    works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot
) -> None:
    applied = apply(spec_of(worth=WORTH, threshold="worth"))
    first = works.service.train(applied, parts_of(), snapshot, run_id="run-1", attempt="a-1")
    steps = len(works.engine.ran)
    chunked = [pl.concat([p.head(50), p.slice(50)], rechunk=False) for p in parts_of()[:3]]
    again = works.service.train(
        applied, parts_of()._replace(train=chunked[0], validation=chunked[1], test=chunked[2]), snapshot,
        run_id="run-2", attempt="a-2",
    )  # fmt: skip
    assert len(works.engine.ran) == steps
    assert again.recipe.digest == first.recipe.digest
    assert replace(again, run="run-1") == first
    works.service.train(applied, parts_of(), snapshot, run_id="run-2", attempt="a-2")
    assert len(works.runs.points("run-2", "loss_curve")) == 3


def test_threshold_is_never_chosen_on_test_rows(
    works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot
) -> None:
    spec, parts = spec_of(worth=WORTH, threshold="worth"), parts_of()
    first = works.service.train(apply(spec), parts, snapshot, run_id="run-1", attempt="a-1")
    turned = parts._replace(test=parts.test.with_columns(~pl.col("y")))
    second = works.service.train(apply(spec), turned, snapshot, run_id="run-2", attempt="a-2")
    assert second.threshold == first.threshold
    assert second.metrics == first.metrics
    assert second.artifacts == first.artifacts


def test_a_declared_threshold(works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot) -> None:
    trained = works.service.train(apply(spec_of(threshold=0.7)), parts_of(), snapshot, run_id="run-1", attempt="a-1")
    assert trained.threshold == 0.7
    assert "worth" not in trained.metrics
    assert works.engine.count(StepKind.WORTH) == 0
    scored = works.service.scored(trained)
    assert scored["worth"].null_count() == scored.height
    plain = works.service.train(apply(spec_of()), parts_of(), snapshot, run_id="run-2", attempt="a-2")
    assert plain.threshold is None


def test_regression(works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot) -> None:
    works.task = "regression"
    trained = works.service.train(
        apply(spec_of("regression", worth=WORTH)), parts_of("regression"), snapshot, run_id="r", attempt="a"
    )
    assert trained.threshold is None
    assert trained.metrics["mae"] == pytest.approx(3.3, abs=0.5)
    scored = works.service.scored(trained)
    assert scored["decision"].equals(scored["score"].alias("decision"))
    assert scored["worth"].null_count() == 0


def test_multiclass(works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot) -> None:
    works.task = "multiclass"
    trained = works.service.train(
        apply(spec_of("multiclass")), parts_of("multiclass"), snapshot, run_id="r", attempt="a", baselines=True
    )
    assert trained.classes == ("high", "low", "mid")
    scored = works.service.scored(trained)
    assert scored.columns[:5] == ["label", "score_0", "score_1", "score_2", "decision"]
    assert set(scored["decision"]) <= {"high", "low", "mid"}
    assert set(trained.score_profile.columns) == {"score_0", "score_1", "score_2"}
    assert trained.metrics["accuracy"] > 0.4
    board = {c.name: c for c in works.runs.get("r").leaderboard}
    assert board["baseline: linear"].metrics["log_loss"] < board["baseline: constant"].metrics["log_loss"]


def test_baselines_stand_beside_the_model(
    works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot
) -> None:
    spec = spec_of(worth=WORTH, threshold="worth")
    works.service.train(apply(spec), parts_of(), snapshot, run_id="r", attempt="a", baselines=True)
    board = {c.name: c for c in works.runs.get("r").leaderboard}
    assert list(board) == ["model", "baseline: constant", "baseline: linear"]
    assert board["baseline: constant"].metrics["auc"] == 0.5
    assert board["baseline: linear"].metrics["auc"] > 0.8
    assert board["baseline: linear"].objective == board["baseline: linear"].metrics["worth"]
    assert board["baseline: constant"].metrics["worth"] > 0  # always flagging earns, with these prices


def test_failures_are_recorded(works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot) -> None:
    applied = apply(spec_of(worth=WORTH))
    with pytest.raises(StepFailed, match="diverged"):
        works.service.train(applied, parts_of(), snapshot, run_id="r", attempt="a", params={"strength": 2.95})
    run = works.runs.get("r")
    assert run.status is RunStatus.FAILED
    assert "diverged" in run.error
    with pytest.raises(InvalidInput, match=r"no parameter depth(.|\n)*declared are strength, rounds, link"):
        works.service.train(applied, parts_of(), snapshot, run_id="r2", attempt="a", params={"depth": 3})
    stop = threading.Event()
    stop.set()
    with pytest.raises(StepCancelled):
        works.service.train(applied, parts_of(), snapshot, run_id="r3", attempt="a", cancel=stop)
    assert works.runs.get("r3").status is RunStatus.CANCELLED
    with pytest.raises(InvalidInput, match="declares no worth"):
        works.service.train(apply(spec_of(threshold="worth")), parts_of(), snapshot, run_id="r4", attempt="a")


def test_tuning_end_to_end(works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot) -> None:
    trained = works.service.train(
        apply(spec_of()), parts_of(), snapshot, run_id="r", attempt="a", tune=8, baselines=True
    )
    run = works.runs.get("r")
    assert [c.name for c in run.leaderboard[:2]] == ["trial 0", "trial 1"]
    assert len(run.leaderboard) == 10
    (best,) = [c for c in run.leaderboard if c.chosen]
    assert best.objective == max(c.objective for c in run.leaderboard[:8] if c.objective is not None)
    assert trained.recipe.params == best.params == run.params
    assert best.params["link"] == "logit"
    assert len(works.runs.list(parent="r")) == 8
    again = works.service.train(apply(spec_of()), parts_of(), snapshot, run_id="r", attempt="a", tune=8, baselines=True)
    assert again == trained
    test_digest = trained.test_rows
    scored_test = [r for r in works.engine.ran if test_digest in r.inputs.values()]
    assert [r.kind for r in scored_test] == [StepKind.SCORE]  # once, by the chosen model


def test_pruned_trials_have_no_model(
    works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot
) -> None:
    fit = works.engine.script[StepKind.FIT]

    def pruning(request: Any, folder: Any, report: Any) -> Any:
        if report(0, -abs(request.arguments["params"]["strength"] - 1.0)):
            return {"pruned": True}
        return fit(request, folder, report)

    works.engine.script[StepKind.FIT] = pruning
    trained = works.service.train(apply(spec_of()), parts_of(), snapshot, run_id="r", attempt="a", tune=12)
    board = works.runs.get("r").leaderboard
    assert {c.state for c in board} >= {"complete", "pruned"}
    assert trained.recipe.params == next(c.params for c in board if c.chosen)
    works.engine.script[StepKind.FIT] = lambda *_: {"pruned": True}
    with pytest.raises(StepFailed, match="ended early"):
        works.service.train(apply(spec_of(seed=3)), parts_of(), snapshot, run_id="r2", attempt="a")


def test_compiled_models(
    compiling_works: tuple[Any, Any], spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot
) -> None:
    works, compiler = compiling_works
    trained = works.service.train(apply(spec_of()), parts_of(), snapshot, run_id="r", attempt="a")
    assert trained.compilation.runtime == "onnx"
    assert works.blobs.get(trained.artifacts["model.onnx"]).startswith(b"compiled")
    assert set(compiler.columns) == {"id", "at", "shop", "x", "z"}
    assert None in compiler.columns["z"]  # validation rows have none; a missing one is tried all the same
    assert len(compiler.scores) == len(compiler.columns["z"]) == 155
    (request,) = [r for r in works.engine.ran if r.kind is StepKind.COMPILE]
    assert request.environment not in ("", "e" * 64)
    assert works.environments.interpreter(request.environment)  # it was built


@pytest.mark.parametrize(
    ("changes", "requirements", "reason"),
    [
        ({"features": FunctionSpec("features")}, "scikit-learn==1.9.0", "Python code of its own"),
        ({}, "torch==2.9", "does not require scikit-learn"),
    ],
)
def test_what_cannot_be_compiled_is_told(
    compiling_works: tuple[Any, Any],
    spec_of: SpecOf,
    parts_of: Any,
    apply: Apply,
    snapshot: Snapshot,
    changes: dict[str, Any],
    requirements: str,
    reason: str,
) -> None:
    works, _ = compiling_works
    lines: list[str] = []
    trained = works.service.train(
        apply(spec_of(**changes), requirements), parts_of(), snapshot, run_id="r", attempt="a", log=lines.append
    )
    assert trained.compilation.runtime == "python"
    assert reason in trained.compilation.reason
    assert any(reason in line for line in lines)
    assert "model.onnx" not in trained.artifacts


def test_a_failing_compiler_is_a_reason(
    compiling_works: tuple[Any, Any], spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot
) -> None:
    works, _ = compiling_works

    def broken(*_: object) -> None:
        raise RuntimeError("unsupported operator")

    works.engine.script[StepKind.COMPILE] = broken
    trained = works.service.train(apply(spec_of()), parts_of(), snapshot, run_id="r", attempt="a")
    assert "unsupported operator" in trained.compilation.reason
    works.engine.script[StepKind.COMPILE] = lambda *_: {"ok": False, "reason": "no converter for Frob"}
    trained = works.service.train(apply(spec_of(seed=5)), parts_of(), snapshot, run_id="r2", attempt="a")
    assert trained.compilation.reason == "no converter for Frob"


def test_a_model_that_cannot_take_missing_values_is_not_compiled(
    compiling_works: tuple[Any, Any], spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot
) -> None:
    works, _ = compiling_works
    score = works.engine.script[StepKind.SCORE]

    def strict(request: Any, folder: Any, report: Any) -> Any:
        if pl.read_parquet(folder / "rows.parquet")["z"].null_count():
            raise ValueError("Input z contains NaN")
        return score(request, folder, report)

    works.engine.script[StepKind.SCORE] = strict
    trained = works.service.train(apply(spec_of()), parts_of(), snapshot, run_id="r", attempt="a")
    assert trained.compilation.runtime == "python"
    assert "Input z contains NaN" in trained.compilation.reason
    assert trained.compilation.python_us == 250.0
