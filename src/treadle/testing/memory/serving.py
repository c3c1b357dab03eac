"""A clock moved by hand, and stand-ins for what runs models."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from treadle.domain import codec
from treadle.domain.errors import NotFound
from treadle.domain.models import CodeTree, EnvironmentLock
from treadle.domain.versions import Compilation
from treadle.ports.blobs import Blobs
from treadle.ports.steps import LogLine


class ManualClock:
    """``ports.Clock`` that stands still until a test moves it."""

    def __init__(self, at: datetime = datetime(2013, 1, 1, tzinfo=UTC)) -> None:
        self._at = at

    def now(self) -> datetime:
        """The present, aware, in UTC."""
        return self._at

    def set(self, at: datetime) -> None:
        """Move to a time."""
        self._at = at.astimezone(UTC)

    def forward(self, by: timedelta) -> datetime:
        """Move on, and tell the new present."""
        self._at += by
        return self._at


class ConstantPredictor:
    """``ports.Predictor`` that gives every row the same score."""

    def __init__(self, score: Any) -> None:
        self.score = score
        self.closed = False

    async def predict(self, columns: Mapping[str, Sequence[Any]], rows: int) -> list[Any]:  # noqa: ARG002
        """The score, once a row."""
        return [self.score] * rows

    async def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


class TrustingCompiler:
    """``ports.Compiler`` that finds the compiled model ``difference`` off, without running it."""

    def __init__(self, difference: float = 0.0) -> None:
        self.difference = difference

    def compare(
        self,
        onnx: bytes,
        columns: Mapping[str, Sequence[Any]],  # noqa: ARG002  the port's signature
        scores: Sequence[Any],
        *,
        spec_json: str,  # noqa: ARG002  the port's signature
        tolerance: float,
        python_us: float | None = None,
    ) -> Compilation:
        """``onnx`` where the difference is within the tolerance."""
        agrees = self.difference <= tolerance
        return Compilation(
            "onnx" if agrees else "python",
            "" if agrees else f"scores differ by {self.difference:g}",
            rows=len(scores),
            difference=self.difference,
            tolerance=tolerance,
            python_us=python_us,
            size=len(onnx),
        )


class MemoryEnvironments:
    """``ports.Environments`` whose every environment is the test's own interpreter."""

    def __init__(self) -> None:
        self._built: set[str] = set()

    def lock(self, requirements: Sequence[str], requires_python: str | None = None) -> EnvironmentLock:  # noqa: ARG002
        """The requirements as they are, sorted."""
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        text = "\n".join(sorted(requirements))
        return EnvironmentLock(text, python, codec.digest([text, python]))

    def build(self, lock: EnvironmentLock, *, log: LogLine | None = None) -> str:  # noqa: ARG002
        """Note that it was built; return its digest."""
        self._built.add(lock.digest)
        return lock.digest

    def interpreter(self, digest: str) -> str:
        """The running interpreter. Raises NotFound before :meth:`build`."""
        if digest not in self._built:
            raise NotFound(f"there is no environment {digest}")
        return sys.executable


class MemoryCodeTrees:
    """``ports.CodeTrees`` laid out of blobs in a folder of the test's."""

    def __init__(self, folder: Path, blobs: Blobs) -> None:
        self._folder = folder
        self._blobs = blobs

    def checkout(self, tree: CodeTree) -> str:
        """Lay a tree out unless it is there; return the absolute path of its folder."""
        folder = self._folder / tree.digest
        if not folder.exists():
            for name, digest in tree.files.items():
                self._blobs.fetch(digest, folder / name)
        return str(folder.absolute())
