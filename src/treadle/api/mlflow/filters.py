r"""The protocol's text of filters and orders, parsed to conditions.

    any        := all ("OR" all)*                     OR and parentheses are Treadle's own
    all        := term ("AND" term)*
    term       := "(" any ")" | comparison
    comparison := column operator value | column ["NOT"] "IN" list | column "IS" ["NOT"] "NULL"
    column     := [entity "."] key                    a key may stand in backticks or double quotes
    value      := number | 'text' | "text"            in a text '' and \' are a quote
    list       := "(" text ("," text)* ")"

What each search knows (entities, attributes, what may be compared how) is its `Grammar`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NoReturn

from treadle.api.mlflow.errors import ProtocolError
from treadle.api.mlflow.grammars import EXPERIMENTS, LOGGED_MODELS, MODEL_VERSIONS, REGISTERED_MODELS, RUNS, Grammar
from treadle.domain.search import EVERYTHING, AllOf, AnyOf, Column, Comparison, Condition, Kind, Op, Order, Scalar

__all__ = [
    "EXPERIMENTS",
    "LOGGED_MODELS",
    "MODEL_VERSIONS",
    "REGISTERED_MODELS",
    "RUNS",
    "condition",
    "orders",
]

MAX_COMPARISONS = 200
"""Comparisons of one filter; a database's own limit is not far above."""
MAX_DEPTH = 30
"""Parentheses within parentheses."""

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"\w+")
_NAME = re.compile(r"`[^`]*`|\"[^\"]*\"|[^\W\d]\w*")
_DOT = re.compile(r"\s*\.\s*")
_KEY = re.compile(r"`[^`]*`|\"[^\"]*\"|\w[\w.$#/:@-]*")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
_OPERATOR = re.compile(r"[<>=~!]+|\w+")
_JOINT = re.compile(r"\b(?:AND|OR)\b", re.IGNORECASE)
_OPS = {op.value: op for op in Op}


@functools.lru_cache(maxsize=1024)
def condition(text: str, grammar: Grammar) -> Condition:
    """The condition that a filter tells. Raises ProtocolError (INVALID_PARAMETER_VALUE)."""
    if "\x00" in text:
        _refuse(f"Error on parsing filter {text!r}: it has a NUL character in it")
    return _Parser(text, grammar).parse()


def orders(texts: Sequence[str], grammar: Grammar) -> tuple[Order, ...]:
    """The terms of an order: ``metrics.loss DESC``, ``start_time``. Raises ProtocolError (INVALID_PARAMETER_VALUE)."""
    return tuple(_order(text, grammar) for text in texts)


@functools.lru_cache(maxsize=1024)
def _order(text: str, grammar: Grammar) -> Order:
    parser = _Parser(text, grammar)
    parts = parser.column_parts()
    if parts is None or "\x00" in text:
        _refuse(f"Invalid order_by clause '{text}'. Could not be parsed.")
    rest = text[parser.at :].split()
    direction = rest[0].lower() if rest else "asc"
    if len(rest) > 1 or not direction.isalpha():
        _refuse(f"Invalid order_by clause '{text}'. Could not be parsed.")
    if direction not in ("asc", "desc"):
        _refuse(f"Invalid ordering key in order_by clause '{text}'.")
    column = parser.resolved(*parts, attributes=grammar.orderable)
    if column.kind not in grammar.ordered_by:
        _refuse(f"Invalid order_by entity: {column.kind.value}")
    return Order(column, direction == "asc")


