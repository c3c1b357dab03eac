"""What a plan lists."""

from __future__ import annotations

from datetime import UTC, datetime

from treadle.domain.models import AppliedModel, CodeTree, EnvironmentLock
from treadle.loop.plan import difference
from treadle.spec.model_spec import ColumnSpec, ModelSpec

SPEC = ModelSpec(
    name="rides",
    doc="",
    row="Ride",
    columns=(ColumnSpec("hum", "float", ge=0.0, le=100.0), ColumnSpec("cnt", "float")),
    label="cnt",
    task="regression",
    threshold=0.0,
)


def test_a_zero_that_was_declared_is_listed() -> None:
    code = CodeTree("model.py", {}, "c", "/code", None, False)
    lock = EnvironmentLock("e", "", "3.11")
    applied = AppliedModel("rides", 1, SPEC.to_json(), SPEC.digest, code, lock, datetime(2024, 1, 1, tzinfo=UTC))
    listed = {change.path: change.after for change in difference(None, applied)}
    assert listed["columns[hum].ge"] == 0.0
    assert listed["threshold"] == 0.0
    assert "doc" not in listed
    assert "columns[hum].nullable" not in listed
