from __future__ import annotations

import pytest

from treadle.domain.errors import EnvironmentFailed
from treadle.engines.local.pythons import parse_version, satisfies


@pytest.mark.parametrize(
    ("version", "wanted", "fits"),
    [
        ("3.11.7", None, True),
        ("3.11.7", "", True),
        ("3.11.7", ">=3.11", True),
        ("3.11.0", ">=3.11", True),
        ("3.11.7", ">=3.11,<3.12", True),
        ("3.12.0", ">=3.11,<3.12", False),
        ("3.11.7", "==3.11.*", True),
        ("3.11.7", "==3.11", False),
        ("3.11.0", "==3.11", True),
        ("3.11.7", "!=3.11.*", False),
        ("3.12.1", "!=3.11.*", True),
        ("3.12.1", "~=3.11", True),
        ("4.0.0", "~=3.11", False),
        ("3.11.9", "~=3.11.7", True),
        ("3.12.0", "~=3.11.7", False),
        ("3.11.7", "<=3.11.7", True),
        ("3.11.7", ">3.11.7", False),
    ],
)
def test_specifiers(version: str, wanted: str | None, fits: bool) -> None:
    assert satisfies(parse_version(version), wanted) is fits


def test_what_is_no_specifier_is_refused() -> None:
    with pytest.raises(EnvironmentFailed, match="three eleven"):
        satisfies((3, 11, 7), "three eleven")
