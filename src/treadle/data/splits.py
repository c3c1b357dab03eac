"""Which rows train, which validate and which are kept for the gates.

Only rows whose label has had its time to come take part: of a row younger than the horizon only the quick labels
are known, and they are not like the others.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from treadle.domain.errors import DataRejected, InvalidInput
from treadle.spec.model_spec import ModelSpec, SplitSpec

LEAST = 10
"""The fewest rows that a part may have."""


@dataclass(frozen=True)
class Split:
    """Rows by their use; every one is labelled. By time: all of ``train`` before ``validation`` before ``test``.

    ``immature`` counts rows that are younger than the horizon, ``unlabelled`` older ones whose label never came;
    neither kind is in a part.
    """

    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    immature: int
    unlabelled: int


def split(spec: ModelSpec, frame: pl.DataFrame, as_of: datetime) -> Split:
    """Part the rows of a snapshot as ``spec.split`` says.

    With a time column the parts follow one another, cut at midnight (UTC) where every part keeps at least
    ``LEAST`` rows that way. Without one, a row's part follows from a hash of its key (else of its values) and the
    seed, so that it stays where it is when rows are added; only where that would leave a part with fewer than
    ``LEAST`` rows do the parts follow from the order of the hashes.

    Raises DataRejected where too few rows are known, or training rows know one class alone; InvalidInput for
    parts in seconds without a time column.
    """
    label, mature, immature = pl.col(spec.label), frame, 0
    if spec.time is not None:
        last = as_of - (spec.horizon or timedelta(0))
        mature = frame.filter((pl.col(spec.time) <= last) & (pl.col(spec.time) < as_of))
        immature = frame.height - mature.height
    usable = mature.filter(label.is_not_null())
    unlabelled = mature.height - usable.height
    if usable.height < 3 * LEAST:
        raise _too_few(spec, f"{usable.height:,} labelled rows are old enough", frame, immature, unlabelled)
    if spec.time is not None:
        train, validation, test = _by_time(usable, spec.time, spec.split)
    else:
        train, validation, test = _by_hash(usable, spec)
    for name, part in (("train", train), ("validation", validation), ("test", test)):
        if part.height < LEAST:
            raise _too_few(spec, f"the {name} part has {part.height:,} rows", frame, immature, unlabelled)
    if spec.task != "regression" and train.get_column(spec.label).n_unique() < 2:
        only = train.get_column(spec.label)[0]
        raise _too_few(spec, f"every training row has the label {only}", frame, immature, unlabelled)
    return Split(train, validation, test, immature, unlabelled)


def _by_time(rows: pl.DataFrame, time: str, shares: SplitSpec) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    if not rows.get_column(time).is_sorted():
        rows = rows.sort(time, maintain_order=True)
    times = rows.get_column(time)
    first, last = times[0], times[-1]
    span = timedelta(seconds=1) if shares.in_seconds else last - first
    cut_test = last - shares.test * span
    cut_validation = cut_test - shares.validation * span
    exact = [_position(times, cut) for cut in (cut_validation, cut_test)]
    whole_days = [_position(times, _midnight(cut)) for cut in (cut_validation, cut_test)]
    start_validation, start_test = whole_days if _enough(whole_days, rows.height) else exact
    return (
        rows.slice(0, start_validation),
        rows.slice(start_validation, start_test - start_validation),
        rows.slice(start_test),
    )


def _position(times: pl.Series, cut: datetime) -> int:
    """The index of the first row at or after ``cut``."""
    return int(times.search_sorted(cut, side="left"))


def _midnight(at: datetime) -> datetime:
    """The midnight nearest to a time."""
    return (at + timedelta(hours=12)).replace(hour=0, minute=0, second=0, microsecond=0)


def _enough(starts: list[int], rows: int) -> bool:
    start_validation, start_test = starts
    return min(start_validation, start_test - start_validation, rows - start_test) >= LEAST


def _by_hash(rows: pl.DataFrame, spec: ModelSpec) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    if spec.split.in_seconds:
        raise InvalidInput(
            f"model {spec.name!r} parts its rows in seconds but has no time column",
            hint="name one with Model(..., time=Row.column), or give shares of the rows",
        )
    named = [spec.key] if spec.key is not None else rows.columns
    text = rows.select(pl.concat_str([pl.col(c).cast(pl.String).fill_null("\0") for c in named], separator="\x1f"))
    salt = spec.seed.to_bytes(8, "little", signed=True)
    places = (
        int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8, key=salt).digest(), "little")
        for value in text.to_series()
    )
    place = np.fromiter(places, dtype=np.uint64, count=rows.height).astype(np.float64) / 2.0**64
    cut_test, cut_validation = 1 - spec.split.test, 1 - spec.split.test - spec.split.validation
    train, later = int((place < cut_validation).sum()), int((place < cut_test).sum())
    if min(train, later - train, len(place) - later) < LEAST:
        cut_validation, cut_test = _cuts_of_few(place, spec.split)
    test = place >= cut_test
    validation = ~test & (place >= cut_validation)
    return (
        rows.filter(pl.Series(~test & ~validation)),
        rows.filter(pl.Series(validation)),
        rows.filter(pl.Series(test)),
    )


def _cuts_of_few(place: np.ndarray[tuple[int], np.dtype[np.float64]], shares: SplitSpec) -> tuple[float, float]:
    """Cuts by rank, at least ``LEAST`` rows behind each, so that chance leaves no part of a small table empty."""
    ordered, rows = np.sort(place), len(place)
    test = max(LEAST, round(rows * shares.test))
    validation = max(LEAST, round(rows * shares.validation))
    if test + validation + LEAST > rows:
        test = validation = max(LEAST, rows // 3)
    return float(ordered[rows - test - validation]), float(ordered[rows - test])


def _too_few(spec: ModelSpec, why: str, frame: pl.DataFrame, immature: int, unlabelled: int) -> DataRejected:
    horizon = f" (younger than the horizon of {spec.horizon})" if spec.horizon is not None else ""
    return DataRejected(
        f"model {spec.name!r} cannot be trained: {why}; of {frame.height:,} rows {immature:,} are immature{horizon} "
        f"and {unlabelled:,} older ones have no label",
        hint=f"give at least {LEAST} rows to each of train, validation and test: a longer window, a later start, "
        "or other shares in Model(..., split=...)",
    )
