"""Artifacts over HTTP, with a real control process."""

import hashlib
import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

STORE = "/api/2.0/mlflow-artifacts"
MIB = 1024 * 1024


@pytest.fixture
def root(request):
    return f"0/{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:32]}/artifacts"


def test_files_come_back(control, root):
    data = os.urandom(3 * MIB + 17)
    assert control.ask("PUT", f"{STORE}/artifacts/{root}/model/data.bin", data).json == {}
    assert control.ask("PUT", f"{STORE}/artifacts/{root}/empty.txt", b"").json == {}
    got = control.ask("GET", f"{STORE}/artifacts/{root}/model/data.bin")
    assert (got.status, got.body) == (200, data)
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-length"] == str(len(data))
    assert control.ask("GET", f"{STORE}/artifacts/{root}/empty.txt").body == b""
    assert control.ask("GET", f"/ajax-api/2.0/mlflow-artifacts/artifacts?path={root}").json == {
        "files": [
            {"path": "empty.txt", "is_dir": False, "file_size": 0},
            {"path": "model", "is_dir": True},
        ]
    }
    assert control.ask("GET", f"{STORE}/artifacts?path={root}/model/data.bin").json == {}
    assert control.ask("DELETE", f"{STORE}/artifacts/{root}/model").json == {}
    missing = control.ask("GET", f"{STORE}/artifacts/{root}/model/data.bin")
    assert (missing.status, missing.json["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert control.ask("GET", f"{STORE}/artifacts/{root}").status == 400


def test_ranges_and_heads(control, root):
    data = os.urandom(2 * MIB + 5)
    path = f"{STORE}/artifacts/{root}/data"
    control.ask("PUT", path, data)
    for header, start, end in (
        ("bytes=0-0", 0, 1),
        (f"bytes={MIB - 1}-{MIB}", MIB - 1, MIB + 1),
        ("bytes=-7", len(data) - 7, len(data)),
        ("bytes=5-", 5, len(data)),
    ):
        got = control.ask("GET", path, Range=header)
        assert (got.status, got.body) == (206, data[start:end])
        assert got.headers["content-range"] == f"bytes {start}-{end - 1}/{len(data)}"
    beyond = control.ask("GET", path, Range=f"bytes={len(data)}-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(data)}")
    head = control.ask("HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(data)))
    etag = head.headers["etag"]
    assert control.ask("GET", path, Range="bytes=0-0", If_Range=etag).status == 206
    assert control.ask("GET", path, Range="bytes=0-0", If_Range='"other"').status == 200


def test_a_cut_upload_leaves_nothing(control, root):
    with socket.create_connection(("127.0.0.1", control.port)) as raw:
        raw.sendall(
            f"PUT {STORE}/artifacts/{root}/cut HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n\r\n".encode()
        )
        raw.sendall(b"x" * 4 * MIB)
    assert control.ask("PUT", f"{STORE}/artifacts/{root}/whole", b"1").status == 200
    assert [file["path"] for file in control.ask("GET", f"{STORE}/artifacts?path={root}").json["files"]] == ["whole"]


def test_chunked_uploads_need_no_length(control, root):
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (b"one", b"two" * 1000)) + b"0\r\n\r\n"
    path = f"{STORE}/artifacts/{root}/chunked"
    with socket.create_connection(("127.0.0.1", control.port)) as raw:
        raw.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n".encode()
            + b"Connection: close\r\n\r\n"
            + body
        )
        said = raw.makefile("rb").read()
    assert said.startswith(b"HTTP/1.1 200")
    assert control.ask("GET", path).body == b"one" + b"two" * 1000


def test_memory_stays_bounded(control, root):
    part = os.urandom(MIB)
    control.ask("PUT", f"{STORE}/artifacts/{root}/warm", part)
    before = control.memory()
    with socket.create_connection(("127.0.0.1", control.port)) as raw:
        length = 256 * MIB
        raw.sendall(
            f"PUT {STORE}/artifacts/{root}/big HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        for _ in range(256):
            raw.sendall(part)
        assert raw.makefile("rb").readline() == b"HTTP/1.1 200 OK\r\n"
    with socket.create_connection(("127.0.0.1", control.port)) as raw:
        raw.sendall(
            f"GET {STORE}/artifacts/{root}/big HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        )
        answer = raw.makefile("rb")
        while answer.readline() != b"\r\n":
            pass
        for _ in range(256):
            assert answer.read(MIB) == part
        assert answer.read() == b""
    assert control.memory("VmHWM") - before < 64 * MIB
    control.ask("DELETE", f"{STORE}/artifacts/{root}")


def test_uploads_in_parts(control, root):
    created = control.post(f"{STORE}/mpu/create/{root}/model", path="/tmp/some/where/big.bin", num_parts=3).json
    assert [each["part_number"] for each in created["credentials"]] == [1, 2, 3]
    parts = [os.urandom(MIB), os.urandom(MIB), b"end"]
    sent = []
    for number in (2, 0, 1):
        url = created["credentials"][number]["url"]
        assert url.startswith(control.url)
        said = control.ask("PUT", url.removeprefix(control.url), parts[number])
        assert said.status == 200
        sent.append({"part_number": number + 1, "etag": said.headers["etag"], "url": url})
    whole = {"path": "big.bin", "upload_id": created["upload_id"], "parts": sent}
    assert control.post(f"{STORE}/mpu/complete/{root}/model", **{**whole, "parts": [*sent, sent[0]]}).status == 400
    assert control.post(f"{STORE}/mpu/complete/{root}/model", **whole).json == {}
    assert control.ask("GET", f"{STORE}/artifacts/{root}/model/big.bin").body == b"".join(parts)
    assert control.post(f"{STORE}/mpu/complete/{root}/model", **whole).status == 404


def test_aborted_uploads_are_gone(control, root):
    created = control.post(f"{STORE}/mpu/create/{root}", path="big.bin", num_parts=1).json
    url = created["credentials"][0]["url"].removeprefix(control.url)
    control.ask("PUT", url, b"1")
    assert control.post(f"{STORE}/mpu/abort/{root}", path="big.bin", upload_id=created["upload_id"]).json == {}
    assert control.ask("PUT", url, b"1").status == 404
    assert control.ask("GET", f"{STORE}/artifacts?path={root}").json == {}


def test_presigned_reading(control, root):
    control.ask("PUT", f"{STORE}/artifacts/{root}/a%20b", b"hello")
    told = control.ask("GET", f"{STORE}/presigned/{root}/a%20b").json
    assert told["file_size"] == 5
    assert control.ask("GET", told["url"].removeprefix(control.url), Range="bytes=1-2").body == b"el"
    assert control.ask("GET", f"{STORE}/presigned/{root}/nothing").status == 404


def test_names_stay_as_they_are(control, root):
    for name, quoted in (("50% ?.txt", "50%25%20%3F.txt"), ("日本.csv", "%E6%97%A5%E6%9C%AC.csv"), ("a+b", "a+b")):
        assert control.ask("PUT", f"{STORE}/artifacts/{root}/{quoted}", name.encode()).status == 200
        got = control.ask("GET", f"{STORE}/artifacts/{root}/{quoted}")
        assert got.body == name.encode()
    listed = control.ask("GET", f"{STORE}/artifacts?path={root}").json["files"]
    assert [file["path"] for file in listed] == ["50% ?.txt", "a+b", "日本.csv"]


def test_many_large_uploads_at_once(control, root):
    data = [os.urandom(6 * MIB) for _ in range(12)]
    with ThreadPoolExecutor(len(data)) as pool:
        said = list(pool.map(lambda i: control.ask("PUT", f"{STORE}/artifacts/{root}/{i}", data[i]), range(len(data))))
        assert {each.status for each in said} == {200}
        got = list(pool.map(lambda i: control.ask("GET", f"{STORE}/artifacts/{root}/{i}").body, range(len(data))))
    assert got == data
    control.ask("DELETE", f"{STORE}/artifacts/{root}")


def test_a_sender_may_wait_to_be_asked(control, root):
    data = os.urandom(8 * MIB)
    with socket.create_connection(("127.0.0.1", control.port)) as raw:
        raw.sendall(
            f"PUT {STORE}/artifacts/{root}/asked HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\n"
            f"Content-Length: {len(data)}\r\n\r\n".encode()
        )
        answer = raw.makefile("rb")
        assert answer.readline() == b"HTTP/1.1 100 Continue\r\n"
        raw.sendall(data)
        rest = answer.read()
    assert b"HTTP/1.1 200 OK\r\n" in rest
    assert control.ask("GET", f"{STORE}/artifacts/{root}/asked").body == data


def test_a_large_upload_to_a_folder_is_refused(control, root):
    control.ask("PUT", f"{STORE}/artifacts/{root}/folder/x", b"1")
    said = control.ask("PUT", f"{STORE}/artifacts/{root}/folder", b"")
    assert (said.status, said.json["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")
