import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.api.mlflow.ranges import NotSatisfiable, byte_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-5", (2, 6)),
        ("bytes=2-", (2, 10)),
        ("bytes=2-99", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        (" Bytes = 1 - 2 ", (1, 3)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("rows=0-1", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("", None),
    ],
)
def test_one_range_is_known(header, expected):
    assert byte_range(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=-1", 0)]
)
def test_no_byte_in_the_range(header, size):
    with pytest.raises(NotSatisfiable):
        byte_range(header, size)


@given(st.text(alphabet="bytes=-0123456789, ", max_size=20), st.integers(0, 50))
def test_what_is_sent_lies_in_the_file(header, size):
    try:
        found = byte_range(header, size)
    except NotSatisfiable:
        return
    assert found is None or 0 <= found[0] < found[1] <= size
