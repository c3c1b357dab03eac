"""A project around a model file: data, tests, Makefile, CI, README."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from treadle.domain.errors import Conflict, InvalidInput
from treadle.scaffold import sample, surroundings
from treadle.scaffold.guess import Wishes, guess
from treadle.scaffold.plan import ModelPlan
from treadle.scaffold.profile import profile_file
from treadle.scaffold.write import write_model

MODEL, TESTS = "model.py", "tests/test_model.py"
LARGEST_COPY = 100_000_000
"""Bytes; larger data files stay where they are, and the model file names their absolute path."""


@dataclass(frozen=True, eq=False)
class Project:
    """What was written where. ``kept`` names files that were there already and stay as they were."""

    folder: Path
    plan: ModelPlan
    written: tuple[str, ...]
    kept: tuple[str, ...]
    data: Path


def create(folder: Path, *, data: Path | None = None, wishes: Wishes | None = None, force: bool = False) -> Project:
    """Write a project into a folder: for a file of ``data`` with a target among the ``wishes``, else with a sample.

    The data file is copied there unless it lies there already or is larger than 100 MB. Of files that exist, those
    that surround the model (README, Makefile, CI) stay as they are. Raises Conflict, and writes nothing, where a model
    file, its test or other data of that name exist, unless ``force`` overwrites all; InvalidInput for data and wishes
    that will not do.
    """
    _check_folder(folder)
    if data is None:
        return _with_sample(folder, wishes or Wishes(sample.TARGET, name=sample.NAME), force)
    plan = guess(profile_file(data), wishes or Wishes(None))
    place = _place(folder, data)
    copies = {place: data} if place is not None else {}
    path = data.resolve() if place is None else folder / place
    relative = place or str(_below(folder, data) or path)
    return _write(folder, plan, relative, copies, force, path)


def _with_sample(folder: Path, wishes: Wishes, force: bool) -> Project:
    """A project of parcels, whose table is written first: it is read as any other."""
    target = folder / sample.FILE
    text = sample.table()
    if target.exists() and target.read_text(encoding="utf-8") != text and not force:
        raise _exists(folder, [sample.FILE])
    _check_free(folder, force)
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    plan = guess(profile_file(target), wishes)
    project = _write(folder, plan, sample.FILE, {}, force, target)
    return Project(folder, plan, (sample.FILE, *project.written), project.kept, target)


def _write(
    folder: Path, plan: ModelPlan, relative: str, copies: Mapping[str, Path], force: bool, data: Path
) -> Project:
    _check_free(folder, force, *copies)
    needed = {MODEL: write_model(plan, relative), TESTS: surroundings.test_file(plan)}
    around = surroundings.files(plan)
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in copies.items():
        if not _same_file(folder / name, source):
            shutil.copyfile(source, folder / name)
    written = [*copies]
    kept = []
    for name, text in (needed | around).items():
        path = folder / name
        if path.exists() and not force:
            kept.append(name)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(name)
    return Project(folder, plan, tuple(written), tuple(kept), data)


def _place(folder: Path, data: Path) -> str | None:
    """Where in the folder a copy of the data goes; None where it is not to be copied."""
    if _below(folder, data) is not None or data.stat().st_size > LARGEST_COPY:
        return None
    return data.name


def _below(folder: Path, data: Path) -> Path | None:
    """The path of data that lies in the folder or below, from there."""
    try:
        found = data.resolve().relative_to(folder.resolve())
    except ValueError:
        return None
    return None if any(part.startswith(".") for part in found.parts) else found


def _check_folder(folder: Path) -> None:
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise InvalidInput(f"{place} is a file, not a folder", hint="name another folder")


def _check_free(folder: Path, force: bool, *more: str) -> None:
    there = [name for name in (MODEL, TESTS, *more) if (folder / name).exists()]
    if there and not force:
        raise _exists(folder, there)


def _exists(folder: Path, names: list[str]) -> Conflict:
    return Conflict(
        f"{folder} has {', '.join(names)} already; nothing was written",
        hint="name another folder, or overwrite with --force",
    )


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and one.samefile(other)
