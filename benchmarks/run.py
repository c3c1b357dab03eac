"""Every benchmark, one after the other.

    python benchmarks/run.py [NAME ...]

Names: cli_start, serve, demo, tracking, pages. Figures that are kept go into RESULTS.md with their date and command.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
COMMANDS = {
    "cli_start": ["cli_start.py"],
    "serve": ["serve.py"],
    "demo": ["demo.py"],
    "tracking": ["tracking.py"],
    "pages": ["pages.py"],
}


def main() -> int:
    """The number of benchmarks that failed."""
    names = sys.argv[1:] or list(COMMANDS)
    unknown = [name for name in names if name not in COMMANDS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(COMMANDS)}")
        return 2
    failed = 0
    for name in names:
        print(f"\n== {name}", flush=True)
        script, *arguments = COMMANDS[name]
        failed += subprocess.run([sys.executable, str(HERE / script), *arguments], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
