import numpy as np
import onnxruntime as rt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier

from treadle.runner.compiling import single_threshold, to_onnx
from treadle.runner.polars_table import PolarsTable
from treadle.spec.model_spec import ColumnSpec, ModelSpec

SPEC = ModelSpec("m", "", "Row", (ColumnSpec("x", "float", nullable=True), ColumnSpec("y", "bool")), "y", "binary")


@pytest.mark.parametrize("threshold", [0.22999999999999998, 0.23, 0.1 + 0.2, 1012.05, -0.235, 0.0, float("inf")])
def test_decimals_stay_on_their_side_of_a_threshold(threshold: float) -> None:
    single = np.float32(single_threshold(threshold))
    for value in (0.23, 0.22, 0.24, 0.3, 1012.0, 1012.1, -0.23, -0.24, 0.0, 0.1):
        assert (np.float32(value) <= single) == (value <= threshold), value


@given(st.integers(-99_999, 99_999), st.integers(-99_999, 99_999), st.integers(0, 3))
def test_half_way_between_two_decimals_parts_all_decimals_alike(low: int, high: int, places: int) -> None:
    first, second, scale = min(low, high), max(low, high), 10**places
    threshold = (first / scale + second / scale) / 2
    single = np.float32(single_threshold(threshold))
    for value in (first, second, (first + second) // 2, (first + second) // 2 + 1):
        assert (np.float32(value / scale) <= single) == (value / scale <= threshold)


@given(st.floats(-1e6, 1e6, width=32), st.floats(-1e6, 1e6, width=32))
def test_a_threshold_at_a_single_value_parts_single_values_alike(threshold: float, value: float) -> None:
    assert (np.float32(value) <= np.float32(single_threshold(threshold))) == (value <= threshold)


def test_a_value_half_way_between_two_that_were_seen_is_answered_alike() -> None:
    seen = np.array([0.21, 0.22, 0.24, 0.25] * 50)
    fitted = HistGradientBoostingClassifier(min_samples_leaf=1).fit(pl.DataFrame({"x": seen}), seen > 0.23)
    rows = pl.DataFrame({"x": [0.2, 0.21, 0.215, 0.22, 0.225, 0.23, 0.235, 0.24, 0.245, 0.25, None]})
    model = to_onnx(fitted, SPEC, PolarsTable(rows))
    session = rt.InferenceSession(model.graph)
    compiled = session.run(None, {"x": rows["x"].cast(pl.Float32).to_numpy().reshape(-1, 1)})[1][:, 1]
    assert np.abs(compiled - fitted.predict_proba(rows)[:, 1]).max() < 1e-6
