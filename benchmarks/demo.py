"""A year of flights: how long the demo takes, what it uses, and what the loop earned.

    python benchmarks/demo.py [--until DAY] [NAME]

Runs ``treadle demo NAME --exit`` on a home of its own and prints its report, wall time, CPU time and the largest
memory of any one process.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> int:
    """The demo's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", default="flights")
    parser.add_argument("--until", help="end the traffic before this day")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from treadle.cli.main import main; main()", "demo", options.name, "--exit"]
        command += ["--home", str(Path(folder) / "home"), "--port", "18790"]
        command += ["--until", options.until] if options.until else []
        began = time.monotonic()
        done = subprocess.run(command, check=False, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(f"wall {seconds:.0f} s, CPU {cpu:.0f} s, largest process {memory:.0f} MB")
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
