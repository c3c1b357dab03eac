"""Runs in a client's own environment: every ``check_*`` of a module against a server; prints what became of each.

python run_checks.py ADDRESS MODULE
"""

import importlib
import json
import logging
import os
import sys
import traceback
import warnings


def main() -> None:
    """Run them all in the order in which they are written."""
    address, name = sys.argv[1:]
    warnings.simplefilter("ignore")
    os.environ.update(
        MLFLOW_TRACKING_URI=address, MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING="false", GIT_PYTHON_REFRESH="quiet"
    )
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    module = importlib.import_module(name)
    import mlflow

    found = {}
    for key, check in list(vars(module).items()):
        if not key.startswith("check_"):
            continue
        mlflow.set_experiment(f"checks/{key}")
        try:
            found[key] = check() or "ok"
        except Exception:  # noqa: BLE001  whatever went wrong is what the test tells
            found[key] = traceback.format_exc()
        finally:
            mlflow.end_run()
    print("\n" + json.dumps({"mlflow": mlflow.__version__, "checks": found}))


if __name__ == "__main__":
    main()
