"""Treadle runs the whole life of a machine-learning model from one Python file.

The public names are loaded on first use, so that ``import treadle`` costs next to nothing and needs the standard
library alone.
"""

TYPE_CHECKING = False  # as typing's, which takes longer to import than all the rest

if TYPE_CHECKING:
    from treadle.sdk.tracking.run import Run as Run
    from treadle.sdk.tracking.run import run as run
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
    "Run",
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
    "run",
    "shadow",
    "tune",
]

_HOME = {
    "Col": "spec.columns",
    "Column": "spec.columns",
    "Model": "spec.model",
    "Resources": "spec.policies",
    "Row": "spec.rows",
    "Run": "sdk.tracking.run",
    "Trial": "spec.signatures",
    "Window": "spec.windows",
    "age": "spec.policies",
    "by_time": "spec.policies",
    "canary": "spec.policies",
    "col": "spec.columns",
    "days": "spec.policies",
    "gate_broken": "spec.policies",
    "hours": "spec.policies",
    "metrics": "spec.metrics",
    "minutes": "spec.policies",
    "run": "sdk.tracking.run",
    "shadow": "spec.policies",
    "tune": "spec.params",
}

if not TYPE_CHECKING:  # a visible __getattr__ would let checkers accept any misspelt name

    def __getattr__(name: str) -> object:
        import importlib

        if name not in _HOME:
            raise AttributeError(f"module 'treadle' has no attribute {name!r}; it has {', '.join(__all__)}")
        module = importlib.import_module(f"treadle.{_HOME[name]}")
        value = module if name == "metrics" else getattr(module, name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
