"""``python -m treadle.runner steps --fd 5``, or ``worker ...``: a process in a model's environment."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run a process of the named kind until its other side is gone; the exit code."""
    if arguments[:1] == ["worker"]:
        result = importlib.import_module("treadle.runner.worker").main(list(arguments[1:]))
        return int(result or 0)
    parser = argparse.ArgumentParser(prog="python -m treadle.runner")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker", help="answer a gateway with one model version")
    steps = commands.add_parser("steps", help="do steps that an engine sends")
    where = steps.add_mutually_exclusive_group(required=True)
    where.add_argument("--fd", type=int, help="an inherited connection's descriptor")
    where.add_argument("--socket", help="a Unix socket at which the engine listens")
    steps.add_argument("--lifeline", type=int, default=None, help="an inherited socket; the process dies with its peer")
    steps.add_argument("--memory", type=int, default=None, help="address space that the process may use, in bytes")
    options = parser.parse_args(list(arguments))
    server = importlib.import_module("treadle.runner.step_server")
    if options.fd is not None:
        server.serve(options.fd, options.lifeline, options.memory)
    else:
        server.serve_at(options.socket, options.memory)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
