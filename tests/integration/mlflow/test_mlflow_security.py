"""What MLflow's servers were broken by, tried on a real control process: everything is refused, nothing is a 5xx.

CVE-2023-6909, -6977 and CVE-2024-1483, -1558, -1560, -1594, -3848: files read, written and removed through paths,
fragments, queries and quoting. Beside them: header injection, bodies that are too long, pages of other origins.
"""

import contextlib
import hashlib
import socket
from urllib.parse import quote

import pytest

STORE = "/api/2.0/mlflow-artifacts"
MIB = 1024 * 1024
CLIMBING = (
    "../outside",
    "../../../../../../../../etc/passwd",
    "a/../../outside",
    "a/..",
    "..\\outside",
    "a\\..\\..\\outside",
    "C:\\Windows\\win.ini",
    "\\\\host\\share",
    "a#/../../outside",
    "#",
    "a\x00b",
    "a\x00/../../etc/passwd",
    "a\r\nSet-Cookie: x=1",
    "a" * 300,
    "a/" * 3000,
)
ABSOLUTE = ("/etc/passwd", "//etc/passwd", "C:/Windows/win.ini", "file:///etc/passwd", "file:/etc/passwd", "http://h/x")


def spellings(path):
    """Quoted once, twice and thrice, with its dots quoted, and as it is where a request line can hold it."""
    once = quote(path, safe="")
    twice = quote(once, safe="")
    found = {once, twice, quote(twice, safe=""), once.replace(".", "%2e"), once.replace(".", "%252e")}
    if all(32 < ord(letter) < 127 and letter != "#" for letter in path):
        found.add(path)
    return found


HOSTILE = sorted({spelling for path in (*CLIMBING, *ABSOLUTE) for spelling in spellings(path)})
DEEP = sorted({spelling for path in CLIMBING for spelling in spellings(path)})


@pytest.fixture
def outside(control):
    """A file beside the store, where a path that climbs would find it."""
    path = control.home / "artifacts" / "outside"
    path.write_bytes(b"secret")
    yield path
    assert path.read_bytes() == b"secret"
    assert sorted(found.name for found in path.parent.iterdir()) == ["files", "outside", "uploads"]
    path.unlink()


@pytest.fixture
def root(request):
    return f"0/{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:32]}/artifacts"


