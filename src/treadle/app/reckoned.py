"""The last report of each model, kept in the home: reckoning one scores every row anew, reading one does not."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from treadle.domain import codec


class Reckoned:
    """Reckons reports one at a time, and keeps the last of each model as a JSON file in ``folder``."""

    def __init__(self, folder: Path, reckon: Callable[[str], Any], now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._reckon = reckon
        self._now = now
        self._one = threading.Lock()

    def anew(self, model: str) -> dict[str, Any]:
        """Reckon a model's report as plain data and keep it. Raises what ``reckon`` raises."""
        with self._one:
            report: dict[str, Any] = codec.to_plain(self._reckon(model))
            self._folder.mkdir(exist_ok=True)
            path = self._path(model)
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps({"reckoned_at": codec.to_plain(self._now()), "report": report}))
            fresh.replace(path)
            return report

    def last(self, model: str) -> dict[str, Any]:
        """``{"reckoned_at", "report"}`` as it was reckoned last; both None where it never was."""
        try:
            found: dict[str, Any] = json.loads(self._path(model).read_bytes())
        except FileNotFoundError:
            return {"reckoned_at": None, "report": None}
        return found

    def _path(self, model: str) -> Path:
        return self._folder / f"{model}.json"
