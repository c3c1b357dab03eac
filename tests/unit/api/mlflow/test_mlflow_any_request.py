"""Whatever is sent to the protocol's routes, nothing ends in a 5xx: clients would repeat it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow_world import Reply, World

from treadle.api.mlflow import comments, datasets, experiments, metrics, run_data, runs
from treadle.api.mlflow.calls import Routes

ROUTES = Routes()
for room in (comments, datasets, experiments, metrics, run_data, runs):
    ROUTES.include(room.routes)
ADDRESSES = sorted((method, path) for method, path in ROUTES._fixed if path.startswith("/api/"))
RUN = "f" * 32
FIELDS = (
    "run_id", "run_uuid", "experiment_id", "experiment_ids", "key", "value", "timestamp", "step", "metrics", "params",
    "tags", "filter", "order_by", "max_results", "page_token", "run_view_type", "view_type", "name", "new_name",
    "status",
    "end_time", "start_time", "run_name", "metric_key", "run_ids", "start_step", "end_step", "datasets", "models",
    "model_json", "text", "count", "folder", "experiment_name", "artifact_location", "comment_id", "author", "path",
)  # fmt: skip

texts = st.text(max_size=8) | st.sampled_from(
    [RUN, "0", "1", "loss", "metrics.loss > 1", "-1", "9" * 30, "ALL", "{}", "a/b"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
points = st.fixed_dictionaries({}, optional={"key": texts, "value": scalars, "timestamp": scalars, "step": scalars})
values = (
    scalars
    | st.lists(points | texts | scalars, max_size=3)
    | st.dictionaries(texts, scalars, max_size=3)
    | st.lists(
        st.fixed_dictionaries({"dataset": st.dictionaries(texts, scalars) | scalars, "tags": scalars}), max_size=2
    )
)
bodies = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6) | values


def world() -> World:
    world = World(routes=ROUTES)
    world.services.tracking.create_run("0", name="a", user="b", started=1, run_id=RUN)
    return world


def check(reply: Reply) -> None:
    assert reply.status < 500, reply.body
    if reply.status != 200:
        assert set(reply.told) == {"error_code", "message"}
        assert reply.told["message"]


@given(st.sampled_from([path for method, path in ADDRESSES if method == "POST"]), bodies | st.binary(max_size=40))
@settings(max_examples=400)
def test_any_body(path: str, body: object) -> None:
    check(world().ask("POST", path, body if isinstance(body, bytes) else msgspec.json.encode(body)))


@given(
    st.sampled_from([path for method, path in ADDRESSES if method == "GET"]),
    st.dictionaries(st.sampled_from(FIELDS), texts | st.lists(texts, max_size=3), max_size=5),
)
def test_any_parameters(path: str, asked: dict[str, Any]) -> None:
    query = urlencode(asked, doseq=True, errors="replace").encode()
    check(world().ask("GET", path, query=query))
