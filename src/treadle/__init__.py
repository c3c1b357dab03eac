"""Treadle runs the whole life of a machine-learning model from one Python file.

The public names are loaded on first use, so that ``import treadle`` costs next to nothing and needs the standard
library alone.
"""

TYPE_CHECKING = False  # as typing's, which takes longer to import than all the rest

if TYPE_CHECKING:
    from treadle.spec import metrics as metrics
    from treadle.spec.columns import Col as Col
    from treadle.spec.columns import Column as Column
    from treadle.spec.columns import col as col
    from treadle.spec.model import Model as Model
    from treadle.spec.params import tune as tune
    from treadle.spec.policies import Resources as Resources
    from treadle.spec.policies import age as age
    from treadle.spec.policies import by_time as by_time
    from treadle.spec.policies import canary as canary
    from treadle.spec.policies import days as days
    from treadle.spec.policies import gate_broken as gate_broken
    from treadle.spec.policies import hours as hours
    from treadle.spec.policies import minutes as minutes
    from treadle.spec.policies import shadow as shadow
    from treadle.spec.rows import Row as Row
    from treadle.spec.signatures import Trial as Trial
    from treadle.spec.windows import Window as Window

__version__ = "0.1.0"

__all__ = [
    "Col",
    "Column",
    "Model",
    "Resources",
    "Row",
    "Trial",
    "Window",
    "__version__",
    "age",
    "by_time",
    "canary",
    "col",
    "days",
    "gate_broken",
    "hours",
    "metrics",
    "minutes",
    "shadow",
    "tune",
]

_HOME = {
    "Col": "columns",
    "Column": "columns",
    "Model": "model",
    "Resources": "policies",
    "Row": "rows",
    "Trial": "signatures",
    "Window": "windows",
    "age": "policies",
    "by_time": "policies",
    "canary": "policies",
    "col": "columns",
    "days": "policies",
    "gate_broken": "policies",
    "hours": "policies",
    "metrics": "",
    "minutes": "policies",
    "shadow": "policies",
    "tune": "params",
}

if not TYPE_CHECKING:  # a visible __getattr__ would let checkers accept any misspelt name

    def __getattr__(name: str) -> object:
        import importlib

        if name not in _HOME:
            raise AttributeError(f"module 'treadle' has no attribute {name!r}; it has {', '.join(__all__)}")
        home = _HOME[name]
        value = (
            getattr(importlib.import_module(f"treadle.spec.{home}"), name)
            if home
            else importlib.import_module(f"treadle.spec.{name}")
        )
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
