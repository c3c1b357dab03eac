from pathlib import PurePosixPath
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.domain.artifacts import below, file_path, safe_path, served_path
from treadle.domain.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ""),
        ("./", ""),
        ("a//b/./c/", "a/b/c"),
        ("50% off?.txt", "50% off?.txt"),
        ("100%ff.txt", "100%ff.txt"),
        ("a%20b", "a%20b"),
        ("...", "..."),
        ("a..b/..c", "a..b/..c"),
        ("metrics:loss", "metrics:loss"),
        ("ä/日本", "ä/日本"),
        ("-rf", "-rf"),
        ("~/x", "~/x"),
    ],
)
def test_safe_paths_keep_their_names(text, path):
    assert safe_path(text) == path


@given(st.text(max_size=60), st.integers(0, 3))
def test_what_passes_stays_below_the_root(text, times):
    for _ in range(times):
        text = quote(text, safe="/")
    try:
        path = safe_path(text)
    except InvalidInput:
        return
    assert safe_path(path) == path
    assert ".." not in path.split("/")
    assert not PurePosixPath(path).is_absolute()


@given(st.text(alphabet="./\\%2eEfF5cC:#\x00a", max_size=30))
def test_dangerous_letters_never_climb(text):
    try:
        path = safe_path(text)
    except InvalidInput:
        return
    assert not {"..", "."} & set(path.split("/"))
    assert not set("\\#\x00") & set(path)


def test_a_quoting_without_end_is_refused():
    text = "../x"
    for _ in range(12):
        text = quote(text, safe="")
    with pytest.raises(InvalidInput, match="times"):
        safe_path(text)


def test_the_root_is_no_file():
    with pytest.raises(InvalidInput):
        file_path("./")
    assert below("", "a") == below("a", "") == "a"
    with pytest.raises(InvalidInput):
        below("a", "/b")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("mlflow-artifacts:/0/run/artifacts", "0/run/artifacts"),
        ("mlflow-artifacts://host:8700/0/run", "0/run"),
        ("mlflow-artifacts:/", ""),
        ("s3://bucket/x", None),
        ("file:///etc", None),
        ("/etc", None),
        ("http://host/api/2.0/mlflow-artifacts/artifacts/0", None),
    ],
)
def test_locations_of_this_server(uri, path):
    assert served_path(uri) == path


@pytest.mark.parametrize(
    "uri",
    [
        "mlflow-artifacts:/../x",
        "mlflow-artifacts://host/%2e%2e/x",
        "mlflow-artifacts:/a?b=/../../x",
        "mlflow-artifacts:/a#/../../x",
        "mlflow-artifacts:/a#",
        "mlflow-artifacts:/a/..%5c..%5cx",
        "mlflow-artifacts:/a%00",
    ],
)
def test_locations_that_climb_are_refused(uri):
    with pytest.raises(InvalidInput):
        served_path(uri)
