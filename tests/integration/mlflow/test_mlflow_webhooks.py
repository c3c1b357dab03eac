"""Webhooks over HTTP: a real control process tells a real receiver."""

import base64
import hashlib
import hmac
import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from control_server import control_server

from treadle.domain.webhooks import WebhookEvent
from treadle.storage.sql.store import SqlStore

HOOKS = "/api/2.0/mlflow/webhooks"
CREATED = {"entity": "REGISTERED_MODEL", "action": "CREATED"}
SECRET = "a secret that nobody may see"


class Receiver:
    """Answers with the statuses it is given, then with 200; keeps what came."""

    def __init__(self, *statuses):
        self.came = queue.Queue()
        left, came = list(statuses), self.came

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                came.put((dict(self.headers), body))
                self.send_response(left.pop(0) if left else 200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(30)


@pytest.fixture
def receiver():
    found = Receiver(503)
    yield found
    found.close()


def test_the_life_of_a_webhook(tmp_path, receiver):
    with control_server(tmp_path / "home", TREADLE_WEBHOOK_PRIVATE="1") as control:
        said = control.post(HOOKS, name="ci", url=receiver.url, events=[CREATED], secret=SECRET, description="tells")
        created = said.json["webhook"]
        assert created == {
            "webhook_id": created["webhook_id"],
            "name": "ci",
            "url": receiver.url,
            "description": "tells",
            "events": [CREATED],
            "status": "ACTIVE",
            "creation_timestamp": created["creation_timestamp"],
            "last_updated_timestamp": created["creation_timestamp"],
        }
        one = f"{HOOKS}/{created['webhook_id']}"
        assert control.ask("GET", one).json == {"webhook": created}
        assert control.ask("GET", HOOKS).json == {"webhooks": [created]}
        first = control.post(f"{one}/test").json["result"]
        assert (first["success"], first["response_status"]) == (False, 503)
        assert control.post(f"{one}/test", event={"entity": "PROMPT", "action": "CREATED"}).json["result"]["success"]
        headers, body = receiver.came.get(timeout=30)
        signed = f"{headers['X-MLflow-Delivery-Id']}.{headers['X-MLflow-Timestamp']}.".encode() + body
        digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
        assert headers["X-MLflow-Signature"] == "v1," + base64.b64encode(digest).decode()
        assert json.loads(body)["data"]["name"] == "example_model"
        assert json.loads(receiver.came.get(timeout=30)[1])["entity"] == "prompt"
        changed = control.ask("PATCH", one, json.dumps({"status": "DISABLED", "name": "cd"}).encode()).json["webhook"]
        assert (changed["status"], changed["name"], changed["url"]) == ("DISABLED", "cd", receiver.url)
        second = control.post(HOOKS, name="two", url=receiver.url, events=[CREATED]).json["webhook"]
        page = control.ask("GET", f"{HOOKS}?max_results=1").json
        assert page["webhooks"] == [second]
        rest = control.ask("GET", f"{HOOKS}?max_results=1&page_token={page['next_page_token']}").json
        assert rest == {"webhooks": [changed]}
        assert control.ask("DELETE", one).json == {}
        assert control.ask("GET", one).status == 404
    for path in (tmp_path / "home.log", *(tmp_path / "home").rglob("*.log")):
        assert SECRET not in path.read_text()


def test_what_waits_outlives_the_server(tmp_path, receiver):
    with control_server(tmp_path / "home", TREADLE_WEBHOOK_PRIVATE="1") as control:
        control.post(HOOKS, name="ci", url=receiver.url, events=[CREATED], secret=SECRET)
    store = SqlStore(f"sqlite:///{tmp_path / 'home' / 'treadle.db'}")
    store.webhooks.announce(WebhookEvent("registered_model", "created"), '{"data": 1}', at=1)
    store.close()
    with control_server(tmp_path / "home", TREADLE_WEBHOOK_PRIVATE="1"):
        came = [receiver.came.get(timeout=60) for _ in range(2)]
    assert {body for _, body in came} == {b'{"data": 1}'}
    assert len({headers["X-MLflow-Delivery-Id"] for headers, _ in came}) == 1
    store = SqlStore(f"sqlite:///{tmp_path / 'home' / 'treadle.db'}")
    assert store.webhooks.next_due() is None
    store.close()


def test_changes_of_the_registry_are_told(tmp_path, receiver):
    events = [
        CREATED,
        {"entity": "MODEL_VERSION_ALIAS", "action": "CREATED"},
        {"entity": "PROMPT", "action": "CREATED"},
    ]
    with control_server(tmp_path / "home", TREADLE_WEBHOOK_PRIVATE="1") as control:
        control.post(HOOKS, name="ci", url=receiver.url, events=events)
        models = "/api/2.0/mlflow/registered-models"
        control.post(f"{models}/create", name="flights", description="d", tags=[{"key": "a", "value": "b"}])
        control.post(f"{models}/create", name="greet", tags=[{"key": "mlflow.prompt.is_prompt", "value": "true"}])
        run = control.post("/api/2.0/mlflow/runs/create", experiment_id="0", start_time=1).json["run"]["info"]
        version = {"name": "flights", "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]}
        assert control.post("/api/2.0/mlflow/model-versions/create", **version).status == 200
        assert control.post(f"{models}/alias", name="flights", alias="best", version="1").json == {}
        came = [json.loads(receiver.came.get(timeout=60)[1]) for _ in range(4)]
    told = {(each["entity"], each["data"]["name"]): each["data"] for each in came}
    assert set(told) == {
        ("registered_model", "flights"),
        ("prompt", "greet"),
        ("model_version_alias", "flights"),
    }
    assert told["registered_model", "flights"] == {"name": "flights", "tags": {"a": "b"}, "description": "d"}
    assert told["model_version_alias", "flights"] == {"name": "flights", "alias": "best", "version": "1"}


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "http://127.0.0.1:1/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://localhost/"},
        {"url": "https://169.254.169.254/latest/meta-data"},
        {"url": "https://[::1]/"},
        {"url": "https://[::ffff:127.0.0.1]/"},
        {"url": "https://0x7f000001/"},
        {"url": "https://2130706433/"},
        {"url": "https://user:pass@example.org/"},
        {"url": "https://no-such-host.invalid/"},
        {"url": "file:///etc/passwd"},
        {"url": "gopher://127.0.0.1/"},
        {"url": "https://93.184.216.34/\r\nX: 1"},
        {"url": 5},
        {"name": ""},
        {"name": "../x"},
        {"events": []},
        {"events": [{"entity": "REGISTERED_MODEL", "action": "DELETED"}]},
        {"events": [{"entity": "NOTHING", "action": "CREATED"}]},
        {"events": "all"},
        {"status": "ASLEEP"},
        {"secret": {"a": 1}},
        {"name": "a\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace")},
    ],
)
def test_what_is_refused(control, fields):
    whole = {"name": "ci", "url": "https://93.184.216.34/hook", "events": [CREATED], **fields}
    said = control.post(HOOKS, **whole)
    assert (said.status, said.json["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert control.ask("GET", HOOKS).json == {}


@pytest.mark.parametrize("query", ["max_results=0", "max_results=1001", "page_token=%25%25", "page_token=YWJj"])
def test_pages_that_are_none(control, query):
    assert control.ask("GET", f"{HOOKS}?{query}").status == 400


def test_webhooks_that_are_none(control):
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")):
        assert control.ask(method, f"{HOOKS}/nothing{path}", b"{}").status == 404
