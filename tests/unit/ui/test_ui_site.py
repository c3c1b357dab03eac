import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from treadle.ui.site import ASK_AGAIN, FOR_EVER, Site


class Client:
    """Asks an application, redirecting and unpacking nothing."""

    def __init__(self, folder: Path) -> None:
        self._app = Starlette(routes=[Route("/api/v1/clock", lambda _request: PlainTextResponse("now"))])
        self._app.mount("/", Site(folder))

    def get(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        named = {"accept-encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                async with client.stream(method, path, headers=named) as answer:
                    body = b"".join([part async for part in answer.aiter_raw()])
                kept = [(name, value) for name, value in answer.headers.items() if name != "content-encoding"]
                packed = [("packed", value) for name, value in answer.headers.items() if name == "content-encoding"]
                return httpx.Response(answer.status_code, headers=kept + packed, content=body)

        return asyncio.run(ask())


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Treadle</title>")
    (tmp_path / "assets" / "index-abc.js").write_text("run()")
    (tmp_path / "assets" / "index-abc.js.gz").write_bytes(b"packed")
    (tmp_path / "assets" / "plex.woff2").write_bytes(b"font")
    (tmp_path / ".sources").write_text("digest")
    return tmp_path


@pytest.fixture
def client(dist: Path) -> Client:
    return Client(dist)


@pytest.mark.parametrize("path", ["/", "/models/flights", "/runs/a.b", "/models/a/versions/3"])
def test_every_address_that_is_no_file_is_the_page(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == ASK_AGAIN
    assert "Treadle" in answer.text


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/assets/gone.js", "/health", "/.sources/../.sources"])
def test_what_belongs_to_others_is_not_the_page(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404 or "digest" not in answer.text


def test_hidden_files_are_not_served(client: Client) -> None:
    assert client.get("/.sources").text != "digest"


def test_routes_before_the_pages_still_answer(client: Client) -> None:
    assert client.get("/api/v1/clock").text == "now"


def test_hashed_files_are_kept_for_ever(client: Client) -> None:
    answer = client.get("/assets/index-abc.js")
    assert answer.headers["cache-control"] == FOR_EVER
    assert answer.headers["content-type"].startswith("text/javascript")
    assert client.get("/assets/plex.woff2").headers["content-type"] == "font/woff2"


def test_the_packed_form_is_sent_to_those_who_take_it(client: Client) -> None:
    answer = client.get("/assets/index-abc.js", accept_encoding="gzip;q=1.0, br")
    assert answer.headers["packed"] == "gzip"
    assert answer.content == b"packed"
    assert client.get("/assets/index-abc.js").content == b"run()"
    assert "accept-encoding" in answer.headers["vary"]


def test_a_page_that_did_not_change_is_not_sent_again(client: Client) -> None:
    etag = client.get("/").headers["etag"]
    again = client.get("/runs", if_none_match=f'"other", W/{etag}')
    assert again.status_code == 304
    assert again.content == b""


def test_nothing_foreign_and_nothing_inline_may_run(client: Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_only_reading_is_allowed(client: Client) -> None:
    answer = client.get("/runs", "POST")
    assert answer.status_code == 405
    assert client.get("/", "HEAD").text == ""


def test_without_a_build_the_page_says_how_to_make_one(tmp_path: Path) -> None:
    site = Site(tmp_path / "nothing")
    assert not site.built
    answer = Client(tmp_path / "nothing").get("/")
    assert answer.status_code == 503
    assert "make frontend" in answer.text
