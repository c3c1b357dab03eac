"""Finds a function that reads the label although its rows come without it."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from treadle.spec.declared_at import DeclaredAt, defined_at

_PICKERS = {"col", "select", "get_column", "drop", "exclude", "pop", "column", "get", "sort", "group_by", "groupby"}


def check_reads_no_label(function: Callable[..., Any], role: str, row: type[Any], label: str) -> None:
    """Refuse a function that names the label as a column: the label is not in the rows that it gets.

    Sees ``rows["late"]``, ``pl.col("late")``, ``rows.late``, ``Flight.late`` and the like; a column named in another
    way fails when the function runs. Raises DeclarationError with the line.
    """
    at = defined_at(function)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):
        return
    owners = {row.__name__, "col", *inspect.signature(function).parameters}
    for node in ast.walk(tree):
        line = next((n.lineno for n in _named_columns(node, label, owners)), None)
        if line is not None:
            where = DeclaredAt(at.file, at.line + line - 1)
            raise where.error(
                f"{role} function {getattr(function, '__name__', role)} reads the label {label!r}",
                "use other columns: the label is unknown when a prediction is made, and taken out of the rows",
            )


def _named_columns(node: ast.AST, label: str, owners: set[str]) -> Iterator[ast.expr]:
    if isinstance(node, ast.Subscript):
        yield from _texts(node.slice, label)
    elif isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
        if called in _PICKERS:
            for argument in (*node.args, *(k.value for k in node.keywords)):
                yield from _texts(argument, label)
    elif isinstance(node, ast.Attribute) and node.attr == label:
        owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", None)
        if owner in owners:
            yield node


def _texts(node: ast.expr, label: str) -> Iterator[ast.expr]:
    if isinstance(node, ast.Constant) and node.value == label:
        yield node
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        for item in node.elts:
            yield from _texts(item, label)