class _Parser:
    """One text, read from left to right; ``at`` is where the next piece begins."""

    def __init__(self, text: str, grammar: Grammar) -> None:
        self.text = text
        self.grammar = grammar
        self.at = 0
        self._comparisons = 0
        self._skip()

    def parse(self) -> Condition:
        """The whole text."""
        if self.at == len(self.text):
            return EVERYTHING
        found = self._any(0)
        if self.at < len(self.text):
            self._invalid_clause()
        return found

    def column_parts(self) -> tuple[str | None, str] | None:
        """An entity and a key as they are written, or ``None`` where there is no column here."""
        first = _NAME.match(self.text, self.at)
        if first is None:
            return None
        dot = _DOT.match(self.text, first.end())
        if dot is None:
            self._to(first.end())
            return None, _bare(first[0])
        key = _KEY.match(self.text, dot.end())
        if key is None:
            return None
        self._to(key.end())
        return first[0].strip("`"), _bare(key[0])

    def resolved(self, entity: str | None, key: str, attributes: Mapping[str, str] | None = None) -> Column:
        """The column that is meant. Raises ProtocolError for an entity or attribute that the search does not know."""
        grammar = self.grammar
        kind = Kind.ATTRIBUTE if entity is None else grammar.entities.get(entity)
        if kind is None:
            _refuse(f"Invalid entity type '{entity}'. {grammar.entity_names}")
        known = grammar.attributes if attributes is None else attributes
        if kind is Kind.ATTRIBUTE and key not in known:
            _refuse(f"Invalid attribute key '{key}' specified. Valid keys are '{_names(known)}'")
        if kind is Kind.DATASET and key not in ("name", "digest", "context"):
            _refuse(f"Invalid dataset key '{key}' specified. Valid keys are '{_names(('name', 'digest', 'context'))}'")
        return Column(kind, known[key] if kind is Kind.ATTRIBUTE else key)

    def _any(self, depth: int) -> Condition:
        terms = [self._all(depth)]
        while self._word("OR"):
            terms.append(self._all(depth))
        return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))

    def _all(self, depth: int) -> Condition:
        self._ands()
        terms = [self._term(depth)]
        while self._ands() and self.at < len(self.text):
            terms.append(self._term(depth))
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _ands(self) -> bool:
        """Any number of ANDs, as the protocol's own server takes them."""
        found = False
        while self._word("AND"):
            found = True
        return found

    def _term(self, depth: int) -> Condition:
        if not self.text.startswith("(", self.at):
            return self._comparison()
        if depth >= MAX_DEPTH:
            _refuse(f"The filter has more than {MAX_DEPTH} parentheses within each other; write it flatter.")
        opened = self.at
        self._to(self.at + 1)
        found = self._any(depth + 1)
        if not self.text.startswith(")", self.at):
            self.at = opened
            self._invalid_clause()
        self._to(self.at + 1)
        return found

    def _comparison(self) -> Comparison:
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            _refuse(f"The filter has more than {MAX_COMPARISONS} comparisons; use IN, or ask in parts.")
        began = self.at
        parts = self.column_parts()
        if parts is None:
            self._no_column()
        written = self._operator()
        if written is None:
            self.at = began
            self._invalid_clause()
        column = self.resolved(*parts)
        op = _OPS.get(written)
        if op in (Op.IS_NULL, Op.IS_NOT_NULL):
            self._nullable(column)
            return Comparison(column, op)
        allowed = self.grammar.allowed(column.kind, column.key)
        if op is None or op not in allowed:
            _refuse(f"Invalid comparator '{written}' not one of '{_names(op.value for op in allowed)}'")
        return Comparison(column, op, self._value(column, op, began))

    def _operator(self) -> str | None:
        """The operator as it is called, blanks and case made even; ``None`` where there is none."""
        found = _OPERATOR.match(self.text, self.at)
        if found is None:
            return None
        word = found[0].upper()
        self._to(found.end())
        if not word[0].isalpha():
            return {"<>": "!=", "==": "="}.get(word, word)
        if word == "IS":
            negated = self._word("NOT")
            return ("IS NOT NULL" if negated else "IS NULL") if self._word("NULL") else None
        if word == "NOT":
            second = next((name for name in ("IN", "LIKE", "ILIKE", "RLIKE") if self._word(name)), None)
            return None if second is None else f"NOT {second}"
        return word if word in ("IN", "LIKE", "ILIKE", "RLIKE") else None

    def _value(self, column: Column, op: Op, began: int) -> Scalar | tuple[str, ...]:
        if self.at == len(self.text):
            self.at = began
            self._invalid_clause()
        if self.grammar.is_numeric(column.kind, column.key):
            return self._numeric(column)
        if self.text.startswith("(", self.at):
            return self._list(column, op)
        text = self._quoted()
        if text is None:
            self._not_a_text(column, began)
        if op in (Op.IN, Op.NOT_IN):
            _refuse("While parsing a list in the query, expected a non-empty list of string values, but got no list.")
        return text

    def _numeric(self, column: Column) -> int | float:
        found = _NUMBER.match(self.text, self.at)
        if found is None:
            what = "metric" if column.kind is not Kind.ATTRIBUTE else f"numeric attribute: {column.key}"
            _refuse(f"Expected numeric value type for {what}. Found {self._clause()}")
        self._to(found.end())
        digits = found[0]
        return int(digits) if digits.lstrip("+-").isdecimal() and len(digits) < 19 else float(digits)

    def _list(self, column: Column, op: Op) -> tuple[str, ...]:
        lists = self.grammar.lists
        if column.kind is Kind.ATTRIBUTE and lists is not None and column.key not in lists:
            _refuse(f"Only {sorted(lists)} attributes support comparison with a list of quoted string values.")
        if op not in (Op.IN, Op.NOT_IN):
            _refuse(f"Expected a quoted string value for {column.kind.value} (e.g. 'my-value'). Got a list")
        self._to(self.at + 1)
        values: list[str] = []
        while not self.text.startswith(")", self.at):
            value = self._quoted()
            if value is None:
                self._ill_formed()
            values.append(value)
            if self.text.startswith(",", self.at):
                self._to(self.at + 1)
            elif not self.text.startswith(")", self.at):
                self._ill_formed()
        self._to(self.at + 1)
        if not values:
            _refuse("While parsing a list in the query, expected a non-empty list of string values, but got empty list")
        return tuple(values)

    def _quoted(self) -> str | None:
        """A text in quotes, without them; ``None`` where there is none or it never ends."""
        quote = self.text[self.at : self.at + 1]
        if quote not in ("'", '"') or not quote:
            return None
        found = _escaped(self.text, self.at) or _raw(self.text, self.at)
        if found is None:
            return None
        self._to(found[1])
        return found[0]

    def _nullable(self, column: Column) -> None:
        nullable = self.grammar.nullable
        if column.kind not in nullable:
            kinds = " and ".join(
                {Kind.TAG: "tags", Kind.PARAM: "params"}[kind] for kind in (Kind.TAG, Kind.PARAM) if kind in nullable
            )
            _refuse(
                f"IS NULL / IS NOT NULL is only supported for {kinds or 'no column here'}, "
                f"not for '{column.kind.value}' '{column.key}'"
            )

    def _word(self, word: str) -> bool:
        """Take a keyword, if it stands here."""
        found = _WORD.match(self.text, self.at)
        if found is None or found[0].upper() != word:
            return False
        self._to(found.end())
        return True

    def _to(self, at: int) -> None:
        self.at = at
        self._skip()

    def _skip(self) -> None:
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    def _clause(self) -> str:
        """The text from here to the next AND or OR, for messages."""
        joint = _JOINT.search(self.text, self.at + 1)
        return self.text[self.at : joint.start() if joint else len(self.text)].strip()[:500]

    def _invalid_clause(self) -> NoReturn:
        if self.text.startswith(";", self.at):
            _refuse(f"Search filter contained multiple expression {self.text!r}. Provide AND-ed expression list.")
        _refuse(f"Invalid clause(s) in filter string: '{self._clause()}'")

    def _no_column(self) -> NoReturn:
        clause = self._clause()
        if re.fullmatch(r"('[^']*'|[-+.\w]+)\s*[<>=~!]+.*", clause, re.DOTALL):
            _refuse(
                f"Invalid comparison clause. Expected 'Identifier' found '{re.split(r'[<>=~!]', clause)[0].strip()}'"
            )
        self._invalid_clause()

    def _not_a_text(self, column: Column, began: int) -> NoReturn:
        name = "attributes" if column.kind is Kind.ATTRIBUTE else column.kind.value
        if column.kind is Kind.DATASET:
            name = "dataset attributes"
        found = self._clause()
        if _NAME.match(found) and not found.startswith('"'):
            _refuse(
                "Parameter value is either not quoted or unidentified quote types used for string value "
                f"{found}. Use either single or double quotes."
            )
        if found[:1] in ("'", '"'):
            self.at = began
            self._invalid_clause()
        _refuse(f"Expected a quoted string value for {name} (e.g. 'my-value'). Got value {found}")

    def _ill_formed(self) -> NoReturn:
        found = _NUMBER.match(self.text, self.at)
        if found:
            _refuse(
                "While parsing a list in the query, expected string value, punctuation, or whitespace, "
                f"but got different type in list: {found[0]}"
            )
        _refuse(
            "While parsing a list in the query, expected a non-empty list of string values, but got ill-formed list."
        )


