"""Runs that another client has logged, over the protocol that MLflow's clients speak."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from browsing import Look, serve
from playwright.sync_api import expect

AT = 1_385_000_000_000


def post(url: str, path: str, **body: Any) -> Any:
    """The answer to one call of the protocol."""
    request = urllib.request.Request(
        f"{url}/api/2.0/mlflow/{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def log(url: str, experiment: str, i: int) -> str:
    """A finished run with a curve, a file's worth of params, and a tag."""
    name = f"tree-{i:03}"
    run = post(url, "runs/create", experiment_id=experiment, run_name=name, start_time=AT + i, user_id="ada")["run"]
    metrics = [{"key": "val_loss", "value": 1 / (1 + step + i), "timestamp": AT, "step": step} for step in range(20)]
    metrics.append({"key": "acc", "value": 0.5 + i / 300, "timestamp": AT, "step": 0})
    params = [{"key": "depth", "value": str(i % 4)}, {"key": "seed", "value": "0"}]
    tags = [{"key": "team", "value": "blue"}, {"key": "mlflow.note.content", "value": f"try number {i}"}]
    run_id: str = run["info"]["run_id"]
    post(url, "runs/log-batch", run_id=run_id, metrics=metrics, params=params, tags=tags)
    post(url, "runs/update", run_id=run_id, status="FINISHED", end_time=AT + 7000 + i)
    return run_id


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without a model, on which a client has logged 130 runs."""
    for url in serve(tmp_path_factory.mktemp("tracked"), "--empty"):
        experiment = post(url, "experiments/create", name="churn/trees")["experiment_id"]
        for i in range(130):
            log(url, experiment, i)
        yield url


def test_experiments_lead_to_their_runs(look: Look, tracked: str) -> None:
    page = look.at(tracked).go("/experiments")
    expect(page.locator("tr", has_text="churn/trees")).to_contain_text("130")
    page.get_by_role("link", name="churn/trees").click()
    expect(page.get_by_role("heading", name="churn/trees", level=1)).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(100)
    expect(page.locator("tbody tr").first).to_contain_text("tree-129")
    page.get_by_role("button", name="Show more").click()
    expect(page.locator("tbody tr")).to_have_count(130)
    expect(page.get_by_text("130 of 130")).to_be_visible()


def test_runs_are_found_by_the_filters_that_clients_know(look: Look, tracked: str) -> None:
    visit = look.at(tracked)
    page = visit.go("/experiments/1")
    box = page.get_by_label("Filter", exact=True)
    box.fill("metrics.acc > 0.9 and params.depth = '1'")
    box.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(3)
    assert "filter=" in page.url
    box.fill("metrics.acc >")
    box.press("Enter")
    expect(page.get_by_text("metrics.auc > 0.7 and params.depth")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(3)
    assert any("400" in complaint for complaint in visit.complaints)
    visit.complaints.clear()
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("tbody tr")).to_have_count(100)
    page.get_by_label("Words in names").fill("number 17")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_contain_text(["tree-117", "tree-017"])


def test_columns_are_chosen_and_ordered_by_the_server(look: Look, tracked: str) -> None:
    page = look.at(tracked).go("/experiments/1")
    page.get_by_role("button", name="val_loss").click()
    expect(page.locator("tbody tr").first).to_contain_text("tree-000")
    page.get_by_role("button", name="val_loss").click()
    expect(page.locator("tbody tr").first).to_contain_text("tree-129")
    page.get_by_text("Columns (").click()
    page.get_by_label("team").check()
    expect(page.locator("tbody tr").first).to_contain_text("blue")
    page.get_by_label("seed").uncheck()
    expect(page.locator("thead")).not_to_contain_text("seed")


def test_a_run_shows_its_curve_its_note_and_its_files(look: Look, tracked: str) -> None:
    experiment = post(tracked, "experiments/create", name="files")["experiment_id"]
    run = log(tracked, experiment, 3)
    base = f"{tracked}/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts"
    for name in ("report.txt", "plots/roc.csv"):
        put = urllib.request.Request(f"{base}/{name}", b"hello", method="PUT")
        urllib.request.urlopen(put, timeout=30).close()
    visit = look.at(tracked)
    page = visit.go(f"/#/experiments/{experiment}/runs/{run}")
    expect(page).to_have_url(f"{tracked}/runs/{run}")
    expect(page.get_by_role("heading", name="tree-003", level=1)).to_be_visible()
    expect(page.get_by_text("try number 3")).to_be_visible()
    chart = page.get_by_role("slider", name=re.compile("loss"))
    expect(chart).to_have_attribute("aria-valuetext", re.compile("step 19: val loss 0.04348"))
    expect(page.get_by_role("region", name="Metrics")).to_contain_text("from 0.0435 to 0.25")
    files = page.get_by_role("region", name="Artifacts")
    expect(files.get_by_role("link", name="report.txt")).to_have_attribute("href", re.compile("^/get-artifact"))
    files.get_by_text("plots/").click()
    with page.expect_download() as download:
        files.get_by_role("link", name="roc.csv").click()
    assert download.value.suggested_filename == "roc.csv"


def test_curves_of_a_run_that_a_client_logs_grow(look: Look, tracked: str) -> None:
    experiment = post(tracked, "experiments/create", name="growing")["experiment_id"]
    run = post(tracked, "runs/create", experiment_id=experiment, run_name="now", start_time=AT)["run"]["info"]["run_id"]

    def measure(step: int) -> None:
        post(tracked, "runs/log-metric", run_id=run, key="loss", value=1 / (1 + step), timestamp=AT, step=step)

    measure(0)
    page = look.at(tracked).go(f"/runs/{run}")
    expect(page.get_by_text("No curve")).to_be_visible()
    measure(1)
    measure(2)
    chart = page.get_by_role("slider", name=re.compile("loss"))
    expect(chart).to_have_attribute("aria-valuemax", "2", timeout=15_000)
    measure(3)
    expect(chart).to_have_attribute("aria-valuemax", "3", timeout=15_000)
    post(tracked, "runs/update", run_id=run, status="KILLED", end_time=AT + 9)
    expect(page.get_by_text("killed", exact=True).or_(page.get_by_text("cancelled", exact=True))).to_be_visible(
        timeout=15_000
    )


def test_runs_of_a_client_are_compared_by_name(look: Look, tracked: str) -> None:
    page = look.at(tracked).go("/experiments/1")
    page.get_by_label("pick tree-129").check()
    page.get_by_label("pick tree-128").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("link", name="tree-129").first).to_be_visible()
    expect(page.get_by_role("region", name="Params").locator("tr.differs")).to_have_count(1)
    expect(page.get_by_role("slider", name=re.compile("val loss"))).to_be_visible()


def test_a_server_on_which_nothing_was_logged_says_how(look: Look, empty: str) -> None:
    page = look.at(empty).go("/experiments")
    expect(page.get_by_text(f"export MLFLOW_TRACKING_URI={empty}")).to_be_visible()
