"""``treadle gc``: what is deleted for good, in one home."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from treadle.app.processes import alone
from treadle.app.settings import settings
from treadle.app.wiring import USE_LOCK, open_ground
from treadle.domain.errors import Conflict, InvalidInput
from treadle.ports.blobs import Blobs
from treadle.storage.artifacts.local_artifacts import LocalArtifacts
from treadle.storage.sql.references import DIGEST
from treadle.storage.sql.store import SqlStore
from treadle.train.garbage import Garbage, GarbageService

_AGE = re.compile(r"(?:(\d{1,6})w)?(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
_NAME = re.compile(r"[0-9a-f]{64}")
UPLOAD_AGE = 24 * 3600.0
"""Seconds after which a cut upload is forgotten, however young garbage may be."""
JSON_STARTS = (b"{", b"[")
CHUNK = 4 * 1024 * 1024
OVERLAP = 63


@dataclass(frozen=True)
class Leftovers:
    """Things named by a digest that nothing names any more."""

    blobs: int = 0
    code_trees: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Collected:
    """What was freed, or would be. ``kept`` says what was left alone, and why."""

    dry_run: bool
    tracking: Garbage
    uploads: int
    leftovers: Leftovers
    kept: tuple[str, ...]


def parse_age(text: str) -> timedelta:
    """An age such as ``30d`` or ``1d12h``. Raises InvalidInput."""
    match = _AGE.fullmatch(text)
    if not text or match is None or not text.isascii():
        raise InvalidInput(f"--older-than {text!r} is no age", hint="write it as 30d, 12h or 1w2d3h4m5s")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def collect(home: str | Path | None, *, older_than: timedelta, dry_run: bool) -> Collected:
    """Free what was deleted for longer than ``older_than``; with ``dry_run``, only tell.

    Blobs and code trees go where nobody else uses the home: what no record names then, nobody can find again. The
    environments of models stay, since those that are derived from others are named nowhere.
    """
    where = settings(home)
    if not where.home.is_dir():
        raise InvalidInput(f"there is no home {where.home}", hint="give it with --home")
    artifacts = LocalArtifacts(where.home / "artifacts")
    with contextlib.ExitStack() as held:
        alone_here = _held(held, where.home)
        ground = open_ground(where, use=False)
        held.callback(ground.close)
        service = GarbageService(ground.store.tracking, artifacts, ground.store.logged_models, ground.store.registered)
        before = ground.clock.now() - older_than
        garbage = service.find(before) if dry_run else service.free(before)
        uploads = 0 if dry_run else artifacts.sweep(max(UPLOAD_AGE, older_than.total_seconds()))
        leftovers = Leftovers()
        kept = ["blobs and code trees: a server or a run uses this home"]
        if alone_here:
            leftovers = _leftovers(where.home, ground.store, ground.blobs, older_than.total_seconds(), dry_run)
            kept = []
    kept += [f"artifacts at {uri}: this server does not serve them" for uri in garbage.elsewhere]
    kept += [f"artifacts in {place}: a version of a registered model lies there" for place in garbage.needed]
    return Collected(dry_run, garbage, uploads, leftovers, tuple(kept))


def _held(held: contextlib.ExitStack, home: Path) -> bool:
    """Whether nobody else uses the home until the end."""
    try:
        for name in ("server.lock", USE_LOCK):
            held.enter_context(alone(home / name))
    except Conflict:
        return False
    return True


def _leftovers(home: Path, store: SqlStore, blobs: Blobs, age: float, dry_run: bool) -> Leftovers:
    needed = _needed(home, store, blobs)
    oldest = time.time() - age
    spare = [digest for digest in blobs.digests() if digest not in needed]
    old = [digest for digest in spare if (path := blobs.path(digest)) is not None and path.stat().st_mtime < oldest]
    size = sum(path.stat().st_size for digest in old if (path := blobs.path(digest)) is not None)
    folders = _spare_folders(home / "code", needed, oldest)
    if not dry_run:
        for digest in old:
            blobs.delete(digest)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    return Leftovers(len(old), len(folders), size)


def _needed(home: Path, store: SqlStore, blobs: Blobs) -> frozenset[str]:
    """Digests that the metadata or a JSON file of the home names, and those that named blobs name in turn."""
    needed = set(store.named_digests())
    for path in (*home.glob("*.json"), *home.glob("reports/*.json"), *home.glob("gateways/*.json")):
        needed.update(_digests_in([path.read_bytes()]))
    waiting = list(needed)
    while waiting:
        blob = blobs.path(waiting.pop())
        if blob is not None:
            found = _digests_in(_json_chunks(blob)) - needed
            needed |= found
            waiting += found
    return frozenset(needed)


def _json_chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file that is JSON; nothing of other files: rows and models name no blobs."""
    with path.open("rb") as file:
        tail = file.read(1)
        if tail not in JSON_STARTS:
            return
        while chunk := file.read(CHUNK):
            yield tail + chunk
            tail = chunk[-OVERLAP:]


def _digests_in(chunks: Iterable[bytes]) -> set[str]:
    return {match.group(1) for chunk in chunks for match in DIGEST.finditer(chunk.decode("latin-1"))}


def _spare_folders(root: Path, needed: frozenset[str], oldest: float) -> list[Path]:
    if not root.is_dir():
        return []
    named = [path for path in root.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    return [path for path in named if path.name not in needed and path.stat().st_mtime < oldest]


def lines(collected: Collected) -> Iterator[str]:
    """What was done, for people."""
    garbage, left = collected.tracking, collected.leftovers
    counts: Mapping[str, int] = {
        "experiments": len(garbage.experiments),
        "runs": len(garbage.runs),
        "logged models": len(garbage.models),
        "folders of runs that are no more": len(garbage.orphans),
        "files of artifacts": garbage.files,
        "uploads that were cut": collected.uploads,
        "blobs": left.blobs,
        "code trees": left.code_trees,
    }
    verb = "would free" if collected.dry_run else "freed"
    told = [f"{count:,} {what}" for what, count in counts.items() if count]
    yield f"{verb} {', '.join(told) or 'nothing'} ({(garbage.bytes + left.bytes) / 1e6:,.1f} MB)"
    for reason in collected.kept:
        yield f"kept {reason}"
