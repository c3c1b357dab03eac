from __future__ import annotations

from typing import Any

import pytest

from treadle.domain.errors import StepFailed, WorkerUnavailable

PREDICT = "/models/flights/predict"
INFER = "/v2/models/flights/infer"


def tensors(row: dict[str, Any], rows: int = 1) -> dict[str, Any]:
    types = {"distance": "FP64", "stops": "INT64"}
    inputs = [
        {"name": name, "shape": [rows, 1], "datatype": types.get(name, "BYTES"), "data": [value] * rows}
        for name, value in row.items()
    ]
    return {"id": "mine", "inputs": inputs}


def test_plain_rows_get_a_prediction_each(gateway: Any, kit: Any) -> None:
    status, headers, body = gateway.call("POST", PREDICT, {"rows": [kit.row, kit.row]})
    assert status == 200
    (record,) = gateway.writer.records
    assert body == {
        "model": "flights",
        "version": 3,
        "predictions": [{"id": f"{record.request_id}-{i}", "score": 0.25, "decision": False} for i in range(2)],
    }
    assert headers["treadle-version"] == "3"
    assert headers["treadle-request-id"] == record.request_id


def test_a_version_can_be_named(gateway: Any, kit: Any) -> None:
    assert gateway.call("POST", "/models/flights/versions/3/predict", kit.row)[0] == 200
    assert gateway.call("POST", "/models/flights/versions/4/predict", kit.row)[0] == 404
    assert gateway.call("POST", "/v2/models/flights/versions/3/infer", tensors(kit.row))[0] == 200


def test_multiclass_answers_carry_every_class(kit: Any) -> None:
    gateway = kit.make_gateway("multiclass", [0.2, 0.7, 0.1])
    _, _, body = gateway.call("POST", PREDICT, kit.row)
    (prediction,) = body["predictions"]
    assert (prediction["score"], prediction["decision"]) == (0.7, "b")
    assert prediction["scores"] == {"a": 0.2, "b": 0.7, "c": 0.1}
    _, _, body = gateway.call("POST", INFER, tensors(kit.row, 2))
    score, decision, probabilities = body["outputs"]
    assert score["data"] == [0.7, 0.7]
    assert (decision["datatype"], decision["data"]) == ("BYTES", ["b", "b"])
    assert (probabilities["shape"], probabilities["data"]) == ([2, 3], [0.2, 0.7, 0.1] * 2)
    assert probabilities["parameters"] == {"classes": ["a", "b", "c"]}


def test_a_score_that_is_no_number_is_null(kit: Any) -> None:
    _, _, body = kit.make_gateway("regression", float("nan")).call("POST", PREDICT, kit.row)
    assert body["predictions"][0]["score"] is None


def test_tensors_follow_the_open_inference_protocol(gateway: Any, kit: Any) -> None:
    status, _, body = gateway.call("POST", INFER, tensors(kit.row, 2))
    assert status == 200
    (record,) = gateway.writer.records
    assert (body["id"], body["model_name"], body["model_version"]) == ("mine", "flights", "3")
    assert body["outputs"] == [
        {"name": "score", "shape": [2], "datatype": "FP64", "data": [0.25, 0.25]},
        {"name": "decision", "shape": [2], "datatype": "BOOL", "data": [False, False]},
    ]
    assert body["parameters"] == {"prediction_ids": [f"{record.request_id}-{i}" for i in range(2)], "version": 3}


def test_outputs_can_be_chosen_and_data_nested(gateway: Any, kit: Any) -> None:
    request = tensors(kit.row)
    for tensor in request["inputs"]:
        tensor["data"] = [tensor["data"]]
    request["outputs"] = [{"name": "decision"}]
    _, _, body = gateway.call("POST", INFER, request)
    assert [output["name"] for output in body["outputs"]] == ["decision"]
    request["outputs"] = [{"name": "label"}]
    status, _, body = gateway.call("POST", INFER, request)
    assert (status, body["error"]) == (400, "there is no output 'label'")
    assert len(gateway.writer.records) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": [2]}, "input 'distance' has 1 values but the shape [2]"),
        ({"shape": [1, 2]}, "input 'distance' has the shape [1, 2]"),
        ({"datatype": "BYTES"}, "input 'distance' is \"BYTES\", the column is a float"),
        ({"datatype": "FP8"}, "input 'distance' is \"FP8\""),
        ({"data": [-1]}, "row 0, column 'distance': must be >= 0, is -1"),
        ({"data": [[1], [2]], "shape": [1, 1]}, "input 'distance' has 2 values"),
        ({"data": [[[1]]], "shape": [1, 1]}, "row 0, column 'distance': must be a number, is [1]"),
        ({"name": "distnace"}, "the request: model 'flights' has no column \"distnace\""),
        ({"name": "stops"}, "input 'stops' is there twice"),
        ({"data": [1, 2], "shape": [2]}, "input 'distance' has 2 rows, 'flight_id' has 1"),
    ],
)
def test_bad_tensors_are_refused_with_words(gateway: Any, kit: Any, change: dict[str, Any], said: str) -> None:
    request = tensors({**{k: v for k, v in kit.row.items() if k != "distance"}, "distance": kit.row["distance"]})
    request["inputs"][-1].update(change)
    status, _, body = gateway.call("POST", INFER, request)
    assert status == 400
    assert body["error"].startswith(said)


