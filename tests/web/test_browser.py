"""The live page in a real browser, of real runs against a real server: what is drawn, what its controls do, and what a
reader without a mouse, with a small screen or with hostile servers has.
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from hybridpress.target import Target
from tests.support import command
from tests.support.browser import Watched, chromium, watched_page

pytestmark = pytest.mark.slow
expect.set_options(timeout=20_000)

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
SCENARIO = '''
from hybridpress import Press, check, step

HOSTILE = {hostile!r}

class Cloud(Press):
    """Fails now and then, by names that try to run."""

    def vocab(self):
        return [*range(10)]

    async def press(self, word):
        reply = await self.http.get("/json", name="query vm")
        check(reply.status == 200, "status is 200")
        if word == 0:
            async with step(HOSTILE):
                pass
            check(False, HOSTILE)
            raise ValueError(HOSTILE)
'''


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with Target() as server:
        yield server


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("scenarios") / "cloud.py"
    file.write_text(SCENARIO.format(hostile=HOSTILE))
    return file


@pytest.fixture(scope="module")
def url(target: Target, scenario: Path) -> Iterator[str]:
    """Where a page is that starts runs of the scenario."""
    process = command.start("ui", scenario, "--host", target.url, "--qps", "50", "--duration", "1h", "--ui", "0")
    try:
        assert process.stdout is not None
        yield address_in(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def address_in(line: str) -> str:
    found = re.search(r"http://\S+/", line)
    assert found, line
    return found[0]


@pytest.fixture
def watched(browser: Browser, url: str) -> Iterator[Watched]:
    """The page, open, with no run under way; whatever it complains of fails the test."""
    with watched_page(browser, viewport=WIDE) as watched:
        page = watched.page
        page.goto(url)
        expect(badge(page)).to_have_text(re.compile("idle|over"))
        yield watched
        if (stop := bar(page).get_by_role("button", name="Stop")).is_visible():
            stop.click()
        expect(badge(page)).to_have_text(re.compile("idle|over"))
        assert watched.complaints == []
        assert page.title() != "hacked"


def badge(page: Page) -> Any:
    return page.locator("#badge")


def bar(page: Page) -> Any:
    return page.get_by_role("region", name="Steering")


def start(page: Page, **settings: str) -> None:
    """Start a run with these settings, besides those that the form has."""
    if not page.locator("form").is_visible():
        page.get_by_text("Settings of the next run").first.click()
    for name, value in settings.items():
        page.locator(f"#set-{name}").fill(value)
    page.get_by_role("button", name="Start the run").click()


def started(page: Page, **settings: str) -> None:
    start(page, **settings)
    expect(badge(page)).to_have_text("pressing")


def rate_of(target: Target, seconds: float = 1.5) -> float:
    """How many requests a second the target counts."""
    before, begun = target.stats()["requests"], time.monotonic()
    time.sleep(seconds)
    return float((target.stats()["requests"] - before) / (time.monotonic() - begun))


@pytest.mark.alone
def test_a_run_from_start_to_end_and_again(watched: Watched, target: Target) -> None:
    """Start, slider, number, slots, pause, resume, stop, start again: each does to the server what it says; the charts
    are drawn, the result can be had, and a name that tries to run is text.
    """
    page = watched.page
    assert rate_of(target, 0.5) == 0
    started(page, qps="100", concurrent="8", duration="1h")
    assert 80 <= rate_of(target) <= 120

    slider = page.get_by_role("slider", name="QPS")
    expect(slider).to_have_attribute("max", "200")
    slider.fill("200")
    expect(page.locator("#said")).to_have_text("qps 100 → 200")
    assert 170 <= rate_of(target) <= 230
    expect(page.get_by_role("spinbutton", name="QPS")).to_have_value("200")
    expect(slider).to_have_attribute("max", "500")  # there is always room to go up

    page.get_by_role("spinbutton", name="QPS").fill("50")
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_have_text("qps 200 → 50")
    assert 35 <= rate_of(target) <= 65
    page.get_by_role("spinbutton", name="slots").fill("12")
    page.keyboard.press("Tab")
    expect(page.locator("#said")).to_have_text("slots 8 → 12")

    bar(page).get_by_role("button", name="Pause").click()
    expect(badge(page)).to_have_text("paused")
    time.sleep(0.3)  # a change takes effect a moment after it was asked for
    assert rate_of(target) == 0
    bar(page).get_by_role("button", name="Resume").click()
    expect(badge(page)).to_have_text("pressing")
    assert rate_of(target) > 20

    plots = page.locator(".hp-plot svg")
    assert plots.count() == 8
    for k in range(8):
        expect(plots.nth(k).locator("path").first).to_be_attached()
        assert "M" in (plots.nth(k).locator("path").last.get_attribute("d") or "")
    steps = page.locator("#steps").get_by_role("row")
    expect(steps.filter(has_text="query vm")).to_be_visible()
    expect(steps.filter(has_text=HOSTILE)).to_be_visible()
    assert page.locator("main img, main script").count() == 0

    bar(page).get_by_role("button", name="Stop").click()
    expect(badge(page)).to_contain_text("over")
    assert rate_of(target, 0.5) == 0
    events = page.get_by_role("list", name="events").get_by_role("listitem")
    expect(events.first).to_contain_text("stopped")
    assert events.count() == 6
    with page.expect_download() as downloading:
        page.get_by_role("link", name="result, JSON").click()
    assert downloading.value.suggested_filename.endswith(".json")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="report, HTML").click()
    assert downloading.value.suggested_filename.endswith(".html")

    start(page, qps="150", duration="2s")
    expect(badge(page)).to_have_text("pressing")
    assert events.count() == 1  # none so far
    expect(badge(page)).to_contain_text("over", timeout=30_000)
    expect(page.get_by_text("of 150/s asked")).to_be_visible()


def test_mistakes_are_told_beside_the_form(watched: Watched) -> None:
    """All of them, as an alert; then the form is still there, with what was written in it."""
    page = watched.page
    start(page, qps="fast", duration="soon")
    expect(page.get_by_role("alert")).to_contain_text("--qps must be a rate")
    expect(page.get_by_role("alert")).to_contain_text("--duration must be a duration")
    expect(page.locator("#set-qps")).to_be_visible()
    assert page.locator("#set-qps").input_value() == "fast"


def focused(page: Page) -> str:
    """What has the focus, in words."""
    label = "it.getAttribute('aria-label') ?? it.labels?.[0]?.firstChild?.textContent ?? it.textContent"
    return str(page.evaluate(f"(it => (it.tagName.toLowerCase() + ' ' + ({label})).trim())(document.activeElement)"))


def tabbed(page: Page, n: int) -> list[str]:
    found = []
    for _ in range(n):
        page.keyboard.press("Tab")
        found.append(focused(page))
    return found


def test_the_keyboard_alone_will_do(watched: Watched) -> None:
    """Tab goes from the steering to the form to the figures, in the order in which they are seen; a whole run is
    started, changed, paused and stopped by keys, and the focus is never lost.
    """
    page = watched.page
    assert tabbed(page, 1) == ["a Skip to the figures"]
    while (word := tabbed(page, 1)[0]) != "summary Settings of the next run":
        assert word.removesuffix(" again") in {
            "a result, JSON", "a report, HTML", "button switch to dark colours", "button Start",
        }  # fmt: skip
    if not page.locator("form").is_visible():
        page.keyboard.press("Enter")
    fields = ["host", "qps", "concurrent", "processes", "duration", "stage"]
    assert [word.split()[1] for word in tabbed(page, 6)] == fields
    assert tabbed(page, 2) == ["summary More settings", "button Start the run"]
    page.keyboard.press("Enter")
    expect(badge(page)).to_have_text("pressing")
    slider = page.get_by_role("slider", name="QPS")
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#said")).to_have_text("qps 50 → 51")
    expect(slider).to_have_attribute("aria-valuetext", "51 iterations a second")
    assert tabbed(page, 4) == ["input QPS", "input slots", "button Pause", "button Stop"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(badge(page)).to_have_text("paused")
    assert focused(page) == "button Resume"
    page.keyboard.press("Space")
    expect(badge(page)).to_have_text("pressing")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(badge(page)).to_contain_text("over")
    assert focused(page) == "button Start again"
    chart = page.get_by_role("group", name="QPS; arrow keys move through it")
    chart.focus()
    page.keyboard.press("End")
    expect(page.locator(".hp-tip:visible")).to_contain_text("started")


def test_who_listens_hears_what_happens(watched: Watched) -> None:
    """Changes of state, and what came of a command, are told politely in one place; the figures of a second are not."""
    page = watched.page
    started(page)
    said = page.get_by_role("status").and_(page.locator("#said"))
    expect(said).to_contain_text("pressing: 50/s over 10 slots")
    told = said.text_content()
    page.wait_for_timeout(1_500)
    assert said.text_content() == told
    bar(page).get_by_role("button", name="Pause").click()
    expect(said).to_have_text("paused: nothing is started, and the plan's time stands still")


def test_it_fits_and_can_be_read(watched: Watched) -> None:
    """On a telephone too nothing is wider than the screen, and every control can be hit; text stands out from what is
    behind it as WCAG's AA asks for, light and dark, before a run and in it.
    """
    page = watched.page
    for is_under_way in (False, True):
        if is_under_way:
            started(page)
            expect(page.locator("#errors")).to_be_visible()
        for viewport in (WIDE, NARROW):
            page.set_viewport_size({"width": viewport["width"], "height": viewport["height"]})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                assert faint(page) == []
            assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
            for control in bar(page).locator("button:visible, input:visible").all():
                box = control.bounding_box()
                assert box is not None
                assert box["height"] >= 24
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= viewport["width"]


FAINT = """() => {
  const rgb = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const part = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ground = (it) => {
    for (; it; it = it.parentElement) {
      const colour = rgb(getComputedStyle(it).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = new Set();
  for (const it of document.querySelectorAll("body *")) {
    const hasText = [...it.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const isSeen = it.checkVisibility({ checkOpacity: true }) && !it.closest("[aria-disabled=true], svg");
    if (!hasText || !isSeen) continue;
    const style = getComputedStyle(it);
    const [a, b] = [light(rgb(style.color)), light(ground(it))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (isLarge ? 3 : 4.5)) found.add(`${it.tagName} ${it.className} ${it.textContent} ${ratio}`);
  }
  return [...found];
}"""


def faint(page: Page) -> list[str]:
    """Texts whose contrast to what is behind them is too low."""
    found: list[str] = page.evaluate(FAINT)
    return found


def test_the_page_of_one_run_says_when_it_ends(browser: Browser, target: Target, scenario: Path) -> None:
    """The page of `run --ui` goes when the run does; what it showed stays, and it says so."""
    process = command.start("run", scenario, "--host", target.url, "--qps", "50", "--duration", "1h", "--ui", "0")
    try:
        assert process.stderr is not None
        address = address_in(process.stderr.readline())
        with watched_page(browser, viewport=WIDE) as watched:
            page = watched.page
            page.goto(address)
            expect(badge(page)).to_have_text("pressing")
            expect(bar(page).get_by_role("button", name="Start")).to_have_count(0)
            expect(page.locator("form")).to_have_count(0)
            bar(page).get_by_role("button", name="Stop").click()
            expect(page.locator("#said")).to_have_text("the page has ended; what it last showed stays")
            expect(badge(page)).to_contain_text("over")
            assert process.wait(20) in (0, 3)
            page.wait_for_timeout(500)
            assert watched.complaints == []
    finally:
        process.kill()
        process.communicate()


def test_a_run_that_goes_on_is_found_again(watched: Watched) -> None:
    """A page that is loaded anew shows the run from its beginning, whichever second it comes in."""
    page = watched.page
    started(page)
    for name, state in (("Pause", "paused"), ("Resume", "pressing")):
        bar(page).get_by_role("button", name=name).click()
        expect(badge(page)).to_have_text(state)
    page.reload()
    expect(badge(page)).to_have_text("pressing")
    expect(page.get_by_role("list", name="events").get_by_role("listitem")).to_have_count(2)
    page.get_by_text("QPS as a table").click()
    chart = page.locator(".hp-chart").filter(has=page.get_by_role("heading", name="QPS", exact=True))
    expect(chart.get_by_role("row").nth(1)).to_contain_text("0 s")
