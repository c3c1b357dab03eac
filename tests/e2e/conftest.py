"""A browser without a screen, and the servers that it looks at."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parent))

from browsing import CHROMIUM, QUIET, Look, serve, tell


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose story is told, to be copied."""
    home = tmp_path_factory.mktemp("told") / "home"
    tell(home)
    return home


@pytest.fixture(scope="session")
def seeded(told: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that nothing changes."""
    yield from serve(shutil.copytree(told, tmp_path_factory.mktemp("seeded") / "home"))


@pytest.fixture
def own(told: Path, tmp_path: Path) -> Iterator[str]:
    """A seeded server for one test to change."""
    yield from serve(shutil.copytree(told, tmp_path / "home"))


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server without a model."""
    yield from serve(tmp_path_factory.mktemp("empty"), "--empty")


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """Opens visits; each must end without a complaint."""
    opened = Look(browser)
    yield opened
    opened.close()
