"""What a gateway counts about itself, in the Prometheus text format (version 0.0.4)."""

from __future__ import annotations

import bisect
from collections import defaultdict
from dataclasses import dataclass, field

BUCKETS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""Upper bounds of the latency histogram, in seconds."""


@dataclass
class _Counts:
    requests: int = 0
    rows: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))


class ServingMetrics:
    """Counts of one gateway since its start; kept on the event loop's thread alone."""

    def __init__(self) -> None:
        self.unlogged = 0
        self._answers: dict[tuple[str, int], _Counts] = defaultdict(_Counts)
        self._errors: dict[tuple[str, int], int] = defaultdict(int)
        self._mirrored: dict[tuple[str, int], int] = defaultdict(int)
        self._dropped: dict[tuple[str, int, str], int] = defaultdict(int)

    def answered(self, model: str, version: int, rows: int, seconds: float) -> None:
        """Count an answered request; ``seconds`` from request read to answer logged."""
        counts = self._answers[model, version]
        counts.requests += 1
        counts.rows += rows
        counts.seconds += seconds
        counts.buckets[bisect.bisect_left(BUCKETS, seconds)] += 1

    def failed(self, model: str, status: int) -> None:
        """Count a refused or failed request; ``model`` is empty where none was found."""
        self._errors[model, status] += 1

    def mirrored(self, model: str, version: int) -> None:
        """Count a request that a version on trial has scored too."""
        self._mirrored[model, version] += 1

    def mirror_dropped(self, model: str, version: int, reason: str) -> None:
        """Count a request that it has not; ``reason`` is ``full``, ``failed`` or ``stopped``."""
        self._dropped[model, version, reason] += 1

    def render(self, revision: int) -> str:
        """All counts as text. ``revision`` is that of the routing table being served."""
        lines = [
            "# HELP treadle_routing_revision Revision of the routing table being served.",
            "# TYPE treadle_routing_revision gauge",
            f"treadle_routing_revision {revision}",
            "# HELP treadle_unlogged_rows_total Rows whose answer could not be written to the log.",
            "# TYPE treadle_unlogged_rows_total counter",
            f"treadle_unlogged_rows_total {self.unlogged}",
            "# HELP treadle_requests_total Answered inference requests.",
            "# TYPE treadle_requests_total counter",
        ]
        answers = [(_labels(model=m, version=str(v)), c) for (m, v), c in sorted(self._answers.items())]
        lines += [f"treadle_requests_total{{{labels}}} {counts.requests}" for labels, counts in answers]
        lines += ["# HELP treadle_rows_total Answered rows.", "# TYPE treadle_rows_total counter"]
        lines += [f"treadle_rows_total{{{labels}}} {counts.rows}" for labels, counts in answers]
        lines += ["# HELP treadle_errors_total Requests that got an error.", "# TYPE treadle_errors_total counter"]
        for (model, status), count in sorted(self._errors.items()):
            lines.append(f"treadle_errors_total{{{_labels(model=model, status=str(status))}}} {count}")
        lines += self._render_mirrored()
        lines += [
            "# HELP treadle_latency_seconds Time from request read to answer logged.",
            "# TYPE treadle_latency_seconds histogram",
        ]
        for labels, counts in answers:
            reached = 0
            for bound, count in zip((*map(repr, BUCKETS), "+Inf"), counts.buckets, strict=True):
                reached += count
                lines.append(f'treadle_latency_seconds_bucket{{{labels},le="{bound}"}} {reached}')
            lines.append(f"treadle_latency_seconds_sum{{{labels}}} {counts.seconds:.6f}")
            lines.append(f"treadle_latency_seconds_count{{{labels}}} {counts.requests}")
        return "\n".join(lines) + "\n"

    def _render_mirrored(self) -> list[str]:
        lines = [
            "# HELP treadle_mirrored_requests_total Requests that a version on trial has scored too.",
            "# TYPE treadle_mirrored_requests_total counter",
        ]
        for (model, version), count in sorted(self._mirrored.items()):
            lines.append(f"treadle_mirrored_requests_total{{{_labels(model=model, version=str(version))}}} {count}")
        lines += [
            "# HELP treadle_mirror_dropped_total Requests that a version on trial should have scored too, but has not.",
            "# TYPE treadle_mirror_dropped_total counter",
        ]
        for (model, version, reason), count in sorted(self._dropped.items()):
            labels = _labels(model=model, version=str(version), reason=reason)
            lines.append(f"treadle_mirror_dropped_total{{{labels}}} {count}")
        return lines


def _labels(**labels: str) -> str:
    quoted = {k: v.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for k, v in labels.items()}
    return ",".join(f'{key}="{value}"' for key, value in quoted.items())
