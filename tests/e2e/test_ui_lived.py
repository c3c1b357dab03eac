"""The pages over a real server that has lived: the demo's first weeks, all processes included."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import Look, free_port, wait_for
from playwright.sync_api import expect

pytestmark = pytest.mark.timeout(600)

UNTIL = "2013-03-13"
PATIENCE = 400.0


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home, port = tmp_path_factory.mktemp("lived") / "home", two_free_ports()
    # As a shell starts what it leaves in the background: told to ignore SIGINT, which must end the demo all the same.
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    command += [sys.executable, "-c", "from treadle.cli.main import main; main()", "demo", "--no-plot"]
    command += ["--until", UNTIL, "--home", str(home), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    log = home.parent / "demo.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/api/v1/clock", process, PATIENCE)
            wait_until_over(process, url, log)
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def test_the_overview_tells_of_the_model(look: Look, lived: str) -> None:
    page = look.at(lived).go("/")
    card = page.locator("article", has_text="flights")
    expect(card).to_contain_text("answers")
    expect(card).to_contain_text("auc, live")
    expect(page.get_by_text("Version 1 promoted")).to_be_visible()


def test_the_models_life_is_drawn(look: Look, lived: str) -> None:
    page = look.at(lived).go("/models/flights")
    expect(page.get_by_role("slider", name=re.compile("^auc"))).to_have_attribute(
        "aria-valuetext", re.compile(r"0\.\d")
    )
    expect(page.get_by_role("slider", name=re.compile("^labels known"))).to_have_attribute(
        "aria-valuetext", re.compile(r"9\d\.\d %")
    )
    expect(page.get_by_role("region", name="Gates on live traffic").locator("code").first).to_contain_text("auc >=")
    if folder := os.environ.get("TREADLE_SCREENSHOTS"):
        page.screenshot(path=Path(folder, "lived-model.png"), full_page=True)


def test_the_version_tells_where_it_came_from(look: Look, lived: str) -> None:
    page = look.at(lived).go("/models/flights/versions/1")
    expect(page.get_by_role("region", name="Gates", exact=True)).to_contain_text("pass")
    expect(page.get_by_role("link", name=re.compile("run-flights-0001")).first).to_be_visible()
    expect(page.get_by_role("region", name="Environment")).to_contain_text("scikit-learn")
    expect(page.get_by_role("region", name="Serving")).to_contain_text(re.compile("ONNX|Python"))


def test_the_run_has_its_record(look: Look, lived: str) -> None:
    page = look.at(lived).go("/runs")
    page.get_by_role("link", name="run-flights-0001").click()
    expect(page.get_by_role("region", name="Metrics")).to_contain_text("area under the ROC curve")
    expect(page.get_by_role("region", name="Params")).to_contain_text("learning_rate")


def wait_until_over(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until the story is told and the loop is at rest."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        with urllib.request.urlopen(f"{url}/api/v1/status", timeout=30) as response:
            status = json.load(response)
        if status["now"] >= UNTIL and not status["doing"] and status["models"][0]["realised"]:
            return
        time.sleep(1)
    raise AssertionError(log.read_text()[-3000:])


def two_free_ports() -> int:
    """A port that is free together with the next one."""
    while True:
        port = free_port()
        with socket.socket() as beside:
            try:
                beside.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
        return port