def refused(said, *statuses):
    assert said.status in (statuses or (400,)), (said.status, said.body)
    assert b"secret" not in said.body
    assert b"root:" not in said.body
    assert "set-cookie" not in said.headers
    if said.body:
        assert set(said.json) == {"error_code", "message"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
@pytest.mark.usefixtures("outside")
def test_no_path_of_the_store_climbs(control, method):
    body = b"evil" if method == "PUT" else None
    for path in HOSTILE:
        refused(control.ask(method, f"{STORE}/artifacts/{path}", body))
    for path in DEEP:
        refused(control.ask(method, f"{STORE}/artifacts/0/run/artifacts/{path}", body))


@pytest.mark.parametrize(
    "target",
    [
        f"{STORE}/artifacts?path=",
        f"{STORE}/artifacts?path=0/run/",
        "/api/2.0/mlflow/artifacts/list?run_id=1&path=",
        "/ajax-api/2.0/mlflow/artifacts/list?run_uuid=1&path=",
        "/api/2.0/mlflow/logged-models/m-1/artifacts/directories?artifact_directory_path=",
        "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files?artifact_file_path=",
        "/get-artifact?run_id=1&path=",
        "/get-artifact?run_uuid=1&path=",
        "/model-versions/get-artifact?name=m&version=1&path=",
        f"{STORE}/presigned/",
    ],
)
@pytest.mark.usefixtures("outside")
def test_no_question_climbs(control, target):
    for path in DEEP if target.endswith("run/") else HOSTILE:
        asked = path.replace("+", "%2B").replace("&", "%26") if "?" in target else path
        refused(control.ask("GET", f"{target}{asked}"))


@pytest.mark.usefixtures("outside")
def test_no_upload_of_the_page_climbs(control):
    for path in HOSTILE:
        refused(control.ask("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid=1&path={path}", b"evil"))


@pytest.mark.parametrize("run", ["..", "../..", "%2e%2e%2f", "/etc", "\x00", "1' OR '1'='1", "a" * 5000, ""])
def test_no_run_is_a_path(control, run):
    for target in ("/api/2.0/mlflow/artifacts/list?path=", "/get-artifact?path=passwd"):
        refused(control.ask("GET", f"{target}&run_id={quote(run, safe='%')}"), 400, 404)


@pytest.mark.usefixtures("outside")
def test_no_upload_in_parts_climbs(control):
    for path in HOSTILE:
        for step in ("create", "complete", "abort"):
            fields = {"path": "x", "upload_id": "0" * 32, "parts": [{"part_number": 1}], "num_parts": 1}
            refused(control.post(f"{STORE}/mpu/{step}/{path}", **fields))
    for name in (
        "..",
        "a/..",
        "/",
        "",
        "a\x00b",
        "a\nb",
        "a#b",
        "%2e%2e",
        "..\\..",
        "%252e%252e%252fx",
        "C:",
        "b" * 300,
    ):
        refused(control.post(f"{STORE}/mpu/create/0/run/artifacts", path=name, num_parts=1))
    taken = control.post(f"{STORE}/mpu/create/0/run/artifacts", path="../../../../etc/passwd", num_parts=1).json
    for upload in ("", "..", "../files", "0" * 31, "0" * 33, "G" * 32, "/etc", "%2e%2e", taken["upload_id"].upper()):
        fields = {"path": "passwd", "upload_id": upload, "parts": [{"part_number": 1}]}
        refused(control.post(f"{STORE}/mpu/complete/0/run/artifacts", **fields))
        refused(control.post(f"{STORE}/mpu/abort/0/run/artifacts", **fields))
        refused(control.ask("PUT", f"{STORE}/mpu/part/{quote(upload, safe='%')}/1", b"x"), 400, 404)
    for number in ("0", "-1", "10001", "1e3", "1.0", "%2e%2e", "%C2%B9", "9" * 5000, "..", "1/..", "1%00"):
        refused(control.ask("PUT", f"{STORE}/mpu/part/{taken['upload_id']}/{number}", b"x"), 400, 404)
    for fields in ({"upload_id": 5}, {"parts": [{}]}, {"parts": [{"part_number": 1}] * 2}, {"parts": "all"}, {}):
        whole = {"path": "passwd", "upload_id": taken["upload_id"], **fields}
        refused(control.post(f"{STORE}/mpu/complete/0/run/artifacts", **whole))
    for other in ("0/other/artifacts", "0/run/artifacts/deeper"):
        control.ask("PUT", f"{STORE}/mpu/part/{taken['upload_id']}/1", b"x")
        fields = {"path": "passwd", "upload_id": taken["upload_id"], "parts": [{"part_number": 1}]}
        refused(control.post(f"{STORE}/mpu/complete/{other}", **fields))
        refused(control.post(f"{STORE}/mpu/abort/{other}", **fields))
    control.post(f"{STORE}/mpu/abort/0/run/artifacts", path="passwd", upload_id=taken["upload_id"])


@pytest.mark.parametrize("parts", [0, -1, 10_001, 10**12, 1.5, "many"])
def test_no_upload_has_absurdly_many_parts(control, parts):
    refused(control.post(f"{STORE}/mpu/create/0/run/artifacts", path="x", num_parts=parts))


LOCATIONS = (
    "file:///",
    "/etc",
    "/",
    "../../../../etc",
    "mlflow-artifacts:/../../../../etc",
    "mlflow-artifacts:/%2e%2e/%2e%2e/etc",
    "mlflow-artifacts:/a#/../../../../etc",
    "mlflow-artifacts:/a?x=/../../../../etc",
    "http:///#/../../../../../../etc",
    "http://127.0.0.1/#/../../etc",
    "s3://bucket/../../etc",
    "C:\\Windows",
)


@pytest.mark.parametrize("location", LOCATIONS)
def test_no_location_of_an_experiment_leads_out(control, outside, location):
    """CVE-2023-6909, CVE-2024-1483, -1594: a location that the server would follow to its own files."""
    name = f"location {LOCATIONS.index(location)}"
    made = control.post("/api/2.0/mlflow/experiments/create", name=name, artifact_location=location)
    assert made.status in (200, 400)
    if made.status == 400:
        return
    experiment = made.json["experiment_id"]
    run = control.post("/api/2.0/mlflow/runs/create", experiment_id=experiment, start_time=1).json["run"]["info"][
        "run_id"
    ]
    for path in ("", "passwd", "hostname"):
        refused(control.ask("GET", f"/api/2.0/mlflow/artifacts/list?run_id={run}&path={path}"))
        refused(control.ask("GET", f"/get-artifact?run_id={run}&path={path}"))
        refused(control.ask("POST", f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path={path}", b"evil"))


@pytest.mark.parametrize("location", LOCATIONS)
def test_no_source_of_a_version_leads_out(control, outside, location):
    """CVE-2023-6977, CVE-2024-1558, -1560, -3848: a source that the server would follow to its own files."""
    name = f"source{LOCATIONS.index(location)}"
    control.post("/api/2.0/mlflow/registered-models/create", name=name)
    run = control.post("/api/2.0/mlflow/runs/create", experiment_id="0", start_time=1).json["run"]["info"]
    root = run["artifact_uri"]
    for source in (location, f"{root}/../../../../../etc", f"{root}/%2e%2e/%2e%2e/etc", f"{root}/model#/../../etc"):
        for run_id in (run["run_id"], None):
            made = control.post("/api/2.0/mlflow/model-versions/create", name=name, source=source, run_id=run_id)
            assert made.status in (200, 400), made
            if made.status == 200:
                number = made.json["model_version"]["version"]
                for path in ("passwd", "hostname"):
                    target = f"/model-versions/get-artifact?name={name}&version={number}&path={path}"
                    refused(control.ask("GET", target), 400, 404)


def test_no_name_breaks_out_of_a_header(control, root):
    for name in ('a"; filename=evil.exe; x="', "a%0d%0a", "日本", "a;b=c", "a,b", "a'b", "%"):
        path = f"{STORE}/artifacts/{root}/{quote(name, safe='')}"
        said = control.ask("PUT", path, b"<script>alert(1)</script>")
        if "%0d" in name:
            refused(said)
            continue
        got = control.ask("GET", path)
        assert got.headers["content-disposition"].count('"') == 2
        assert got.headers["content-disposition"].startswith('attachment; filename="')
        assert got.headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in got.headers


def test_pages_among_artifacts_are_no_pages_of_the_server(control, root):
    control.ask("PUT", f"{STORE}/artifacts/{root}/page.html", b"<script>alert(1)</script>")
    got = control.ask("GET", f"{STORE}/artifacts/{root}/page.html")
    assert got.headers["content-disposition"].startswith("attachment")
    assert "sandbox" in got.headers["content-security-policy"]


def test_addresses_in_answers_are_the_servers_own(control, root):
    control.ask("PUT", f"{STORE}/artifacts/{root}/x", b"1")
    for host in ("127.0.0.1:1@evil.example", "127.0.0.1:1/evil", "127.0.0.1:x", "127.0.0.1: 1", "[::1]evil"):
        said = control.ask("GET", f"{STORE}/presigned/{root}/x", Host=host)
        assert said.status in (400, 421), (host, said)


def test_other_origins_and_names_change_nothing(control, root):
    path = f"{STORE}/artifacts/{root}/x"
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example:80"}):
        for method in ("PUT", "DELETE"):
            assert control.ask(method, path, b"1", **headers).status in (403, 421)
        said = control.ask("POST", f"{STORE}/mpu/create/{root}", b"{}", Content_Type="text/plain", **headers)
        assert said.status in (403, 421)
    assert control.ask("GET", path, Host="evil.example").status == 421
    with socket.create_connection(("127.0.0.1", control.port)) as raw:
        raw.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nContent-Length: 0\r\n\r\n".encode())
        assert raw.recv(12) == b"HTTP/1.1 421"
    assert control.ask("GET", path).status == 404


def test_bodies_that_are_too_long_are_refused(control, root):
    said = control.ask("POST", f"{STORE}/mpu/create/{root}", None, Content_Length=str(33 * MIB))
    refused(said, 413)
    chunk = b"100000\r\n" + b" " * MIB + b"\r\n"
    with socket.create_connection(("127.0.0.1", control.port)) as raw:
        head = f"POST {STORE}/mpu/create/{root} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        raw.sendall(head.encode())
        with contextlib.suppress(OSError):
            for _ in range(34):
                raw.sendall(chunk)
        assert raw.recv(16).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b'{"path": "\\ud800"}', b"\xff\xfe", b'{"path": 1}', b"[]", b"null", b"1e999"],
)
def test_bodies_that_are_not_what_they_should_be(control, root, body):
    for step in ("create", "complete", "abort"):
        refused(control.ask("POST", f"{STORE}/mpu/{step}/{root}", body))
