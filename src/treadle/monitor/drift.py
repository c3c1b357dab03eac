"""Whether what is asked, and what is answered, has moved away from what a version was trained on.

Quiet by design. Rows of a day hang together (one storm, one campaign), so a window of thousands of rows may hold only
a few independent ones: the design effect of Rao and Scott, measured from the days of the window, says how many. The
effect is the Jensen-Shannon distance (0 to 1), debiased, over about twenty cells that hold equal parts of the training
rows (a category each for text), with missing values as a cell of their own. A column alerts where the lower bound of
its effect passes a practical threshold *and* it is significant beside all other columns (Benjamini-Hochberg at 5 %),
and only on three days or more. Keys and times move by nature and are left out.

The default threshold of 0.1 is about a quarter of a standard deviation for a normal column, or a category of 30 % that
becomes one of 43 %.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from treadle.domain.data import ColumnProfile
from treadle.domain.models import AppliedModel
from treadle.domain.monitoring import ColumnDrift, DriftReport
from treadle.domain.versions import ModelVersion
from treadle.monitor.cohorts import answered
from treadle.monitor.joining import score_columns
from treadle.monitor.reading import ROW, declared_rows
from treadle.ports.predictions import PredictionLog
from treadle.spec.model_spec import ModelSpec
from treadle.stats import effects
from treadle.stats.blocks import Blocks, Floats, Ints
from treadle.stats.multiple import benjamini_hochberg

MEASURE = "js"
PRACTICAL = 0.1
FALSE_DISCOVERIES = 0.05
FEWEST_BLOCKS = 3
MISSING, OUTSIDE = "missing", "outside"


@dataclass(frozen=True, eq=False)
class Cells:
    """A reference's counts over cells (k,), and the cell of each row of a window (n,)."""

    reference: Floats
    codes: Ints


def measure_drift(
    log: PredictionLog, applied: AppliedModel, version: ModelVersion, since: datetime, until: datetime, now: datetime
) -> DriftReport:
    """Requests answered in ``[since, until)`` by any version, and the scores of ``version``, against its profiles.

    Scores come first: a column that moves without moving them matters less. Only what was answered by ``now`` counts.
    """
    rows = answered(log, applied.name, since, min(until, now))
    if rows is None:
        return DriftReport(applied.name, version.number, since, until, 0, ())
    spec = ModelSpec.from_json(version.spec_json)
    left_out = {spec.key, spec.time, spec.label, *(c.name for c in spec.columns if c.type in ("datetime", "date"))}
    profiled = version.profile.columns if version.profile else {}
    wanted = {name: profile for name, profile in profiled.items() if name not in left_out}
    frame = rows.select(pl.col("at", "version", "^scores?$"), *_logged(rows, wanted)).collect()
    mine = frame.filter(pl.col("version") == version.number)
    found = _columns(version.score_profile.columns if version.score_profile else {}, _scores(mine), mine["at"])
    found += _columns(wanted, declared_rows(frame, spec, wanted), frame["at"])
    return DriftReport(applied.name, version.number, since, until, frame.height, _alerts(found))


def _logged(rows: pl.LazyFrame, columns: Collection[str]) -> list[str]:
    known = set(rows.collect_schema())
    return [ROW + name for name in columns if ROW + name in known]


def column_drift(
    profile: ColumnProfile, values: pl.Series, blocks: Blocks, threshold: float = PRACTICAL
) -> ColumnDrift:
    """One column of a window against its profile; :func:`measure_drift`, which sees all columns, decides on alerts."""
    cells = _categories(profile, values) if profile.kind in ("text", "bool") else _numbers(profile, values)
    width = len(cells.reference)
    counts = np.bincount(blocks.codes * width + cells.codes, minlength=width * blocks.count)
    by_block = counts.reshape(blocks.count, width).astype(np.float64)
    found = effects.shift(cells.reference, by_block.sum(axis=0), MEASURE, design_effect=effects.design_effect(by_block))
    return ColumnDrift(
        column=profile.name,
        measure=found.measure,
        effect=_number(found.effect),
        low=_number(found.low),
        threshold=threshold,
        p_value=found.p_value,
        alert=False,
        expected=_expected(profile),
        seen=_seen(profile, values),
    )


