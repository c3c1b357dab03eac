"""A model's code and environment, ready to run steps in; and rows as Parquet blobs between them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from treadle.domain.models import AppliedModel
from treadle.domain.steps import StepKind, StepRequest
from treadle.domain.versions import ModelVersion
from treadle.ports.blobs import Blobs

ROWS, TRAIN, VALIDATION = "rows.parquet", "train.parquet", "validation.parquet"
SCORES, WORTH = "scores.parquet", "worth.parquet"
MODEL, ONNX = "model.pkl", "model.onnx"

ROW_GROUP = 131_072


@dataclass(frozen=True)
class ModelCode:
    """Where steps of one model run: its code tree and environment, by digest."""

    model: str
    code: str
    entry: str
    environment: str
    root: str

    @staticmethod
    def of(source: AppliedModel | ModelVersion) -> ModelCode:
        """Of an applied revision, or of a version's own recipe."""
        if isinstance(source, AppliedModel):
            tree = source.code
            return ModelCode(source.name, tree.digest, tree.entry, source.environment.digest, tree.root)
        recipe = source.recipe
        return ModelCode(
            source.model, recipe.code_digest, source.code_entry, recipe.environment_digest, source.code_root
        )

    def request(
        self,
        kind: StepKind,
        inputs: Mapping[str, str],
        arguments: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        environment: str | None = None,
        run: str | None = None,
    ) -> StepRequest:
        """A cacheable step; ``environment`` takes the place of the model's own, ``run`` gets what the step logs."""
        return StepRequest(
            kind,
            model=self.model,
            code=self.code,
            entry=self.entry,
            environment=environment or self.environment,
            root=self.root,
            inputs=inputs,
            arguments=arguments or {},
            seed=seed,
            run=run,
        )


def write(blobs: Blobs, frame: pl.DataFrame) -> str:
    """Store rows as one Parquet blob; equal rows give an equal blob, however they lie in memory."""
    buffer = io.BytesIO()
    frame.rechunk().write_parquet(buffer, compression="zstd", compression_level=1, row_group_size=ROW_GROUP)
    return blobs.put(buffer.getvalue())


def read(blobs: Blobs, digest: str) -> pl.DataFrame:
    """The rows of a Parquet blob. Raises NotFound."""
    path = blobs.path(digest)
    return pl.read_parquet(path if path is not None else io.BytesIO(blobs.get(digest)))
