from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from treadle.domain.errors import DeclarationError
from treadle.spec.describe import describe
from treadle.spec.model_spec import ParamSpec

Load = Callable[[str], ModuleType]
Refused = Callable[[str], DeclarationError]

SOURCE = "@flights.source\ndef departures(window: Window) -> pl.LazyFrame: return pl.LazyFrame()\n"
FIT = "@flights.train\ndef fit(rows: pl.DataFrame, params: Params) -> object: return object()\n"


def test_params_become_data(load: Load, model: str) -> None:
    module = load(f"""{model}{SOURCE}
@dataclass(frozen=True)
class Params:
    rate: float = tune(0.1, low=0.01, high=1, log=True)
    rounds: int = tune(150, low=50, high=400)
    loss: str = tune("log", choices=["log", "hinge"])
    warm: bool = tune(False, choices=[False, True])
    patience: int = 5
    share: float = 1

{FIT}""")
    spec = describe(module)
    assert spec.params_class == "Params"
    assert spec.params == (
        ParamSpec("rate", "float", 0.1, 0.01, 1.0, log=True),
        ParamSpec("rounds", "int", 150, 50.0, 400.0),
        ParamSpec("loss", "str", "log", choices=("log", "hinge")),
        ParamSpec("warm", "bool", False, choices=(False, True)),
        ParamSpec("patience", "int", 5),
        ParamSpec("share", "float", 1.0),
    )
    assert [p.name for p in spec.params if p.tunable] == ["rate", "rounds", "loss", "warm"]
    assert module.flights.params_class is module.Params
    assert module.Params(rounds=60).rounds == 60
    assert module.Params().rate == 0.1


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("tune(0.1, low=0.3, high=0.01)", "empty range", "low=0.01, high=0.3"),
        ("tune(0.1, low=0.1, high=0.1)", "empty range", "below"),
        ("tune(0.5, low=0.01, high=0.3)", "default lies outside", "widen"),
        ("tune(0.1, low=0, high=0.3, log=True)", "no logarithm", "above 0"),
        ("tune(0.1, low='0', high=0.3)", "low is '0'", "numbers"),
        ("tune(0.1)", "low is None", "choices"),
        ("tune(True, low=0, high=1)", "default is True", "numbers"),
        ("tune(0.1, low=0, high=float('inf'))", "high is inf", "numbers"),
        ("tune('a', choices=['b', 'c'])", "none of the choices", "add 'a'"),
        ("tune('a', choices=['a'])", "nothing to choose", "two values"),
        ("tune('a', choices='ab')", "nothing to choose", "two values"),
        ("tune('a', choices=['a', 1])", "another type", "type str"),
        ("tune('a', choices=['a', 'a'])", "twice", "once"),
        ("tune(1, low=0, high=2, choices=[1, 2])", "a range as well", "or choices"),
    ],
)
def test_a_wrong_search_is_refused(refused: Refused, head: str, text: str, message: str, hint: str) -> None:
    error = refused(f"{head}class Params:\n    rate: float = {text}  # here\n")
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("field", "at_field", "message", "hint"),
    [
        ("rate: float", False, "Params.rate has no default", "tune("),
        ("rate: list = field(default_factory=list)", False, "Params.rate is a list", "float, int, str or bool"),
        ("rate: int = 0.5", False, "declared as int, but its default is 0.5", "float or int"),
        ("rate: int = tune(1, low=0.5, high=2)", True, "searched from 0.5 to 2", "whole bounds"),
    ],
)
def test_a_wrong_field_is_refused(
    refused: Refused, model: str, field: str, at_field: bool, message: str, hint: str
) -> None:
    mark, other = ("  # here", "") if at_field else ("", "  # here")
    fit = FIT.replace("@flights.train", f"@flights.train{other}")
    error = refused(f"{model}@dataclass\nclass Params:\n    {field}{mark}\n\n{fit}")
    assert message in error.message
    assert hint in error.hint


def test_params_are_a_dataclass(refused: Refused, model: str) -> None:
    fit = FIT.replace("@flights.train", "@flights.train  # here")
    error = refused(f"{model}class Params:\n    rate: float = tune(0.1, low=0, high=1)\n\n{fit}")
    assert "Params is no dataclass" in error.message
    assert "@dataclass" in error.hint


def test_params_need_a_class(refused: Refused, model: str) -> None:
    error = refused(f"{model}@flights.train  # here\ndef fit(rows: pl.DataFrame, params): ...\n")
    assert "has no class as its type" in error.message
