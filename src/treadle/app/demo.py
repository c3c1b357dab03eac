"""``treadle demo``: a real server, a real model, and a year of its production traffic under the virtual clock."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from treadle.app.examples import example_file
from treadle.app.replay import Sender, advanced, batches
from treadle.app.report_plot import draw
from treadle.app.report_text import plain
from treadle.app.settings import Settings, settings
from treadle.app.supervisor import Supervisor, only_one
from treadle.app.wiring import open_ground
from treadle.domain import codec
from treadle.domain.errors import Conflict, InvalidInput, TreadleError
from treadle.domain.steps import StepKind, StepRequest
from treadle.loop.activity import in_words
from treadle.loop.report import Report
from treadle.sdk import Client
from treadle.sdk.bundles import pack
from treadle.spec.model_spec import ModelSpec

Told = Callable[[str, int | None, int | None, str], None]
"""Called with the stage, how much of it is done, how much there is, and a detail."""

MARK = ".made-by-treadle-demo"
SETTLING = timedelta(days=3)
"""How long after the last request the clock goes on, so that the last outcomes can come."""


@dataclass(frozen=True)
class Story:
    """What a demo replays: requests in ``[since, until)``; the first version knows what was known at ``since``.

    ``note`` says what to hold the figures against.
    """

    name: str
    since: datetime
    until: datetime
    note: str = ""


STORIES = {
    story.name: story
    for story in (
        Story(
            "flights",
            datetime(2013, 3, 1, tzinfo=UTC),
            datetime(2014, 1, 1, tzinfo=UTC),
            "known beforehand, March to December: trained once on January and February a flight earns about 7.7 "
            "dollars (AUC .66) at a threshold of 0.3; retrained monthly on all history about 9.5 (.71)",
        ),
        Story(
            "bikes",
            datetime(2011, 10, 1, tzinfo=UTC),
            datetime(2013, 1, 1, tzinfo=UTC),
            "known beforehand, of 2012: trained once on all history to September 2011 the mean absolute error is about "
            "92; retrained monthly on all history 74, on the trailing three months 49",
        ),
    )
}


@dataclass(frozen=True)
class Lived:
    """How the demo ended. ``failed`` counts requests that were not answered; ``seconds`` is the wall's time."""

    report: Report
    failed: int
    first_failure: str
    requests: int
    seconds: float
    home: Path
    plot: Path | None


def demo(
    name: str = "flights",
    *,
    home: Path | str | None = None,
    port: int = 8700,
    since: datetime | None = None,
    until: datetime | None = None,
    plot: bool = True,
    exit_: bool = False,
    told: Told = lambda *_: None,
    say: Callable[[str], None] = print,
) -> Lived:
    """Live the story from ``since`` to ``until``; with ``exit_`` end the server afterwards, else keep it until SIGINT.

    The home is made anew; one that this command did not make is never touched (Conflict). Raises InvalidInput for
    a story that is not there or a span outside it.
    """
    story = _story(name, since, until)
    where = settings(home or f".treadle/demo-{name}", port=port)
    began = time.monotonic()
    _fresh(where.home)
    supervisor = Supervisor(where, virtual_start=story.since)
    lived: Lived | None = None
    with only_one(where.home):
        # A shell that starts this in the background has told it to ignore SIGINT.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            told("server", None, None, "starting")
            supervisor.start()
            tender = threading.Thread(target=supervisor.run, name="supervisor", daemon=True)
            tender.start()
            lived = _live(where, story, began, plot=plot, told=told)
            say(_ending(lived, where, exit_))
            if not exit_:
                tender.join()
        except KeyboardInterrupt:
            if lived is None:
                raise
        finally:
            supervisor.stop()
            supervisor.close()
    return lived


def _story(name: str, since: datetime | None, until: datetime | None) -> Story:
    if name not in STORIES:
        raise InvalidInput(f"there is no demo {name!r}", hint="there are: " + ", ".join(STORIES))
    whole = STORIES[name]
    story = Story(name, since or whole.since, until or whole.until)
    if not whole.since <= story.since < story.until <= whole.until:
        raise InvalidInput(
            f"the demo cannot replay {story.since:%Y-%m-%d} to {story.until:%Y-%m-%d}",
            hint=f"choose days from {whole.since:%Y-%m-%d} to {whole.until:%Y-%m-%d}, the first before the last",
        )
    return story


def _fresh(home: Path) -> None:
    if home.exists() and any(home.iterdir()):
        if not (home / MARK).exists():
            raise Conflict(f"{home} was not made by the demo", hint="give an empty folder with --home")
        with only_one(home):
            shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARK).write_text("The demo may delete this folder.\n")


