"""What a step logs by itself: by Treadle's own client, or by MLflow's, to the run that the step belongs to."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def logging_to(variables: Mapping[str, str]) -> Iterator[None]:
    """Set the variables that lead there; at the end deliver what was logged, and put the variables back.

    Runs that the step left open are closed here, since the process goes on to the next step.
    """
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        _close_runs()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _close_runs() -> None:
    native, mlflow = sys.modules.get("treadle.sdk.tracking.run"), sys.modules.get("mlflow")
    if native is not None:
        native.finish_all()
    with contextlib.suppress(Exception):  # another library's state is no reason for a step to fail
        while mlflow is not None and mlflow.active_run() is not None:
            mlflow.end_run("RUNNING")  # the training ends it
