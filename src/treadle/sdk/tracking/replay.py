"""What earlier processes left on disk, delivered now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from treadle.domain.errors import CorruptData
from treadle.sdk.tracking.delivery import Delivery, ParkedError
from treadle.sdk.tracking.server import AwayError, TrackingServer
from treadle.sdk.tracking.spool import Spool, has_writer, left_behind


@dataclass(frozen=True)
class Replayed:
    """What became of a spool: ``sent``, or ``kept`` because of ``trouble``. ``refused`` things stay in ``folder``."""

    run: str
    name: str
    server: str
    folder: Path
    sent: bool
    trouble: str = ""
    refused: int = 0


def replay(
    root: Path, *, server: str | None = None, only: str | None = None, run: str | None = None
) -> Iterator[Replayed]:
    """Deliver all spools whose writers are gone.

    To ``server``, or each to its own; ``only`` those that were meant for one server, or for one run. A run whose client
    ended without a word is ended as failed, unless another process writes to it.
    """
    away: dict[str, str] = {}
    for spool in left_behind(root):
        with closing(spool):
            header = spool.header
            if (only is not None and header.server != only) or (run is not None and header.run != run):
                continue
            url = server or header.server
            trouble = away.get(url) or _deliver(root, spool, url, away)
            refused = spool.refused
            if not trouble:
                spool.remove()
            yield Replayed(header.run, header.name, url, spool.folder, not trouble, trouble, refused)


def _deliver(root: Path, spool: Spool, url: str, away: dict[str, str]) -> str:
    """Deliver a spool; what went wrong, if anything."""
    if url != spool.header.server:
        spool.header = replace(spool.header, server=url)
    with closing(TrackingServer(url)) as server:
        try:
            orphaned = not has_writer(root, spool.header.run, beside=spool.folder)
            Delivery(spool, server).deliver(final=True, orphaned=orphaned)
        except AwayError as error:
            away[url] = str(error)
            return str(error)
        except (ParkedError, CorruptData) as error:
            return str(error)
    return ""
