"""Python text laid out as ruff and black do: on one line where it fits, else in brackets, if need be an item a line."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 88


@dataclass(frozen=True)
class Group:
    """Items in brackets: ``head`` ends in the opening bracket, ``tail`` begins with the closing one."""

    head: str
    items: tuple[str | Group, ...]
    tail: str = ")"

    @property
    def flat(self) -> str:
        """All of it on one line."""
        return self.head + ", ".join(_flat(item) for item in self.items) + self.tail


def call(head: str, *items: str | Group, tail: str = ")") -> Group:
    """``head(items)``; ``head`` without the bracket."""
    return Group(f"{head}(", items, tail)


def bracketed(head: str, items: Sequence[str | Group]) -> Group:
    """``head[items]``."""
    return Group(f"{head}[", tuple(items), "]")


def lines(item: str | Group, *, indent: int = 0, suffix: str = "", comment: str = "") -> list[str]:
    """An item as lines, with a ``suffix`` and a ``comment`` behind; the comment above where it makes lines too long."""
    pad = " " * indent
    single = pad + _flat(item) + suffix
    if comment:
        if columns(single) + columns(comment) + 4 <= WIDTH and "\n" not in single:
            return [f"{single}  # {comment}"]
        return [*remark(comment, indent=indent), *lines(item, indent=indent, suffix=suffix)]
    if columns(single) <= WIDTH or isinstance(item, str) or not item.items:
        return [single]
    body = f"{pad}    " + ", ".join(_flat(inner) for inner in item.items)
    if columns(body) <= WIDTH and item.head.endswith("(") and item.tail == ")" and not item.head.startswith("from "):
        return [pad + item.head, body, pad + item.tail + suffix]
    found = [pad + item.head]
    for inner in item.items:
        found += lines(inner, indent=indent + 4, suffix=",")
    return [*found, pad + item.tail + suffix]


def remark(text: str, *, indent: int = 0) -> list[str]:
    """A comment as lines no wider than the page."""
    return [f"{' ' * indent}# {line}" for line in wrapped(text, WIDTH - indent - 2)]


def docstring(text: str, *, indent: int = 0) -> list[str]:
    """A docstring: the first paragraph on its opening line where it fits, the closing quotes as ruff has them."""
    pad = " " * indent
    paragraphs = [wrapped(part, WIDTH - indent - 3) for part in text.split("\n\n")]
    if len(paragraphs) == 1 and len(paragraphs[0]) == 1:
        if len(pad) + columns(paragraphs[0][0]) + 6 <= WIDTH or " " not in paragraphs[0][0]:
            return [f'{pad}"""{paragraphs[0][0]}"""']
        paragraphs = [wrapped(text, WIDTH - indent - 12)]
    body: list[str] = []
    for number, paragraph in enumerate(paragraphs):
        body += ([""] if number else []) + [pad + line for line in paragraph]
    body[0] = f'{pad}"""{body[0][indent:]}'
    return [*body, f'{pad}"""']


def wrapped(text: str, width: int) -> list[str]:
    """Text in lines; an overlong word keeps a line of its own."""
    clean = prose(text)
    return textwrap.wrap(clean, max(width, 20), break_long_words=False, break_on_hyphens=False) or [""]


def prose(text: str) -> str:
    """Text that can stand in a comment or a docstring, whatever a file or a column is called."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(shown.replace("\\", "/").replace('"""', "'''").split())


def columns(text: str) -> int:
    """How many columns a text takes, as formatters count them: two for a wide character, none for one that combines.

    See Unicode Standard Annex 11, East Asian Width.
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(c) in {"Mn", "Me", "Cf"} else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _flat(item: str | Group) -> str:
    return item if isinstance(item, str) else item.flat
