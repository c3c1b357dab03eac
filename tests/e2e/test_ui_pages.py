"""Every page, as people see it: whole, without complaints, readable, and by everybody."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from browsing import ROOT, Look

PAGES = {
    "overview": "/",
    "model": "/models/flights",
    "regression": "/models/bikes",
    "version": "/models/flights/versions/10",
    "refused": "/models/flights/versions/4",
    "runs": "/runs",
    "run": "/runs/run-flights-0010",
    "running": "/runs/run-bikes-0004",
    "failed": "/runs/run-flights-0008",
    "compare": "/runs/compare?ids=run-flights-0010,run-flights-0011",
    "experiments": "/experiments",
    "experiment": "/experiments/1",
    "incidents": "/incidents",
    "gate-incident": "/incidents/a91f6d20cc3417b2",
    "drift-incident": "/incidents/4be01c7e5a9d2f10",
    "nowhere": "/no/such/page",
}
SHIFT = """new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => done(sum), 300);
})"""
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.mark.parametrize("width", [1400, 420])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_whole(look: Look, seeded: str, name: str, theme: str, width: int) -> None:
    page = look.at(seeded, width=width, theme=theme).go(PAGES[name])
    assert page.locator("h1").count() == 1
    assert page.locator("[role=alert]").count() == (1 if name == "failed" else 0)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.title().endswith("· Treadle")
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    if folder := os.environ.get("TREADLE_SCREENSHOTS"):
        page.screenshot(path=Path(folder, f"{name}-{theme}-{width}.png"), full_page=True)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_jumps(look: Look, seeded: str, name: str) -> None:
    page = look.at(seeded).go(PAGES[name])
    assert page.evaluate(SHIFT) < 0.1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_for_everybody(look: Look, seeded: str, name: str, theme: str) -> None:
    """Contrast, names, roles and structure, as axe knows them (WCAG 2.2, A and AA)."""
    page = look.at(seeded, theme=theme, bypass=True).go(PAGES[name])
    page.add_script_tag(path=AXE)
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = page.evaluate(f"axe.run(document, {json.dumps(rules)}).then((result) => result.violations)")
    told = [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for rule in found
        for node in rule["nodes"][:3]
    ]
    assert not told, "\n".join(told)


@pytest.mark.parametrize(
    ("path", "title", "advice"),
    [
        ("/", "No model yet", "treadle apply model.py"),
        ("/runs", "Runs", "treadle run model.py"),
        ("/incidents", "Incidents", "No incident so far"),
    ],
)
def test_empty_pages_say_what_to_do(look: Look, empty: str, path: str, title: str, advice: str) -> None:
    page = look.at(empty).go(path)
    assert page.locator("h1").inner_text() == title
    assert advice in page.locator("main").inner_text()


def test_what_is_not_there_is_said_in_the_servers_words(look: Look, seeded: str) -> None:
    visit = look.at(seeded)
    visit.page.goto(f"{seeded}/models/trains")
    visit.page.get_by_text("there is no model 'trains'").wait_for()
    visit.complaints.clear()
