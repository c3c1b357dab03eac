"""Whatever is sent to the registry's routes, nothing ends in a 5xx; on a real database, which minds what it stores."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow_world import Reply, World, services

from treadle.api.mlflow import logged_models, model_versions, registered_models
from treadle.api.mlflow.calls import Routes
from treadle.storage.sql.store import SqlStore
from treadle.testing import samples

ROUTES = Routes()
for room in (logged_models, model_versions, registered_models):
    ROUTES.include(room.routes)
ADDRESSES = sorted((method, path) for method, path in ROUTES._fixed if path.startswith("/api/"))
MODEL = "/api/2.0/mlflow/logged-models/"
FIELDS = (
    "name", "new_name", "version", "alias", "stage", "stages", "key", "value", "tags", "params", "source", "run_id",
    "model_id", "description", "reason", "run_link", "archive_existing_versions", "filter", "order_by", "max_results",
    "page_token", "experiment_id", "experiment_ids", "datasets", "status", "source_run_id", "model_type",
)  # fmt: skip
texts = st.text(max_size=8) | st.sampled_from(
    [
        "flights", "theirs", "1", "2", "-1", "9" * 30, "-" + "9" * 18, "champion", "best", "Production", "m-1", "0",
        "models:/flights/1", "models:/theirs@best", "models:/theirs/latest", "runs:/run-1/x", "s3://a/b", "name = 'a'",
        "version_number > 99999999999999999999", "metrics.x > 1e999", "tags.a LIKE '%'", "name DESC", "metrics.x ASC",
    ]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
parts = st.dictionaries(
    st.sampled_from(["key", "value", "field_name", "ascending", "dataset_name", "dataset_digest"]), scalars, max_size=4
)
values = scalars | st.lists(parts | texts | scalars, max_size=3)
bodies = st.dictionaries(st.sampled_from(FIELDS), values, max_size=7)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    store = SqlStore(f"sqlite:///{tmp_path_factory.mktemp('any') / 'treadle.db'}")
    store.versions.register(samples.a_version())
    store.versions.set_alias("flights", "champion", 1)
    made = World(services=services(store), routes=ROUTES)
    made.post("registered-models/create", name="theirs")
    made.post("model-versions/create", name="theirs", source="s3://a/b")
    yield made
    store.close()


def check(reply: Reply) -> None:
    assert reply.status < 500, reply.body
    if reply.status != 200:
        assert set(reply.told) == {"error_code", "message"}
        assert reply.told["message"]


@given(address=st.sampled_from(ADDRESSES), body=bodies)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_body_and_any_parameters(world: World, address: tuple[str, str], body: dict[str, object]) -> None:
    check(world.ask(*address, msgspec.json.encode(body), urlencode(_plain(body), doseq=True).encode()))


@given(
    method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
    model=texts.filter(bool),
    rest=st.sampled_from(["", "/params", "/tags", "/tags/a", "/tags/%2e%2e"]),
    body=bodies,
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_logged_model(world: World, method: str, model: str, rest: str, body: dict[str, object]) -> None:
    check(world.ask(method, f"{MODEL}{quote(model, safe='')}{rest}", msgspec.json.encode(body)))


def _plain(body: dict[str, object]) -> dict[str, object]:
    """What can stand in an address; lone surrogates cannot."""
    found: dict[str, object] = {}
    for key, value in body.items():
        items = value if isinstance(value, list) else [value]
        found[key] = [str(item).encode("utf-8", "replace").decode() for item in items]
    return found
