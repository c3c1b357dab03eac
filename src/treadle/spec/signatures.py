"""The types of the functions that a model file declares, for mypy and pyright.

A protocol with two overloads holds a function to both: the first keeps its parameters' names for the caller, the
second says which parameters and which result Treadle needs.
"""

# pyright: reportInvalidTypeVarUse=false
# The variance that pyright proposes leaves the second overload out; mypy refuses it.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, ParamSpec, Protocol, TypeVar, overload

from treadle.spec.windows import Window

P = ParamSpec("P")


class PolarsFrame(Protocol):
    """A ``polars.DataFrame`` or ``polars.LazyFrame``."""

    def collect_schema(self) -> Any:
        """The columns' types by name."""
        ...


class PandasFrame(Protocol):
    """A ``pandas.DataFrame``."""

    @property
    def dtypes(self) -> Any:
        """The columns' types by name."""
        ...

    @property
    def columns(self) -> Any:
        """The columns' names."""
        ...


class ArrowFrame(Protocol):
    """A ``pyarrow.Table``."""

    @property
    def column_names(self) -> Any:
        """The columns' names."""
        ...


Frame = PolarsFrame | PandasFrame | ArrowFrame


class Array(Protocol):
    """An array or series of numbers."""

    def __array__(self) -> Any: ...


Scores = Sequence[float] | Sequence[Sequence[float]] | Array


class ParamsClass(Protocol):
    """An instance of a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class Trial(Protocol):
    """What ``fit`` may report to while it trains, so that tuning can stop a hopeless trial early."""

    def report(self, value: float, step: int) -> None:
        """Tell the objective's value after ``step`` (iterations, epochs), counted from 0."""
        ...

    def should_prune(self) -> bool:
        """Whether the trial is hopeless; ``fit`` may then return what it has."""
        ...


F_contra = TypeVar("F_contra", bound=Frame, contravariant=True)
D_contra = TypeVar("D_contra", bound=ParamsClass, contravariant=True)
R_contra = TypeVar("R_contra", contravariant=True)
L_contra = TypeVar("L_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)
M_contra = TypeVar("M_contra", contravariant=True)


class FromWindow(Protocol[P, T_co]):
    """``f(window) -> T``."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __call__(self, window: Window, /) -> T_co: ...


class FromRows(Protocol[P, F_contra, T_co]):
    """``f(rows) -> T``."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __call__(self, rows: F_contra, /) -> T_co: ...


class FromRowsAndSeed(Protocol[P, F_contra, T_co]):
    """``f(rows, seed) -> T``."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __call__(self, rows: F_contra, /, seed: int) -> T_co: ...


class FromRowsAndParams(Protocol[P, F_contra, D_contra, T_co]):
    """``f(rows, params, ...) -> T``; what may follow is checked when the function is declared."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __call__(self, rows: F_contra, params: D_contra, /, *args: Any, **kwargs: Any) -> T_co: ...


class FromModelAndRows(Protocol[P, M_contra, F_contra, T_co]):
    """``f(model, rows) -> T``."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __call__(self, model: M_contra, rows: F_contra, /) -> T_co: ...


class ToWorth(Protocol[P, R_contra, L_contra]):
    """``f(row, decision, label) -> float``."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> float: ...
    @overload
    def __call__(self, row: R_contra, decision: L_contra, label: L_contra, /) -> float: ...
