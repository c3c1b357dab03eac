"""How long the command line and ``import treadle`` take to start, over a bare interpreter.

    python benchmarks/cli_start.py [--repeat N]

Medians of N starts in turn, in milliseconds. Limits: ``treadle --help`` 150, ``import treadle`` 100.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

RUNS = {
    "bare interpreter": ("pass", None),
    "import treadle": ("import treadle", 100.0),
    "treadle --help": (
        "import sys; sys.argv = ['treadle', '--help']; from treadle.cli.main import main; main()",
        150.0,
    ),
    "treadle apply --help": (
        "import sys; sys.argv = ['treadle', 'apply', '--help']; from treadle.cli.main import main; main()",
        None,
    ),
    "from treadle import Model, metrics": ("from treadle import Model, metrics", None),
    "import treadle.sdk.client": ("import treadle.sdk.client", None),
}


def started(code: str) -> float:
    """Milliseconds that an interpreter takes to run ``code``."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000


def measure(repeat: int) -> dict[str, float]:
    """Medians by name."""
    times: dict[str, list[float]] = {name: [] for name in RUNS}
    for code, _ in RUNS.values():
        started(code)
    for _ in range(repeat):
        for name, (code, _) in RUNS.items():
            times[name].append(started(code))
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> int:
    """Print the figures; 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=15, metavar="N", help="starts of each (default 15)")
    medians = measure(parser.parse_args().repeat)
    bare = medians["bare interpreter"]
    late = False
    print(f"{'start':<36}{'median ms':>10}{'over bare':>11}{'limit':>8}")
    for name, median in medians.items():
        limit = RUNS[name][1]
        over = median - bare
        late = late or (limit is not None and over > limit)
        print(f"{name:<36}{median:>10.1f}{over:>11.1f}{'' if limit is None else f'{limit:.0f}':>8}")
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
