"""The tracking server beside MLflow's and beside a sketch that does the least, in one run on the same cores.

    python benchmarks/tracking.py [PART ...] [--seconds N] [--rounds N] [--points N] [--runs N]

Parts: rates, search, points, writers, start, artifacts; all of them without a name. MLflow runs in an environment of
its own (made once under .benchmarks/, from PyPI), with two workers on SQLite. Rounds go from one server to the other,
since a machine's speed drifts; medians are printed.
"""

from __future__ import annotations

import argparse

from tracking_parts import artifacts, points, rates, search, start, writers

PARTS = ("rates", "search", "points", "writers", "start", "artifacts")


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, default=3.0, help="of each rate in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=100_000, help="of the search; MLflow has a tenth")
    parser.add_argument("--points", type=int, default=100_000_000, help="metric points kept at once")
    parser.add_argument("--writers-seconds", type=float, default=60.0)
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    chosen = options.parts or PARTS
    if "rates" in chosen:
        print(*rates.lines(), sep="\n")
        rates.measure(options.seconds, options.rounds)
    if "search" in chosen:
        search.measure(options.runs)
    if "points" in chosen:
        points.measure(options.points)
    if "writers" in chosen:
        writers.measure(options.writers_seconds)
    if "start" in chosen:
        start.measure(options.rounds)
    if "artifacts" in chosen:
        artifacts.measure(options.rounds)


if __name__ == "__main__":
    main()