class _Progress:
    """Turns what the server tells into what is shown: the virtual day, and what the loop is doing."""

    def __init__(self, story: Story, told: Told) -> None:
        self._story = story
        self._told = told
        self.now = story.since
        self.detail = ""

    def follow(self, lines: Iterable[dict[str, Any]]) -> None:
        """Show the server's progress lines until it has arrived."""
        for line in lines:
            self._heard(line)
            self.show()

    def _heard(self, line: dict[str, Any]) -> None:
        if isinstance(line.get("now"), str):
            self.now = codec.from_plain(datetime, line["now"])
        doing = line.get("doing")
        if isinstance(doing, dict):
            what = f"{in_words(str(doing['what']))} {doing.get('detail') or ''}".rstrip()
            share = doing.get("share")
            self.detail = f"{what} {share:.0%}" if isinstance(share, float) else what

    def show(self) -> None:
        """Tell where it stands."""
        whole = (self._story.until + SETTLING - self._story.since).days
        day = min((self.now - self._story.since).days, whole)
        self._told("living", day, whole, f"{self.now:%Y-%m-%d}  {self.detail}")


def _live(where: Settings, story: Story, began: float, *, plot: bool, told: Told) -> Lived:
    client = Client(url=where.control_url, gateway_url=where.gateway_url)
    path = example_file(story.name)
    told("applying", None, None, str(path))
    client.apply(pack(path), log=lambda line: told("applying", None, None, line))
    progress = _Progress(story, told)
    progress.follow(advanced(client, story.since))
    _check_served(client, where, story.name)
    told("traffic", None, None, "reading the history")
    spec, rows = traffic(where, story)
    sender = Sender(where.gateway_url, story.name)
    try:
        for batch in batches(spec, rows, story.since, story.until):
            if batch.at > progress.now:
                progress.follow(advanced(client, batch.at))
                progress.now, progress.detail = batch.at, f"{sender.sent.rows:,} predictions"
            sender.send(batch)
            progress.show()
    finally:
        sender.close()
    progress.follow(advanced(client, story.until + SETTLING))
    told("report", None, None, "scoring the first version on every row")
    found: Report = codec.from_plain(Report, client.report(story.name))
    (where.home / "report.json").write_text(json.dumps(codec.to_plain(found), indent=1))
    picture = where.home / "report.png" if plot else None
    if picture is not None:
        draw(found, picture)
    sent = sender.sent
    return Lived(found, sent.failed, sent.first_failure, sent.requests, time.monotonic() - began, where.home, picture)


def traffic(where: Settings, story: Story) -> tuple[ModelSpec, pl.DataFrame]:
    """All rows of the model's own source, labels left out: what its clients will ask."""
    ground = open_ground(where, parallel=1)
    try:
        applied = ground.store.models.get(story.name)
        spec = ModelSpec.from_json(applied.spec_json)
        window = {"start": codec.to_plain(story.since), "until": codec.to_plain(story.until)}
        request = StepRequest(
            StepKind.SOURCE,
            model=applied.name,
            code=applied.code.digest,
            entry=applied.code.entry,
            environment=applied.environment.digest,
            root=applied.code.root,
            arguments={**window, "as_of": window["until"]},
            cacheable=False,
        )
        made = ground.engine.run(request)
        return spec, pl.read_parquet(ground.blobs.get(made.outputs["rows.parquet"])).drop(spec.label)
    finally:
        ground.close()


def _check_served(client: Client, where: Settings, model: str) -> None:
    deployment = client.model(model).deployment
    if deployment is not None and any(route.weight for route in deployment.routes):
        return
    told = [f"  {sealed.event.payload}" for sealed in client.latest_events(model=model, limit=5)]
    raise TreadleError(
        f"the first version of {model!r} does not answer; what happened:\n" + "\n".join(reversed(told)),
        hint=f"see {where.home / 'logs' / 'loop.log'}",
    )


def _ending(lived: Lived, where: Settings, exit_: bool) -> str:
    report = lived.report
    note = STORIES[report.model].note if report.model in STORIES else ""
    lines = [
        "",
        plain(report),
        *(["", note] if note else []),
        "",
        f"predictions logged {report.predictions:,}, joined {report.joined:,}, censored {report.censored:,}",
        f"requests {lived.requests:,}, failed {lived.failed:,}",
        f"took {lived.seconds:.0f} s; plot and figures in {lived.home}",
    ]
    if lived.first_failure:
        lines.append(f"first failure: {lived.first_failure}")
    if not exit_:
        lines += [
            "",
            f"the server stays up: {where.control_url} (API), {where.gateway_url} (inference); Ctrl-C ends it",
        ]
    return "\n".join(lines)
