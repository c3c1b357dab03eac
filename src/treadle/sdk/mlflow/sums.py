"""Checksums of what is moved, whatever order a store gives it in."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from treadle.sdk.mlflow.records import Artifact, Point, Run

FileSums = dict[str, str]
"""The digest of each file by its path."""

_BYTES = 16
_READ = 1024 * 1024


@dataclass
class PointSum:
    """How many different points, and the sum of their digests: the same for the same set of points."""

    count: int = 0
    total: int = 0

    def add(self, point: Point) -> None:
        """Count a point. The greatest number is as good as infinity, which some stores do not know."""
        value = min(max(point.value, -sys.float_info.max), sys.float_info.max)
        text = f"{point.key}\0{point.step}\0{point.timestamp}\0{value!r}"
        digest = hashlib.blake2b(text.encode(), digest_size=_BYTES).digest()
        self.count += 1
        self.total = (self.total + int.from_bytes(digest)) % 2 ** (8 * _BYTES)

    def passing(self, points: Iterable[Point]) -> Iterator[Point]:
        """Count points on their way. One that is told several times in a row, of several models, counts once."""
        last = None
        for point in points:
            bare = (point.key, point.step, point.timestamp, repr(point.value))
            if bare != last:
                self.add(point)
            last = bare
            yield point


def sum_points(points: Iterable[Point]) -> PointSum:
    """The sum of points."""
    found = PointSum()
    for _ in found.passing(points):
        pass
    return found


def file_sums(artifacts: Iterable[Artifact]) -> FileSums:
    """The digests of files."""
    sums = {}
    for artifact in artifacts:
        with artifact.open() as file:
            sums[artifact.path] = _digest(file)
    return sums


def run_sum(run: Run, points: PointSum, files: FileSums) -> str:
    """One text for a run: how many points and files, and a digest of all of it."""
    summed = hashlib.sha256(f"{points.count} {points.total}".encode())
    for kind, values in (("param", run.params), ("tag", run.tags), ("file", files)):
        for key, value in sorted(values.items()):
            summed.update(f"{kind}\0{key}\0{value}\0".encode())
    return f"{points.count} points, {len(files)} files, sha256 {summed.hexdigest()}"


def _digest(file: Path) -> str:
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
