"""The files around a model file: its test, rows to ask with, Makefile, CI, README."""

from __future__ import annotations

import json
from datetime import datetime

from treadle.scaffold.layout import lines, prose
from treadle.scaffold.names import variable_name
from treadle.scaffold.plan import ModelPlan, PlannedColumn, Role

SOME_ROWS = 500
ASKED_ROWS = 2


def files(plan: ModelPlan) -> dict[str, str]:
    """Texts by path: what may stay as it is where it exists."""
    return {
        "README.md": _readme(plan),
        "rows.json": _rows(plan),
        "Makefile": _makefile(plan),
        ".github/workflows/ci.yml": _CI,
        ".gitignore": _IGNORED,
    }


def test_file(plan: ModelPlan) -> str:
    """Tests that call the declared functions as they are; each in a second or so."""
    variable, task = variable_name(plan.name), plan.label.task
    label = plan.of(Role.LABEL)
    name = "" if label is None else label.attribute
    scores = ["    scores = fitted.predict(asked)", "    assert len(scores) == asked.height"]
    if task != "regression":
        scores = [
            "    scores = fitted.predict_proba(asked)",
            "    assert scores.shape[0] == asked.height",
            "    assert ((scores >= 0) & (scores <= 1)).all()",
        ]
    timed = plan.of(Role.TIME) is not None
    parts = [
        [
            '"""Tests of model.py: that it says what is meant, reads its data, and learns."""',
            "",
            "from datetime import UTC, datetime",
            "",
            "import model",
            "import pytest",
            "",
            "from treadle import Window",
            "",
            "NOW = datetime.now(UTC)",
        ],
        [
            "def test_declaration() -> None:",
            f"    spec = model.{variable}.spec()",
            f'    assert (spec.task, spec.label) == ("{task}", "{name}")',
        ],
        [
            "def test_rows_have_the_declared_columns() -> None:",
            "    rows = model.rows(Window(None, NOW, NOW))",
            f"    declared = [column.name for column in model.{variable}.spec().columns]",
            "    assert sorted(rows.columns) == sorted(declared)",
            "    assert rows.height",
        ],
    ]
    if timed:
        parts.append(_no_label_too_early(plan, name))
    parts.append(
        [
            '@pytest.mark.parametrize("candidate", ["boosting", "forest", "linear"])',
            "def test_candidate_learns(candidate: str) -> None:",
            *lines(f'    rows = model.rows(Window(None, NOW, NOW)).drop_nulls("{name}")'),
            f"    some = rows.sample(min(rows.height, {SOME_ROWS}), seed=0)",
            *lines("    fitted = model.fit(some, model.Params(candidate=candidate, trees=30))"),
            f'    asked = rows.drop("{name}").head(20)',
            *scores,
        ]
    )
    return "\n\n\n".join("\n".join(part) for part in parts) + "\n"


def _no_label_too_early(plan: ModelPlan, label: str) -> list[str]:
    time = plan.of(Role.TIME)
    at = "" if time is None else time.attribute
    return [
        "def test_no_label_is_known_too_early() -> None:",
        f'    times = model.rows(Window(None, NOW, NOW))["{at}"].sort()',
        "    middle = times[times.len() // 2]",
        f'    rows = model.rows(Window(None, middle, middle)).drop_nulls("{label}")',
        f'    assert (rows["{at}"] + model.KNOWN_AFTER <= middle).all()',
    ]


def _rows(plan: ModelPlan) -> str:
    """The table's last rows as requests; those with a time, where rows have one."""
    asked = [column for column in plan.columns if column.role is not Role.LABEL]
    known = range(plan.table.rows) if plan.time is None else plan.time.values.is_not_null().arg_true().to_list()
    places = known[-ASKED_ROWS:]
    return json.dumps([{c.attribute: _asked(plan, c, i) for c in asked} for i in places], indent=2) + "\n"


def _asked(plan: ModelPlan, column: PlannedColumn, row: int) -> object:
    moment = plan.time.values[row] if plan.time is not None else None
    if column.role is Role.TIME:
        return moment.isoformat() if isinstance(moment, datetime) else None
    if column.asked and isinstance(moment, datetime):
        told = {"hour": moment.hour, "weekday": moment.isoweekday(), "month": moment.month}
        return told[column.asked]
    facts = plan.table.column(column.name) if column.name is not None else None
    value: object = None if facts is None else facts.values[row]
    return float(value) if column.type == "float" and isinstance(value, int | float) else value


def _readme(plan: ModelPlan) -> str:
    label = prose(plan.label.target.facts.name)
    return f"""# {plan.name}

Predicts `{label}` from `{prose(plan.table.path.name)}` with [Treadle](https://pypi.org/project/treadle/): all of the
model is in `model.py`.

```sh
make run      # train and judge it once, on this machine
make tune     # search its parameters; the candidates as a leaderboard
make test     # test model.py
make up       # start a server
make apply    # let the server train, judge, serve and watch it
make predict  # ask it about the rows in rows.json
```

The commands need `treadle` on the path; `make install` puts it into `.venv`, and they find it there.

Before you trust it: read the remarks in `model.py`. What it guessed is said there: which column is the time and
in which zone, when a label is known, which columns know the answer, what good enough means.
"""


def _makefile(plan: ModelPlan) -> str:
    return (
        _MAKEFILE
        + f"""
predict:  ## ask it about the rows in rows.json
\ttreadle predict {plan.name} rows.json
"""
    )


_MAKEFILE = """\
# make help
PYTHON ?= python3
TREADLE ?= treadle
TRIALS ?= 12
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help install run tune test up apply predict

help:  ## say what there is
\t@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\\t/' | expand -t 12

install:  ## put treadle and pytest into .venv
\t$(PYTHON) -m venv .venv
\t.venv/bin/python -m pip install --quiet $(TREADLE) pytest

run:  ## train and judge once, without a server
\ttreadle run model.py

tune:  ## search the parameters; candidates as a leaderboard
\ttreadle run model.py --tune $(TRIALS)

test:  ## test model.py
\tpython -m pytest -q tests

up:  ## start a server here
\ttreadle up

apply:  ## let the server train, judge, serve and watch the model
\ttreadle apply model.py
"""

_CI = """\
name: ci
on: [push, pull_request]
jobs:
  model:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: make install
      - run: make test
      - run: make run
"""

_IGNORED = """\
.treadle/
.venv/
__pycache__/
.pytest_cache/
"""
