from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from treadle.domain.data import Snapshot
from treadle.domain.errors import InvalidInput
from treadle.domain.models import AppliedModel
from treadle.domain.steps import StepKind
from treadle.domain.trainings import Trained
from treadle.domain.versions import ModelVersion
from treadle.spec.model_spec import FunctionSpec, ModelSpec
from treadle.train import measures
from treadle.train.compiling import MISSING_EACH, SAMPLE, sample_rows
from treadle.train.scoring import scored_rows

SpecOf = Callable[..., ModelSpec]
Apply = Callable[..., AppliedModel]
WORTH = FunctionSpec("worth")


def version_of(applied: AppliedModel, trained: Trained, code: str = "c" * 64) -> ModelVersion:
    now = datetime(2024, 5, 1, tzinfo=UTC)
    return ModelVersion(
        model=trained.model,
        number=1,
        created_at=now,
        as_of=now,
        run=trained.run,
        attempt="a",
        recipe=trained.recipe,
        recipe_digest=trained.recipe.digest,
        artifacts=trained.artifacts,
        artifact_digest="d",
        threshold=trained.threshold,
        compilation=trained.compilation,
        spec_json=applied.spec_json,
        code_entry="model.py",
        code_root="/old",
    )


def test_scoring_a_version_again_is_what_its_training_saw(
    works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot
) -> None:
    applied = apply(spec_of(worth=WORTH, threshold="worth"))
    trained = works.service.train(applied, parts_of(), snapshot, run_id="r", attempt="a")
    steps = len(works.engine.ran)
    rows = works.service.keep_rows(parts_of().test)
    assert rows == trained.test_rows
    assert works.service.score(version_of(applied, trained), rows).equals(works.service.scored(trained))
    assert len(works.engine.ran) == steps


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_worth_is_that_of_the_other_where_asked(
    works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot, task: str
) -> None:
    works.task = task
    old = apply(spec_of(task))
    trained = works.service.train(old, parts_of(task), snapshot, run_id="r", attempt="a")
    version = version_of(old, trained)
    assert works.service.score(version, trained.test_rows)["worth"].null_count() == 200
    new = apply(spec_of(task, worth=WORTH))
    valued = works.service.score(version, trained.test_rows, valued_by=new)
    assert valued["worth"].null_count() == 0
    assert valued.drop("worth").equals(works.service.scored(trained).drop("worth"))


def test_rows_of_another_schema(works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot) -> None:
    applied = apply(spec_of())
    trained = works.service.train(applied, parts_of(), snapshot, run_id="r", attempt="a")
    rows = works.service.keep_rows(parts_of().test.drop("z", "shop"))
    with pytest.raises(InvalidInput, match="they lack shop, z"):
        works.service.score(version_of(applied, trained), rows)


def test_scored_rows_without_time(spec_of: SpecOf, parts_of: Any) -> None:
    rows = parts_of().test
    scores = pl.DataFrame({"score": [0.5] * rows.height})
    scored = scored_rows(spec_of(time=None), rows, scores, None)
    assert "time" not in scored.columns
    assert scored["decision"].all()


def test_objective(spec_of: SpecOf) -> None:
    assert [measures.objective(spec_of(t)).name for t in ("binary", "multiclass", "regression")] == [
        "auc",
        "log_loss",
        "mae",
    ]
    assert measures.objective(spec_of(worth=WORTH)).name == "worth"
    assert measures.objective(spec_of(worth=WORTH, objective="brier")).higher_is_better is False
    for name in ("mae", "latency_p99", "nonsense"):
        with pytest.raises(InvalidInput, match=f"'{name}' cannot be the objective"):
            measures.objective(spec_of(objective=name))
    with pytest.raises(InvalidInput, match="'bias' cannot be"):
        measures.objective(spec_of("regression", objective="bias"))


def test_one_class_on_validation_rows(
    works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot
) -> None:
    parts = parts_of()
    parts = parts._replace(validation=parts.validation.with_columns(y=pl.lit(value=True)))
    trained = works.service.train(apply(spec_of()), parts, snapshot, run_id="r", attempt="a")
    assert "auc" not in trained.metrics
    assert "log_loss" in trained.metrics


def test_a_score_that_is_no_number(
    works: Any, spec_of: SpecOf, parts_of: Any, apply: Apply, snapshot: Snapshot
) -> None:
    def nan(_request: Any, folder: Any, _report: Any) -> Any:
        height = pl.read_parquet(folder / "rows.parquet").height
        pl.DataFrame({"score": [float("nan")] * height}).write_parquet(folder / "scores.parquet")
        return {"classes": []}

    works.engine.script[StepKind.SCORE] = nan
    with pytest.raises(InvalidInput, match="no finite score"):
        works.service.train(apply(spec_of()), parts_of(), snapshot, run_id="r", attempt="a")


def test_sample_holds_missing_values(spec_of: SpecOf, parts_of: Any) -> None:
    rows = pl.concat([parts_of().train] * 10)
    sample = sample_rows(spec_of(), rows)
    assert sample.height <= SAMPLE + MISSING_EACH
    assert sample["z"].null_count() == MISSING_EACH
    one = rows.with_columns(z=pl.when(pl.int_range(pl.len()) == 3001).then(None).otherwise("z"))
    found = sample_rows(spec_of(), one)
    assert found["z"].null_count() == 1
    assert found["x"][-1] == rows["x"][3001]