def _columns(profiles: dict[str, ColumnProfile], frame: pl.DataFrame, at: pl.Series) -> list[tuple[ColumnDrift, bool]]:
    """Each column that both sides have, and whether the window is long enough to alert on."""
    if frame.is_empty():
        return []
    blocks = Blocks.of_times(at.dt.replace_time_zone(None).to_numpy())
    enough = blocks.unit == "day" and blocks.count >= FEWEST_BLOCKS
    names = [name for name, profile in profiles.items() if name in frame.columns and profile.kind != "time"]
    return [(column_drift(profiles[name], frame[name], blocks), enough) for name in names]


def _scores(frame: pl.DataFrame) -> pl.DataFrame:
    if isinstance(frame.schema.get("scores"), pl.List) and frame["scores"].null_count() < frame.height:
        return pl.DataFrame(score_columns(frame["scores"]))
    return frame.select("score") if "score" in frame.columns else pl.DataFrame()


def _alerts(found: Sequence[tuple[ColumnDrift, bool]]) -> tuple[ColumnDrift, ...]:
    if not found:
        return ()
    significant, _ = benjamini_hochberg(np.array([drift.p_value for drift, _ in found]), FALSE_DISCOVERIES)
    return tuple(
        replace(drift, alert=bool(sure) and enough and drift.low > drift.threshold)
        for (drift, enough), sure in zip(found, significant, strict=True)
    )


def _numbers(profile: ColumnProfile, values: pl.Series) -> Cells:
    """Cells of equal parts of the reference; one more for values where the reference has none, one for missing."""
    x = values.cast(pl.Float64).fill_null(math.nan).to_numpy()
    if not profile.histogram:
        return Cells(np.array([0.0, profile.nulls]), np.isnan(x).astype(np.int64))
    lows = np.array([b.low for b in profile.histogram])
    highs = np.array([b.high for b in profile.histogram])
    counts = np.array([b.count for b in profile.histogram], np.float64)
    groups = effects.group(counts)
    reference = np.append(np.bincount(groups, counts), [0.0, profile.nulls])
    width = len(reference) - 2
    at = np.clip(np.searchsorted(lows, x, side="right") - 1, 0, len(lows) - 1)
    inside = (x >= lows[at]) & (x <= highs[at])
    codes = np.where(np.isnan(x), width + 1, np.where(inside, groups[at], width))
    return Cells(reference, codes.astype(np.int64))


def _categories(profile: ColumnProfile, values: pl.Series) -> Cells:
    names = list(profile.top)
    codes = {name: code for code, name in enumerate(names)}
    text = values.cast(pl.String).to_list()
    seen = [len(names) + 1 if value is None else codes.get(value, len(names)) for value in text]
    counts = [*profile.top.values(), profile.other, profile.nulls]
    return Cells(np.array(counts, np.float64), np.array(seen, np.int64))


def _expected(profile: ColumnProfile) -> str:
    rows = max(profile.count, 1)
    if profile.kind in ("text", "bool"):
        said = ", ".join(f"{name} {count / rows:.0%}" for name, count in list(profile.top.items())[:3])
    else:
        said = "" if profile.mean is None else f"mean {profile.mean:.4g}"
    return _with_missing(said, profile.nulls / rows)


def _seen(profile: ColumnProfile, values: pl.Series) -> str:
    present = values.drop_nulls()
    missing = values.null_count() / max(len(values), 1)
    if profile.kind not in ("text", "bool"):
        mean = present.cast(pl.Float64).mean()
        return _with_missing(f"mean {mean:.4g}" if isinstance(mean, float) else "", missing)
    counts = present.cast(pl.String).value_counts(sort=True).head(3).rows()
    return _with_missing(", ".join(f"{name} {count / len(values):.0%}" for name, count in counts), missing)


def _with_missing(said: str, share: float) -> str:
    return said if share == 0 else f"{said}, {share:.1%} missing".removeprefix(", ")


def _number(value: float) -> float:
    return value if math.isfinite(value) else 0.0
