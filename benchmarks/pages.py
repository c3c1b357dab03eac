"""The pages on what a demo has lived: time until the content is shown, and bytes over the wire, with a cold cache.

    python benchmarks/pages.py [--home FOLDER] [--loads N] [--until DAY]

Works on a copy of FOLDER (by default `.treadle/demo-flights`, what `make demo` leaves; where there is none the demo is
lived first, until DAY) behind a server of its own. Each page is loaded N times in a new context of headless Chromium.
*Content* is when the page has its heading and nothing on it is loading any more, counted from the navigation.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = os.environ.get("CHROMIUM", shutil.which("chromium") or "/usr/bin/chromium")
TREADLE = [sys.executable, "-c", "from treadle.cli.main import main; main()"]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
QUIET_MS = 400
PATIENCE = 60.0
WATCH = """(() => {
  let whole = false;
  const look = () => {
    const now = !!document.querySelector("h1") && !document.querySelector(".skeleton");
    if (now && !whole) window.__content = performance.now();
    whole = now;
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""


@dataclass
class Load:
    """One load of a page: milliseconds, and what went over the wire."""

    content: float
    painted: float
    requests: int = 0
    wire: int = 0
    json: int = 0


@dataclass
class Wire:
    """What a page's requests brought, as Chromium's network domain tells it."""

    kinds: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def answered(self, event: dict[str, Any]) -> None:
        """An answer has begun."""
        self.kinds[event["requestId"]] = event["response"]["mimeType"]

    def finished(self, event: dict[str, Any]) -> None:
        """An answer has ended."""
        self.sizes[event["requestId"]] = int(event["encodedDataLength"])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".treadle/demo-flights"))
    parser.add_argument("--loads", type=int, default=5)
    parser.add_argument("--until", default="2014-01-01", help="where the demo must be lived first: its last day")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        if options.home.is_dir():
            shutil.copytree(options.home, home, ignore=shutil.ignore_patterns("server.json", "server.lock"))
        else:
            subprocess.run(
                [*TREADLE, "demo", "--exit", "--no-plot", "--home", str(home), "--until", options.until,
                 "--port", str(free_port())],
                check=True,
            )  # fmt: skip
        with server(home) as url, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            print(f"{'page':<12}{'content ms':>12}{'painted ms':>12}{'requests':>10}{'wire kB':>9}{'JSON kB':>9}")
            for name, path in pages(url).items():
                one_load(browser, url + path)
                loads = [one_load(browser, url + path) for _ in range(options.loads)]
                print(line(name, loads), flush=True)
            browser.close()


def line(name: str, loads: list[Load]) -> str:
    """The medians of one page."""
    middle = {field: statistics.median(getattr(load, field) for load in loads) for field in Load.__annotations__}
    return (
        f"{name:<12}{middle['content']:>12.0f}{middle['painted']:>12.0f}{middle['requests']:>10.0f}"
        f"{middle['wire'] / 1000:>9.1f}{middle['json'] / 1000:>9.1f}"
    )


def one_load(browser: Browser, url: str) -> Load:
    """Load a page once with nothing cached."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    wire = Wire()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.responseReceived", wire.answered)
    network.on("Network.loadingFinished", wire.finished)
    page.add_init_script(WATCH)
    page.goto(url, wait_until="load")
    deadline, seen, quiet = time.monotonic() + PATIENCE, -1, 0.0
    while time.monotonic() < deadline and quiet < QUIET_MS:
        page.wait_for_timeout(50)
        quiet = quiet + 50 if len(wire.sizes) == seen and page.locator(".skeleton").count() == 0 else 0
        seen = len(wire.sizes)
    session = context.new_cdp_session(page)
    told = json.loads(
        session.send(
            "Runtime.evaluate",
            {"expression": "JSON.stringify([window.__content, performance.getEntriesByName("
                           "'first-contentful-paint')[0]?.startTime ?? 0])"},
        )["result"]["value"]
    )  # fmt: skip
    context.close()
    sizes = wire.sizes
    of_json = sum(size for id_, size in sizes.items() if wire.kinds.get(id_) == "application/json")
    return Load(float(told[0]), float(told[1]), len(sizes), sum(sizes.values()), of_json)


def pages(url: str) -> dict[str, str]:
    """The pages of the first model that the server has."""
    status = ask(f"{url}/api/v1/status")
    model = status["models"][0]
    name = urllib.parse.quote(model["name"])
    runs = [run["id"] for run in ask(f"{url}/api/v1/runs?model={name}&limit=2")["items"]]
    incidents = ask(f"{url}/api/v1/incidents?model={name}")["items"]
    experiments = {one["name"]: one["id"] for one in ask(f"{url}/api/v1/experiments")["items"]}
    found = {
        "overview": "/",
        "model": f"/models/{name}",
        "version": f"/models/{name}/versions/{model['champion'] or 1}",
        "runs": "/runs",
        "run": f"/runs/{runs[0]}",
        "compare": f"/runs/compare?ids={','.join(runs)}",
        "experiment": f"/experiments/{experiments[name]}",
        "incidents": "/incidents",
    }
    return found | ({"incident": f"/incidents/{incidents[0]['id']}"} if incidents else {})


@contextmanager
def server(home: Path) -> Iterator[str]:
    """``treadle up`` on a home, while the caller needs it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen([*TREADLE, "up", "--home", str(home), "--port", str(port)], stdout=subprocess.DEVNULL) as up:
        try:
            deadline = time.monotonic() + PATIENCE
            while not healthy(url):
                if up.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("the server did not start")
                time.sleep(0.2)
            yield url
        finally:
            up.terminate()


def healthy(url: str) -> bool:
    """Whether the server answers."""
    try:
        return bool(ask(f"{url}/health")["status"] == "ok")
    except OSError:
        return False


def ask(url: str) -> Any:
    """A JSON answer."""
    with urllib.request.urlopen(url, timeout=30) as response:
        return json.load(response)


def free_port() -> int:
    """A port that is free together with the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


if __name__ == "__main__":
    main()
