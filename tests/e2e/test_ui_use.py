"""Using the pages: live, by mouse and by keyboard."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Callable

from browsing import Look
from playwright.sync_api import Page, expect


def test_a_page_follows_the_loop_without_being_loaded_anew(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/")
    bar = page.get_by_role("progressbar")
    expect(page.get_by_label("What the loop is doing now")).to_contain_text("training bikes")
    before = float(bar.get_attribute("value") or 0)
    grows(lambda: float(bar.get_attribute("value") or 0), before + 0.001)


def test_curves_of_a_running_training_grow(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/runs/run-bikes-0004")
    chart = page.get_by_role("slider", name=re.compile("loss"))
    before = int(chart.get_attribute("aria-valuemax") or 0)
    grows(lambda: int(chart.get_attribute("aria-valuemax") or 0), before)


def test_promoting_needs_a_reason_and_shows_at_once(own: str, look: Look) -> None:
    page = look.at(own).go("/models/flights")
    other = look.at(own).go("/models/flights")
    page.get_by_role("button", name="Promote now…").click()
    dialog = page.get_by_role("dialog")
    button = dialog.get_by_role("button", name="Promote version 11")
    expect(button).to_be_disabled()
    expect(dialog.get_by_label("Why?")).to_be_focused()
    dialog.get_by_label("Why?").fill("the storm comes tonight")
    dialog.get_by_label("Your name").fill("ada")
    button.click()
    expect(dialog).not_to_be_visible()
    for seen in (page, other):
        expect(seen.locator(".facts")).to_contain_text("version 11")
        expect(seen.get_by_text("None is under way.")).to_be_visible()
    events = answer(f"{own}/api/v1/events/latest?model=flights&limit=1")["items"]
    assert events[0]["event"]["actor"] == "ada"
    assert events[0]["event"]["payload"]["reason"] == "the storm comes tonight"


def test_rolling_back_offers_the_version_before(own: str, look: Look) -> None:
    page = look.at(own).go("/models/bikes")
    page.get_by_role("button", name="Roll back…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Version")).to_have_value("2")
    dialog.get_by_label("Why?").fill("it answers nonsense")
    dialog.get_by_role("button", name="Roll back to version 2").click()
    expect(page.locator(".facts")).to_contain_text("version 2")
    expect(page.get_by_text("Rolled back from version 3 to 2")).to_be_visible()


def test_a_rollout_is_paused_resumed_and_aborted(own: str, look: Look) -> None:
    page = look.at(own).go("/models/flights")
    expect(page.get_by_role("heading", name="Version 11 is rolling out")).to_be_visible()
    decide(page, "Pause…", "Pause", "waiting for the audit")
    expect(page.get_by_role("heading", name="Version 11 is rolling out, paused")).to_be_visible()
    decide(page, "Resume…", "Resume", "the audit is done")
    expect(page.get_by_role("button", name="Pause…")).to_be_visible()
    decide(page, "Abort…", "Abort", "the audit was wrong")
    expect(page.get_by_text("None is under way.")).to_be_visible()


def test_what_the_server_refuses_is_said_in_the_dialog(own: str, look: Look) -> None:
    visit = look.at(own)
    page = visit.go("/models/flights")
    page.get_by_role("button", name="Promote…", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Version").select_option("9")
    dialog.get_by_label("Why?").fill("it was better")
    dialog.get_by_role("button", name="Promote version 9").click()
    expect(dialog.get_by_role("alert")).to_contain_text("is being rolled out")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()
    assert any("409" in complaint for complaint in visit.complaints)
    visit.complaints.clear()


def test_charts_are_read_with_the_arrow_keys(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/models/flights")
    chart = page.get_by_role("slider", name=re.compile("^auc"))
    chart.focus()
    last = chart.get_attribute("aria-valuetext")
    page.keyboard.press("ArrowLeft")
    expect(chart).not_to_have_attribute("aria-valuetext", last or "")
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "0")
    heat = page.get_by_role("slider", name=re.compile("^Drift"))
    heat.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowDown")
    expect(heat).to_have_attribute("aria-valuetext", re.compile("temp, .*"))


def test_parts_of_a_long_page_are_reached_at_once(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/models/flights")
    page.get_by_role("navigation", name="On this page").get_by_role("link", name="Versions").press("Enter")
    expect(page.get_by_role("heading", name="Versions", exact=True)).to_be_in_viewport()
    page.keyboard.press("Tab")
    expect(page.get_by_role("region", name="Versions").locator("a").first).to_be_focused()
    page.go_back()
    page.goto(f"{seeded}/")
    page.get_by_role("link", name=re.compile("more a decision than")).click()
    expect(page.get_by_role("heading", name="With the loop and without")).to_be_in_viewport()


def test_what_the_keyboard_reads_stays_when_a_chart_is_drawn_anew(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/models/flights")
    chart = page.get_by_role("slider", name=re.compile("^auc"))
    chart.focus()
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "0")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.wait_for_timeout(200)
    expect(chart).to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("Tab")
    expect(chart).not_to_have_attribute("aria-valuenow", "0")


def test_hovering_reads_all_charts_at_one_time(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/models/flights")
    over = page.locator(".u-over").first
    expect(over).to_be_visible()
    over.scroll_into_view_if_needed()
    readouts = page.locator("figure .readout")
    first = "12 Dec 2013"
    for moved in range(20):  # a chart that is drawn anew meanwhile waits for the next move
        box = over.bounding_box()
        if box is not None:
            over.hover(position={"x": box["width"] / 3 + moved % 2, "y": box["height"] / 2})
            first = readouts.nth(0).locator("span").first.inner_text()
        if first != "12 Dec 2013":
            break
        page.wait_for_timeout(250)
    assert first != "12 Dec 2013"
    assert readouts.nth(1).locator("span").first.inner_text() == first


def test_zooming_moves_everything_on_the_axis(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/models/flights")
    bars = page.locator(".lane .bars").first.locator("a")
    whole = bars.count()
    page.get_by_role("button", name="30 d", exact=True).click()
    expect(bars).not_to_have_count(whole)
    page.get_by_role("button", name="All", exact=True).click()
    expect(bars).to_have_count(whole)


def test_the_loop_is_held_against_the_first_version_left_alone(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/models/flights")
    region = page.get_by_role("region", name="With the loop and without")
    expect(region).to_contain_text("+1.21")
    expect(region).to_contain_text("0.74 to 1.68")
    chart = region.get_by_role("slider", name=re.compile("worth"))
    expect(chart).to_have_attribute("aria-valuetext", "Dec 2013: version 1 left alone 19.40, the loop 17.80")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    expect(chart).to_have_attribute("aria-valuetext", "Nov 2013: version 1 left alone \u22121.10, the loop 3.10")
    region.get_by_text("Month by month").click()
    expect(region.locator("tr", has_text="all")).to_contain_text("86,715")
    page.goto(f"{seeded}/")
    expect(page.locator("article", has_text="flights")).to_contain_text("+1.21")


def test_a_report_is_reckoned_when_asked_for(own: str, look: Look) -> None:
    page = look.at(own).go("/models/bikes")
    region = page.get_by_role("region", name="With the loop and without")
    expect(region).to_contain_text("Not reckoned yet")
    region.get_by_role("button", name="Reckon").click()
    expect(region).to_contain_text("better in mae than version 1 left alone would have been")
    expect(region.get_by_role("slider")).to_have_count(1)
    expect(region.get_by_role("button", name="Reckon anew")).to_be_enabled()


def test_charts_follow_a_window_that_is_made_smaller(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/models/flights")
    page.set_viewport_size({"width": 1000, "height": 900})
    charts = page.locator(".life, .life .plot, #worth .plot")
    wide = "(all) => Math.max(...all.map((one) => one.getBoundingClientRect().right))"
    page.wait_for_timeout(200)
    assert charts.evaluate_all(wide) <= page.locator(".life").evaluate("(one) => one.getBoundingClientRect().right")
    canvas = page.locator(".life canvas").first.evaluate("(one) => one.getBoundingClientRect().right")
    assert canvas <= page.locator(".life").evaluate("(one) => one.getBoundingClientRect().right")


def test_earlier_events_come_when_they_are_asked_for(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/models/flights")
    story = page.get_by_role("region", name="Timeline")
    expect(story.locator(".event")).to_have_count(30)
    story.get_by_role("button", name="Show earlier ones").click()
    expect(story.get_by_text("Revision 1 applied")).to_be_visible()
    story.get_by_role("button", name="training").click()
    expect(story.get_by_text("Version 1 registered")).to_have_count(0)
    expect(story.get_by_text("Version 1 promoted")).to_be_visible()


def test_on_a_narrow_screen_what_needs_attention_comes_first(look: Look, seeded: str) -> None:
    page = look.at(seeded, width=390).go("/")
    top = "(one) => one.getBoundingClientRect().top"
    attention = page.get_by_role("region", name="Needs attention").evaluate(top)
    assert attention < page.get_by_role("region", name="What happened").evaluate(top)


def test_runs_are_filtered_sorted_and_picked_without_a_mouse(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/runs")
    page.keyboard.press("/")
    expect(page.get_by_label("Filter runs")).to_be_focused()
    page.keyboard.type("flights 150")
    expect(page.locator("tbody tr")).to_have_count(10)
    page.get_by_role("button", name="worth").press("Enter")
    worths = [float(text) for text in page.locator("tbody tr td:nth-child(7)").all_inner_texts()]
    assert worths == sorted(worths, reverse=True)
    assert "sort=-worth" in page.url
    page.locator("tbody th a").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Compare").press("Enter")
    expect(page.get_by_role("heading", name="Runs side by side")).to_be_focused()


def test_comparing_shows_what_differs_and_what_is_best(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/runs/compare?ids=run-flights-0010,run-flights-0001")
    params = page.get_by_role("region", name="Params")
    expect(params.locator("tr.differs")).to_have_count(3)
    best = page.get_by_role("region", name="Metrics").locator("tr", has_text="auc").locator("td.best")
    expect(best).to_have_text(re.compile("0.714"))
    expect(page.get_by_role("slider", name=re.compile("validation loss"))).to_be_visible()


def test_logs_and_lineage_unfold(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/models/flights/versions/10")
    page.get_by_text("fit.log").click()
    expect(page.get_by_text("iteration 150, loss 0.4008")).to_be_visible()
    page.get_by_role("link", name=re.compile("flights v9")).click()
    expect(page.get_by_role("heading", name="flights version 9", level=1)).to_be_focused()


def test_the_first_stop_skips_to_the_content(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_the_theme_is_chosen_and_kept(look: Look, seeded: str) -> None:
    page = look.at(seeded, theme="light").go("/")
    page.get_by_role("button", name="Switch to dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_going_back_comes_back(look: Look, seeded: str) -> None:
    page = look.at(seeded).go("/")
    page.get_by_role("link", name="Incidents").first.click()
    page.get_by_role("link", name=re.compile("wind_gust")).click()
    expect(page.locator("h1")).to_contain_text("wind_gust")
    page.go_back()
    expect(page.locator("h1")).to_have_text("Incidents")


def grows(read: Callable[[], float], above: float) -> None:
    """Wait until what is read exceeds a value."""
    deadline = time.monotonic() + 20
    while read() <= above:
        assert time.monotonic() < deadline, f"{read()} did not exceed {above}"
        time.sleep(0.1)


def decide(page: Page, button: str, action: str, reason: str) -> None:
    """Press a button, give the reason, and confirm."""
    page.get_by_role("button", name=button).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why?").fill(reason)
    dialog.get_by_role("button", name=action, exact=True).click()
    expect(dialog).not_to_be_visible()


def answer(url: str) -> dict:
    """What a route answers."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)
