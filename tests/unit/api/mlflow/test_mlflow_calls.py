from __future__ import annotations

import msgspec
import pytest
from mlflow_world import World

from treadle.api.mlflow.calls import Answer, Call, Routes, answer
from treadle.domain.errors import Conflict, NotFound


class Thing(msgspec.Struct):
    name: str
    count: int = 0


routes = Routes()


@routes.add("POST", "/api/2.0/mlflow/things/create")
async def create(call: Call) -> Answer:
    thing = await call.json(Thing)
    return answer({"name": thing.name, "count": thing.count})


@routes.add("GET", "/api/2.0/mlflow/things/{name}/files/{path:path}")
async def read(call: Call) -> Answer:
    if call.path["path"] == "missing":
        raise NotFound("there is no such file", hint="look again")
    if call.path["path"] == "fault":
        raise ZeroDivisionError
    return answer(dict(call.path))


def ask(method: str, path: str, body: bytes = b"", query: bytes = b"") -> tuple[int, bytes]:
    reply = World(routes=routes).ask(method, path, body, query)
    return reply.status, reply.body


@pytest.mark.parametrize("base", ["/api", "/ajax-api"])
def test_both_bases_serve_a_route(base: str) -> None:
    status, body = ask("POST", f"{base}/2.0/mlflow/things/create", b'{"name": "a", "count": "3", "unknown": 1}')
    assert (status, body) == (200, b'{"name":"a","count":3}')


def test_values_of_a_path_are_unquoted_part_by_part() -> None:
    status, body = ask("GET", "/api/2.0/mlflow/things/a%2Fb/files/c/d%20e")
    assert (status, msgspec.json.decode(body)) == (200, {"name": "a/b", "path": "c/d e"})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/api/2.0/mlflow/things/create", b"{", 400, "BAD_REQUEST"),
        ("POST", "/api/2.0/mlflow/things/create", b'{"name": 3}', 400, "INVALID_PARAMETER_VALUE"),
        ("POST", "/api/2.0/mlflow/things/create", b'{"name": "a", "count": "x"}', 400, "INVALID_PARAMETER_VALUE"),
        ("GET", "/api/2.0/mlflow/things/create", b"", 405, "BAD_REQUEST"),
        ("GET", "/api/2.0/mlflow/nothing", b"", 404, "ENDPOINT_NOT_FOUND"),
        ("GET", "/api/2.0/mlflow/things/a/files/missing", b"", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "/api/2.0/mlflow/things/a/files/fault", b"", 500, "INTERNAL_ERROR"),
    ],
)
def test_errors_have_the_codes_of_the_protocol(method: str, path: str, body: bytes, status: int, code: str) -> None:
    answered, told = ask(method, path, body)
    assert answered == status
    assert msgspec.json.decode(told)["error_code"] == code


def test_a_conflict_is_told_as_one() -> None:
    from treadle.api.mlflow.errors import told

    assert told(Conflict("it is there")).status == 400


def test_everything_else_goes_on_to_the_control_plane() -> None:
    assert ask("GET", "/api/v1/status") == (299, b"other")
