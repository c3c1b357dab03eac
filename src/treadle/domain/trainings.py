"""What a training made, before it is registered as a version."""

from __future__ import annotations

from dataclasses import dataclass, field

from treadle.domain.data import Profile
from treadle.domain.versions import Compilation, Recipe


@dataclass(frozen=True)
class Trained:
    """One fitted model with everything that gates and the registry need.

    ``run`` is the id of its run. ``artifacts`` maps ``model.pkl`` and, where it may be served, ``model.onnx`` to blob
    digests. ``rows`` counts the rows of each part (``train``, ``validation``, ``test``) and those left out
    (``immature``, ``unlabelled``). ``metrics`` are of validation rows; test rows are for gates alone:
    ``test_rows`` is the blob of these rows, ``test_scores`` the blob of them with scores, decisions and worth, row
    by row in the same order. ``profile`` describes the training rows, ``score_profile`` the scores on test rows.
    """

    model: str
    run: str
    recipe: Recipe
    artifacts: dict[str, str]
    classes: tuple[str, ...]
    threshold: float | None
    metrics: dict[str, float]
    compilation: Compilation
    validation_rows: str
    test_rows: str
    test_scores: str
    profile: Profile
    score_profile: Profile
    rows: dict[str, int] = field(default_factory=dict)
