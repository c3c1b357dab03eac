"""Names: of columns as attributes of a row, of models, of the classes and variables of a model file."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence

_TYPES = ("bool", "date", "datetime", "float", "int", "str", "Col", "col", "None")
_RESERVED = frozenset({*keyword.kwlist, *_TYPES, "self"})
"""Names that an attribute of a row class cannot have, or that would hide what later lines of the class need."""

_TAKEN = frozenset({
    "Any", "CATEGORIES", "Col", "ColumnTransformer", "DATA", "KNOWN_AFTER", "Model", "NUMBERS", "Params", "Path",
    "Pipeline", "Ridge", "Row", "Window", "ZONE", "age", "by_time", "col", "dataclass", "datetime", "days", "finite",
    "fit", "flag", "gate_broken", "make_pipeline", "metrics", "number", "outcomes", "pipeline", "pl", "rows", "table",
    "timedelta", "treadle", "tune", "utc",
})  # fmt: skip
"""Names that a model file has of its own."""

LONGEST = 40
"""So many letters a made name may have."""

WIDEST = 50
"""So many letters a column's own name may have, to stand on a line with its type."""

_SAME_IN_PLURAL = frozenset({"diabetes", "news", "series", "species"})


def attribute_names(columns: Sequence[str], *, avoid: Iterable[str] = ()) -> dict[str, str]:
    """An attribute name for each column, in their order: the column's own where it can be one.

    Others become small letters, digits and underscores, as do the columns to ``avoid``. All names differ.
    """
    avoided = set(avoid)
    names = set(columns)
    used = {name for name in names if is_attribute(name)}
    found: dict[str, str] = {}
    for position, column in enumerate(columns, start=1):
        if is_attribute(column) and column not in avoided and not _repeated(column, names):
            found[column] = column
            continue
        found[column] = fresh(_attribute(column, position, names), used)
        used.add(found[column])
    return found


def is_attribute(name: str) -> bool:
    """Whether a name can be an attribute of a row class as it is."""
    return (
        name.isidentifier()
        and len(name) <= WIDEST
        and name not in _RESERVED
        and not name.startswith("_")
        and unicodedata.normalize("NFKC", name) == name
    )


def fresh(name: str, used: Iterable[str]) -> str:
    """``name``, or it with the first number, from 2, that makes it differ from all in use."""
    used = set(used)
    number, found = 1, name
    while found in used:
        number += 1
        found = f"{name}_{number}"
    return found


def model_name(text: str) -> str:
    """A name that a model can have, made of a file's or a person's: small ASCII letters, digits and underscores."""
    plain = _ascii(text).lower()
    plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not plain:
        return "model"
    return (plain if plain[0].isalpha() else f"model_{plain}")[:40].rstrip("_")


def variable_name(model: str) -> str:
    """The variable that holds a model, by the model's name."""
    name = model.replace("-", "_")
    return f"{name}_model" if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in _TAKEN else name


def class_name(model: str) -> str:
    """The name of the class of one row, by the model's name: ``rides`` has rows that are a ``Ride``."""
    words = [word for word in re.split(r"[_-]+", model) if word]
    words[-1] = _singular(words[-1])
    name = "".join(word[:1].upper() + word[1:] for word in words)
    return f"{name}Row" if keyword.iskeyword(name) or name in _TAKEN else name


def words(name: str) -> list[str]:
    """The words of a column's name, in small letters: ``arrivedAt_UTC`` is arrived, at, utc."""
    parted = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", _ascii(name) or name)
    return [word for word in re.split(r"[^a-z0-9]+", parted.lower()) if word]


def _repeated(column: str, names: Iterable[str]) -> str:
    """The name that a column shares with one before it, as polars marks it; empty where it has its own."""
    base, mark, number = column.rpartition("_duplicated_")
    return base if mark and number.isdigit() and base in names else ""


def _attribute(column: str, position: int, names: Iterable[str]) -> str:
    base = _repeated(column, names) or column
    plain = unicodedata.normalize("NFKC", base)
    if len(plain) <= LONGEST and is_attribute(plain):
        return plain if base != column else f"{plain}_"
    if plain in _RESERVED:
        return f"{plain}_"
    plain = re.sub(r"[^a-z0-9]+", "_", _ascii(base).lower()).strip("_")[:LONGEST].rstrip("_")
    if not plain:
        return f"column_{position}"
    if plain[0].isdigit():
        plain = f"column_{plain}"
    return f"{plain}_" if plain in _RESERVED else plain


def _ascii(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return decomposed.encode("ascii", "ignore").decode()


def _singular(word: str) -> str:
    if word in _SAME_IN_PLURAL or len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "xes", "sses")):
        return word[:-2]
    return word[:-1]
