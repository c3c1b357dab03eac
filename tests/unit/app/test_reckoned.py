"""The last report of each model outlives the process that reckoned it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from treadle.app.reckoned import Reckoned
from treadle.domain.errors import InvalidInput
from treadle.domain.monitoring import Measured

NOW = datetime(2013, 5, 1, tzinfo=UTC)


def test_a_report_is_there_until_the_next_one(tmp_path: Path) -> None:
    gains = iter([1.5, 1.25])
    reckoned = Reckoned(tmp_path / "reports", lambda _model: Measured(next(gains)), lambda: NOW)
    assert reckoned.last("flights") == {"reckoned_at": None, "report": None}
    assert reckoned.anew("flights")["value"] == 1.5
    another = Reckoned(tmp_path / "reports", lambda _model: None, lambda: NOW)
    assert another.last("flights")["report"]["value"] == 1.5
    assert another.last("flights")["reckoned_at"].startswith("2013-05-01T00:00:00")
    assert reckoned.anew("flights")["value"] == 1.25
    assert another.last("flights")["report"]["value"] == 1.25
    assert another.last("bikes")["report"] is None


def test_one_that_fails_leaves_the_last_one(tmp_path: Path) -> None:
    answers = iter([Measured(1.0)])

    def reckon(model: str) -> Measured:
        for answer in answers:
            return answer
        raise InvalidInput(f"model {model!r} has answered nothing yet", hint="send it predictions first")

    reckoned = Reckoned(tmp_path, reckon, lambda: NOW)
    reckoned.anew("flights")
    with pytest.raises(InvalidInput):
        reckoned.anew("flights")
    assert reckoned.last("flights")["report"]["value"] == 1.0
