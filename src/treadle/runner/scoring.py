"""From rows to scores with a fitted model: what the SCORE step and the serving worker both do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from treadle.domain.errors import InvalidInput
from treadle.runner import estimators, frames
from treadle.runner.loading import LoadedModel


class ModelScorer:
    """Scores rows with one fitted model, through ``@features`` and ``@predict`` where they are declared.

    ``classes`` are those that the scores of a multiclass model stand for, in order, as Python's own values.
    """

    def __init__(self, loaded: LoadedModel, fitted: Any) -> None:
        self._fitted = fitted
        self._spec = loaded.spec
        self._features = loaded.model.functions.get("features")
        self._predict = loaded.model.functions.get("predict")
        self._columns = [column.name for column in self._spec.features_in]
        self.classes: list[Any] = self._known_classes()

    def score(self, rows: frames.Table) -> list[float] | list[list[float]]:
        """A score a row: the probability of true (binary), one for each class (multiclass), the number (regression).

        ``rows`` have the columns of a request; the label is taken away where they have it. Raises InvalidInput where
        a column is missing or the model answers something else, and whatever the model's code raises.
        """
        missing = [name for name in self._columns if name not in rows.names]
        if missing:
            raise InvalidInput(f"the rows lack {', '.join(missing)}", hint="send all columns of the row class")
        table = rows.select(self._columns)
        frame = table.to_frame(self._first_kind())
        if self._features is not None:
            frame = self._features(frame)
        if self._predict is not None:
            if self._features is not None and self._spec.predict is not None:
                whose = f"features function {self._features.__name__}"
                frame = frames.of_frame(frame, whose).to_frame(self._spec.predict.frame)
            whose = f"predict function {self._predict.__name__}"
            return self._shaped(estimators.as_matrix(self._predict(self._fitted, frame), rows.height, whose), whose)
        answer, whose = self._derived(frame)
        return self._shaped(estimators.as_matrix(answer, rows.height, whose), whose)

    def table(self, scores: Sequence[Any]) -> frames.Table:
        """Scores as columns: ``score``, or ``score_0`` ... for multiclass models."""
        if self._spec.task != "multiclass":
            return frames.of_columns({"score": [float(value) for value in scores]})
        count = len(self.classes)
        return frames.of_columns({f"score_{i}": [float(row[i]) for row in scores] for i in range(count)})

    def _first_kind(self) -> str:
        spec = self._spec
        first = spec.features or spec.predict or spec.train
        return "polars" if first is None else first.frame

    def _derived(self, frame: Any) -> tuple[Any, str]:
        names = getattr(self._fitted, "feature_names_in_", None)
        if self._features is None and names is not None and set(names) <= set(self._columns):
            frame = frames.of_frame(frame, "the rows").select([str(n) for n in names]).to_frame(self._first_kind())
        if self._spec.task == "regression":
            return self._method("predict")(frame), "predict of the fitted model"
        return self._method("predict_proba")(frame), "predict_proba of the fitted model"

    def _method(self, name: str) -> Any:
        method = getattr(self._fitted, name, None)
        if method is None:
            raise InvalidInput(
                f"the fitted model is a {type(self._fitted).__qualname__}, which has no {name}",
                hint=f"return an estimator that has it, or declare @{self._spec.name}.predict",
            )
        return method

    def _shaped(self, scores: list[Any], whose: str) -> list[Any]:
        rows = bool(scores) and isinstance(scores[0], list)
        width = len(scores[0]) if rows else 1
        if self._spec.task == "multiclass":
            if scores and (not rows or width != len(self.classes)):
                raise InvalidInput(
                    f"{whose} gave {width} scores a row for the {len(self.classes)} classes "
                    + ", ".join(str(c) for c in self.classes),
                    hint="return a probability for each class, in that order",
                )
            return scores
        if not rows:
            return scores
        if width == 1 and self._spec.task == "regression":
            return [row[0] for row in scores]
        if self._spec.task == "binary" and width in (1, 2):
            return self._of_true(scores, width)
        raise InvalidInput(f"{whose} gave {width} scores a row", hint="return one score a row")

    def _of_true(self, scores: list[list[float]], width: int) -> list[float]:
        if width == 2:
            return [row[1] for row in scores]
        if self._predict is None and self.classes and not self.classes[0]:
            return [1.0 - row[0] for row in scores]
        return [row[0] for row in scores]

    def _known_classes(self) -> list[Any]:
        if self._spec.task == "regression":
            return []
        if self._spec.task == "binary" and self._predict is not None:
            return [False, True]
        found = estimators.classes(self._fitted)
        if found is not None:
            return found
        if self._spec.task == "binary":
            return [False, True]
        allowed = self._spec.column(self._spec.label).one_of
        if allowed is None:
            raise InvalidInput(
                f"the classes of model {self._spec.name!r} are unknown: its fitted model has no classes_",
                hint=f"declare them in their order: {self._spec.label}: Col[str] = col(one_of=[...])",
            )
        return list(allowed)