def _escaped(text: str, at: int) -> tuple[str, int] | None:
    """A quoted text and where it ends. Backslashes mean something before a quote alone: each pair is one, an odd one
    makes the quote part of the text; a doubled quote is one."""
    quote = text[at]
    pieces: list[str] = []
    at += 1
    while True:
        end = text.find(quote, at)
        if end < 0:
            return None
        piece = text[at:end]
        slashes = len(piece) - len(piece.rstrip("\\"))
        pieces.append(piece[: len(piece) - slashes] + "\\" * (slashes // 2))
        if slashes % 2:
            pieces.append(quote)
            at = end + 1
        elif text.startswith(quote, end + 1):
            pieces.append(quote)
            at = end + 2
        else:
            return "".join(pieces), end + 1


def _raw(text: str, at: int) -> tuple[str, int] | None:
    r"""A quoted text that ends in a backslash, such as ``'C:\'``."""
    end = text.find(text[at], at + 1)
    return None if end < 0 else (text[at + 1 : end], end + 1)


def _bare(name: str) -> str:
    return name[1:-1] if name[:1] in ("`", '"') else name


def _names(names: Iterable[str]) -> str:
    return "{" + ", ".join(repr(name) for name in names) + "}"


def _refuse(message: str) -> NoReturn:
    raise ProtocolError("INVALID_PARAMETER_VALUE", message)