@pytest.mark.parametrize("path", [PREDICT, INFER])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"3", b"\xff", b'{"inputs":[]}', b'{"inputs":[{}]}', b'{"rows":1}', b"[" * 9999]
)
def test_no_body_is_an_internal_error(gateway: Any, path: str, body: bytes) -> None:
    status, _, answer = gateway.call("POST", path, body)
    assert status == 400
    assert answer["error"]
    assert not gateway.writer.records


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/models", 404),
        ("GET", "/models/flights", 404),
        ("POST", "/models/cars/predict", 404),
        ("POST", "/models/flights/versions/x/predict", 404),
        ("POST", "/models/flights/versions/99999999999999999999/predict", 404),
        ("GET", PREDICT, 405),
        ("PUT", INFER, 405),
        ("POST", "/v2/models/flights", 405),
        ("POST", "/health", 405),
        ("GET", "/v2/models/cars", 404),
        ("GET", "/v2/models/flights/versions/9", 404),
        ("GET", "/v2/models/flights/nothing", 404),
        ("POST", "/v2/models/cars/infer", 404),
    ],
)
def test_paths_and_methods_that_are_not_there(gateway: Any, kit: Any, method: str, path: str, status: int) -> None:
    got, headers, body = gateway.call(method, path, kit.row)
    assert (got, bool(body["error"])) == (status, True)
    assert ("allow" in headers) == (status == 405)


def test_the_protocols_questions_about_server_and_model(gateway: Any) -> None:
    assert gateway.call("GET", "/v2")[2]["name"] == "treadle"
    assert gateway.call("GET", "/v2/health/live")[2] == {"live": True}
    assert gateway.call("GET", "/v2/health/ready")[2]["ready"] is True
    assert gateway.call("GET", "/health")[2] == {"ready": True, "revision": 1, "models": ["flights"]}
    assert gateway.call("GET", "/v2/models/flights/ready")[2] == {"name": "flights", "ready": True}
    assert gateway.call("GET", "/v2/models/flights/versions/3/ready")[0] == 200
    metadata = gateway.call("GET", "/v2/models/flights/versions/3")[2]
    assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("flights", ["3"], "treadle_onnx")
    assert {"name": "distance", "datatype": "FP64", "shape": [-1]} in metadata["inputs"]
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["score", "decision"]


def test_a_gateway_without_a_table_is_alive_but_not_ready(gateway: Any) -> None:
    gateway.app.ready = False
    assert gateway.call("GET", "/v2/health/live")[0] == 200
    assert gateway.call("GET", "/v2/health/ready")[0] == 503
    assert gateway.call("GET", "/health")[0] == 503


def test_a_body_may_come_in_pieces_but_not_be_too_large(kit: Any) -> None:
    gateway = kit.make_gateway(max_body=400)
    assert gateway.call("POST", PREDICT, kit.row, pieces=7)[0] == 200
    status, headers, body = gateway.call("POST", PREDICT, b" " * 401, pieces=3)
    assert (status, headers["connection"]) == (413, "close")
    assert "400 bytes" in body["error"]
    assert gateway.call("POST", PREDICT, b" " * 401)[0] == 413
    told = [(b"content-length", b"99999")]
    assert gateway.call("POST", PREDICT, b"{}", headers=told, pieces=2)[0] == 413


def test_encodings_that_are_not_understood(gateway: Any, kit: Any) -> None:
    assert gateway.call("POST", PREDICT, kit.row, headers=[(b"content-encoding", b"gzip")])[0] == 415
    binary = [(b"inference-header-content-length", b"10")]
    assert gateway.call("POST", INFER, tensors(kit.row), headers=binary)[0] == 415


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (WorkerUnavailable("the worker is gone", hint="again"), 503),
        (StepFailed("predict raised ValueError: no"), 500),
        (ZeroDivisionError("a bug"), 500),
    ],
)
def test_failures_behind_the_gateway(kit: Any, failure: Exception, status: int) -> None:
    gateway = kit.make_gateway(score=failure)
    got, headers, body = gateway.call("POST", PREDICT, kit.row)
    assert got == status
    assert body["error"]
    assert "a bug" not in body["error"]
    assert ("retry-after" in headers) == (status == 503)
    assert gateway.plane.table.model("flights").version(3).in_flight == 0


def test_a_full_disk_refuses(gateway: Any, kit: Any) -> None:
    gateway.writer.full = True
    status, _, body = gateway.call("POST", PREDICT, kit.row)
    assert status == 503
    assert "No space left" in body["error"]


def test_the_gateway_counts(gateway: Any, kit: Any) -> None:
    gateway.call("POST", PREDICT, {"rows": [kit.row] * 3})
    gateway.call("POST", PREDICT, b"{")
    gateway.call("POST", "/models/unheard-of/predict", kit.row)
    status, headers, text = gateway.call("GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain")
    lines = text.splitlines()
    assert 'treadle_requests_total{model="flights",version="3"} 1' in lines
    assert 'treadle_rows_total{model="flights",version="3"} 3' in lines
    assert 'treadle_errors_total{model="flights",status="400"} 1' in lines
    assert 'treadle_errors_total{model="",status="404"} 1' in lines
    assert 'treadle_latency_seconds_bucket{model="flights",version="3",le="+Inf"} 1' in lines
    assert "treadle_routing_revision 1" in lines


def test_a_gateway_that_is_starting_asks_to_be_asked_again(gateway: Any, kit: Any) -> None:
    gateway.app.ready = False
    status, headers, body = gateway.call("POST", "/models/trains/predict", kit.row)
    assert (status, body["error"], headers["retry-after"]) == (503, "the gateway is starting", "1")
    assert gateway.call("POST", PREDICT, kit.row)[0] == 200
    assert gateway.call("POST", PREDICT, {"rows": [{}]})[0] == 400
    gateway.app.ready = True
    assert gateway.call("POST", "/models/trains/predict", kit.row)[0] == 404
