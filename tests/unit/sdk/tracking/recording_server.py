"""A small real server that speaks what the client needs of the protocol, and can be told to fail."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

API = "/api/2.0/mlflow/"
FILES = "/api/2.0/mlflow-artifacts/artifacts/"


class Refusal(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message


class RecordingServer:
    """What was logged lies in ``runs``. ``intercept(path, body)`` may raise Refusal before a call is done, and
    ``lose(path)`` says whether its answer is lost afterwards. ``own_ids``: it names runs itself, as MLflow does."""

    def __init__(self, port: int = 0) -> None:
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.own_ids = False
        self.intercept: Callable[[str, dict[str, Any]], None] = lambda _path, _body: None
        self.lose: Callable[[str], bool] = lambda _path: False
        self._lock = threading.Lock()
        self._http: _Server | None = None
        self.start(port)

    def start(self, port: int | None = None) -> None:
        self._http = _Server(("127.0.0.1", self.port if port is None else port), _handler(self))
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        assert self._http is not None
        self._http.shutdown()
        self._http.server_close()
        self._http.hang_up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def only_run(self) -> dict[str, Any]:
        (run,) = self.runs.values()
        return run

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self.calls.append(path)
            self.intercept(path, body)
            return getattr(self, "_" + path.replace("/", "_").replace("-", "_"))(body)

    def _experiments_get_by_name(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["experiment_name"]
        if name not in self.experiments:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"no experiment {name}")
        return {"experiment": {"experiment_id": self.experiments[name], "name": name, "lifecycle_stage": "active"}}

    def _experiments_create(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["name"] in self.experiments:
            raise Refusal(400, "RESOURCE_ALREADY_EXISTS", "taken")
        self.experiments[body["name"]] = str(len(self.experiments) + 1)
        return {"experiment_id": self.experiments[body["name"]]}

    def _runs_create(self, body: dict[str, Any]) -> dict[str, Any]:
        run = f"{len(self.runs):032x}" if self.own_ids else body["run_id"]
        info = {
            "run_id": run,
            "experiment_id": body["experiment_id"],
            "run_name": body["run_name"],
            "start_time": body["start_time"],
            "status": "RUNNING",
            "lifecycle_stage": "active",
            "artifact_uri": f"mlflow-artifacts:/{body['experiment_id']}/{run}/artifacts",
        }
        made = {"info": info, "metrics": defaultdict(set), "params": {}, "tags": {}, "files": {}}
        made["tags"] = {tag["key"]: tag["value"] for tag in body["tags"]}
        return {"run": {"info": self.runs.setdefault(run, made)["info"]}}

    def _runs_get(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"run": {"info": self._run(body)["info"]}}

    def _runs_search(self, body: dict[str, Any]) -> dict[str, Any]:
        wanted = body["filter"].rpartition("= ")[2].strip("'")
        return {"runs": [{"info": r["info"]} for r in self.runs.values() if r["tags"]["treadle.run"] == wanted]}

    def _runs_update(self, body: dict[str, Any]) -> dict[str, Any]:
        info = self._run(body)["info"]
        info.update({key: body[key] for key in ("status", "end_time") if key in body})
        return {"run_info": info}

    def _runs_log_batch(self, body: dict[str, Any]) -> dict[str, Any]:
        run = self._run(body)
        assert len(body.get("metrics", ())) <= 1000
        for param in body.get("params", ()):
            if run["params"].get(param["key"], param["value"]) != param["value"]:
                raise Refusal(400, "INVALID_PARAMETER_VALUE", f"{param['key']} has another value")
        run["params"] |= {param["key"]: param["value"] for param in body.get("params", ())}
        run["tags"] |= {tag["key"]: tag["value"] for tag in body.get("tags", ())}
        for point in body.get("metrics", ()):
            run["metrics"][point["key"]].add((point["step"], point["value"], point["timestamp"]))
        return {}

    def put(self, path: str, data: bytes) -> None:
        with self._lock:
            self.calls.append("PUT")
            self.intercept("PUT", {"path": path})
            _, run, _, name = path.split("/", 3)
            self.runs[run]["files"][name] = data

    def _run(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["run_id"] not in self.runs:
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"no run {body['run_id']}")
        return self.runs[body["run_id"]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: list[socket.socket] = []

    def get_request(self) -> Any:
        accepted = super().get_request()
        self._connections.append(accepted[0])
        return accepted

    def hang_up(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that went away


def _handler(server: RecordingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            self._answer({key: values[0] for key, values in asked.items()})

        def do_POST(self) -> None:
            self._answer(json.loads(self._body()))

        def do_PUT(self) -> None:
            data = self._body()
            self._say(lambda: server.put(unquote(self.path).removeprefix(FILES), data) or {})

        def _answer(self, body: dict[str, Any]) -> None:
            path = urlsplit(self.path).path.removeprefix(API)
            self._say(lambda: server.answer(path, body))

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers["Content-Length"]))

        def _say(self, do: Callable[[], dict[str, Any]]) -> None:
            try:
                status, told = 200, do()
            except Refusal as refusal:
                status, told = refusal.status, {"error_code": refusal.code, "message": refusal.message}
            if server.lose(urlsplit(self.path).path.removeprefix(API)):
                self.close_connection = True
                return
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
