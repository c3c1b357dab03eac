from __future__ import annotations

import contextlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treadle.domain import model_sources as sources
from treadle.domain.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("runs:/abc/model", sources.RunFilesSource("abc", "model")),
        ("runs:/abc/a/b", sources.RunFilesSource("abc", "a/b")),
        ("models:/m-12", sources.LoggedModelSource("m-12")),
        ("models:/a/3", sources.VersionSource("a", number=3)),
        ("models:/a b/Latest", sources.VersionSource("a b")),
        ("models:/a/Staging", sources.VersionSource("a", stage="Staging")),
        ("models:/a@b@best", sources.VersionSource("a@b", alias="best")),
        ("mlflow-artifacts:/0/r/artifacts/model", sources.ServedSource("mlflow-artifacts:/0/r/artifacts/model")),
        ("s3://bucket/a/b", sources.OtherSource("s3://bucket/a/b")),
        ("dbfs:/a", sources.OtherSource("dbfs:/a")),
    ],
)
def test_what_sources_name(text, meant):
    assert sources.parse_source(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "", "/etc/passwd", "etc", "./x", "C:\\x", "c:/x", "file:///etc", "FILE:///etc", "file:x", "http://a/b",
        "HTTPS://a/b", "ftp://a/b", "hdfs://a/b", "data:,x", "models:/", "models:/a/b/c", "models:/a/", "models:a/1",
        "models:/@x", "models:/a@", "models://host/a/1", "runs://host/a", "mlflow-artifacts://host/a",
        "mlflow-artifacts:a/b", "s3://a/../b", "s3://a/b?x=1", "s3://a/b#c", "s3://a/%23", "s3://a/b%00", "s3://a/\n",
    ],
)  # fmt: skip
def test_what_leads_elsewhere_is_refused(text):
    with pytest.raises(InvalidInput):
        sources.parse_source(text)


@given(st.sampled_from(["../x", "a/../b", "..", "a\\..\\b", "x#/../y", "./a"]), st.integers(0, 8))
def test_however_often_it_is_quoted(path, times):
    for _ in range(times):
        path = quote(path, safe="")
    for scheme in ("mlflow-artifacts:/0/", "s3://bucket/", "runs:/r/", "models:/"):
        with pytest.raises(InvalidInput):
            sources.parse_source(scheme + path)


@given(st.text(max_size=60))
def test_any_text_is_a_source_or_refused(text):
    for source in (text, f"models:/{text}", f"mlflow-artifacts:/{text}"):
        with contextlib.suppress(InvalidInput):
            sources.parse_source(source)


@pytest.mark.parametrize(
    ("inner", "outer", "within"),
    [
        ("mlflow-artifacts:/0/r/artifacts", "mlflow-artifacts:/0/r/artifacts", True),
        ("mlflow-artifacts:/0/r/artifacts/a/b", "mlflow-artifacts:/0/r/artifacts/", True),
        ("mlflow-artifacts:/0/r/artifacts2", "mlflow-artifacts:/0/r/artifacts", False),
        ("mlflow-artifacts:/0", "mlflow-artifacts:/0/r", False),
        ("mlflow-artifacts:/0/r", "mlflow-artifacts:/", False),
        ("s3://a/r/x", "s3://b/r", False),
        ("s3://a/r/x", "mlflow-artifacts:/r", False),
    ],
)
def test_within(inner, outer, within):
    assert sources.is_within(inner, outer) is within
