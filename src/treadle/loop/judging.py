"""A version held against its gates, as the loop and a run without a server do it."""

from __future__ import annotations

from treadle.data.splits import split
from treadle.domain.gates import GateReport
from treadle.domain.versions import ModelVersion
from treadle.evaluation.gates import evaluate
from treadle.evaluation.rows import ScoredRows
from treadle.loop.figures import figures_of
from treadle.loop.stages import Stages
from treadle.loop.watching import Say
from treadle.ports.steps import Cancel
from treadle.spec.model_spec import ModelSpec


def judge(
    stages: Stages, version: ModelVersion, champion: int | None, say: Say, cancel: Cancel | None = None
) -> GateReport:
    """Hold a version against its gates on its held-out rows, beside the champion on the very same rows."""
    spec = ModelSpec.from_json(version.spec_json)
    frame = stages.data.load(version.recipe.snapshot_digest)
    rows = stages.train.keep_rows(split(spec, frame, version.as_of).test)
    say("scoring the challenger")
    challenger = stages.train.score(version, rows, cancel=cancel)
    beside = None
    if champion is not None:
        say("scoring the champion on the same rows")
        reigning = stages.registry.get(version.model, champion)
        scored = stages.train.score(reigning, rows, valued_by=version, cancel=cancel)
        beside = ScoredRows.of(scored, spec.task, reigning.classes)
    say("comparing")
    rows_scored = ScoredRows.of(challenger, spec.task, version.classes)
    return evaluate(spec.gates, rows_scored, beside, service=figures_of(version.compilation))
