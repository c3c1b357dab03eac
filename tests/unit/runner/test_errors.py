"""How an error of a model's own code is told."""

from __future__ import annotations

from treadle.runner import errors


def broken() -> None:
    raise ValueError("cannot cast 'n/a'\n\nThis happened in the following expression:\n  col('temp')")


def test_one_line_says_what_and_where_and_the_traceback_says_all() -> None:
    try:
        broken()
    except ValueError as error:
        told = errors.describe_error(error)
    assert told["message"].startswith("ValueError: cannot cast 'n/a' (test_errors.py, line ")
    assert "\n" not in told["message"]
    assert "following expression" in told["traceback"]
