"""Looking at pages in a browser without a screen, and the servers behind them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", shutil.which("chromium") or "/usr/bin/chromium")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 60.0


@dataclass
class Visit:
    """A page, and everything that it complained about."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Open a page of the server and wait until it has settled."""
        self.page.goto(self.url + path, wait_until="load")
        self.page.wait_for_selector("h1")
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until nothing is loading any more, lazily loaded parts included."""
        expect(self.page.locator(".skeleton")).to_have_count(0, timeout=20_000)
        self.page.evaluate("document.fonts.ready.then(() => new Promise(requestAnimationFrame))")


class Look:
    """Makes visits in contexts of their own."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self._visits: list[Visit] = []

    def at(self, url: str, *, width: int = 1400, theme: str = "light", bypass: bool = False) -> Visit:
        """A new visit. ``bypass`` lets a test add scripts of its own in spite of the content security policy."""
        context = self._browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
            bypass_csp=bypass,
        )
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        visit = Visit(page, url)
        self._visits.append(visit)

        def hear(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                visit.complaints.append(f"{message.type}: {message.text}")

        page.on("console", hear)
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        return visit

    def close(self) -> None:
        """End all visits. Fails where a page complained."""
        for context in self._contexts:
            context.close()
        complaints = [complaint for visit in self._visits for complaint in visit.complaints]
        assert not complaints, complaints


def tell(home: Path) -> None:
    """Make a home in which the seeded server's story is told."""
    command = [sys.executable, str(Path(__file__).with_name("server.py")), str(home), "0", "--tell"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    subprocess.run(command, env=environment, check=True, timeout=120)


def serve(home: Path, *flags: str) -> Iterator[str]:
    """Run the seeded server as a process of its own while the caller needs it."""
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("server.py")), str(home), str(port), *flags]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with subprocess.Popen(command, env=environment) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/api/v1/clock", process)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(url: str, process: subprocess.Popen[bytes], patience: float = PATIENCE) -> None:
    """Wait until an address answers. Fails where the process ends first."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer within {patience} s")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
