"""The pages in a real browser: what is drawn, what runs, and what a reader without a mouse or a network has."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from hybridpress.metrics.result import NodeResult, ReasonResult
from hybridpress.report.page import comparison_page, report_page
from tests.report.page.runs import SCRIPTS, hostile_result, hour_result, lively_result
from tests.support.browser import Watched, chromium, watched_page

pytestmark = pytest.mark.slow

Open = Callable[..., Watched]

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 800}
NOT_DRAWN = ".hp-plot:not(:has(svg text))"

# Two texts of one chart that lie over one another, and those that stick out of it.
OVERLAPS = """() => {
  const found = [];
  for (const svg of document.querySelectorAll(".hp-plot svg")) {
    const frame = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
    boxes.forEach(([text, a], k) => {
      const isInside = a.left > frame.left - 1 && a.right < frame.right + 1 && a.bottom < frame.bottom + 1;
      if (!isInside) found.push(`${text} sticks out`);
      for (const [other, b] of boxes.slice(k + 1)) {
        const isBeside = a.left >= b.right || b.left >= a.right || a.top + 1 >= b.bottom || b.top + 1 >= a.bottom;
        if (!isBeside) found.push(`${text} over ${other}`);
      }
    });
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a document as a file, without a network, and waits until it is drawn."""
    with ExitStack() as stack:

        def open_page(document: bytes, **options: Any) -> Watched:
            path = tmp_path / "page.html"
            path.write_bytes(document)
            found = stack.enter_context(watched_page(browser, **{"viewport": WIDE, "offline": True, **options}))
            found.page.goto(path.as_uri())
            # Not by a function of ours in the page: to call one again and again is what its policy does not allow.
            expect(found.page.locator(NOT_DRAWN)).to_have_count(0, timeout=30_000)
            return found

        yield open_page


@pytest.fixture(scope="module")
def lively() -> bytes:
    return report_page(lively_result())


def titles_of(page: Page) -> list[str]:
    return page.locator(".hp-chart h3").all_text_contents()


def chart(page: Page, title: str) -> Any:
    return page.locator(".hp-chart").filter(has=page.get_by_role("heading", name=title, exact=True))


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
def test_charts_are_drawn(open_page: Open, lively: bytes, viewport: dict[str, int]) -> None:
    """Every chart has lines or areas, labels with units that do not overlap, and fits; no network is asked."""
    watched = open_page(lively, viewport=viewport)
    page = watched.page
    assert titles_of(page) == [
        "QPS",
        "Response time over time",
        "Response times, second by second",
        "Errors over time",
        "In flight",
        "Percentiles",
        "Workers' CPU",
        "Workers' lateness and loop lag",
    ]
    for figure in page.locator(".hp-chart").all():
        shapes = figure.locator(".hp-plot svg path").evaluate_all(
            "(paths) => paths.map((path) => path.getAttribute('d'))"
        )
        assert any(len(d) > 50 for d in shapes), figure.text_content()
        assert figure.locator(".hp-plot svg text.hp-label").count() == 2
    labels = page.locator(".hp-plot svg text.hp-label").all_text_contents()
    assert {"response time, ms", "iterations a second", "errors a second", "of one core, %", "late by, ms"} <= set(
        labels
    )
    assert "-0 s" not in page.locator(".hp-axes text").all_text_contents()
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith(("file:", "data:"))] == []


def test_what_is_told(open_page: Open, lively: bytes) -> None:
    """Verdict and thresholds are on top; every table is there, with its numbers."""
    page = open_page(lively).page
    assert page.locator("section h2").all_text_contents() == [
        "Summary", "Over time", "Times", "Parts of the mix", "Steps", "Checks", "Errors", "The load generator",
        "Settings and versions",
    ]  # fmt: skip
    assert "degraded" in page.locator(".hp-verdict").inner_text().lower()
    summary = page.locator("#summary").inner_text()
    assert "1 of 2 thresholds failed" in summary
    assert "61.2 ms" in summary
    assert "killed by SIGKILL" in summary
    assert "POST /vm/query" in page.locator("#steps").inner_text()
    assert "--concurrent" in page.locator("#settings").inner_text()


def test_nodes(open_page: Open) -> None:
    """A run over a cluster has a table of its nodes: what each did, how it ended, and what it says of itself."""
    late = ReasonResult("late_starts", "lateness p99 was 12 ms")
    nodes = [
        NodeResult(0, "10.0.0.7", "a", 7, 100, 9_000, 8_990, 10, 0, 61.5, 0.381, "ok", None, "degraded", [late]),
        NodeResult(1, "10.0.0.8", SCRIPTS[0], 7, 100, 400, 390, 0, 10, 55.0, 0.4, "lost", 5.04, None, []),
    ]
    told = open_page(report_page(dataclasses.replace(lively_result(20), nodes=nodes))).page
    rows = told.get_by_role("region", name="Nodes").locator("tbody tr").all_inner_texts()
    assert [row.split("\t") for row in rows] == [
        ["0", "10.0.0.7", "7", "9,000", "10", "0", "61.5\xa0%", "381\xa0µs", "degraded: late_starts"],
        ["1", "10.0.0.8", "7", "400", "0", "10", "55\xa0%", "400\xa0µs", "lost at 5.0 s"],
    ]


@pytest.mark.parametrize("make", [
    lambda: report_page(hostile_result()),
    lambda: comparison_page({text: hostile_result() for text in SCRIPTS[:4]}, SCRIPTS),
], ids=["report", "comparison"])  # fmt: skip
def test_hostile_names_are_inert(open_page: Open, make: Callable[[], bytes]) -> None:
    """Names and messages that are scripts do not run, make no elements, and can be read as what they are."""
    watched = open_page(make())
    page = watched.page
    page.mouse.move(500, 500)
    for summary in page.locator("td details summary").all()[:3]:
        summary.click()
    for details in page.locator(".hp-data summary").all():
        details.click()
    page.wait_for_timeout(50)
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 2
    assert page.locator("img, iframe, object, base, form, link[rel=stylesheet], svg[onload]").count() == 0
    assert page.locator("a:not([href^='#'])").count() == 0
    names = page.evaluate("[...document.querySelectorAll('*')].flatMap((element) => element.getAttributeNames())")
    assert [name for name in names if name.startswith("on")] == []
    told = page.locator("main").inner_text()
    for text in SCRIPTS[:1] + SCRIPTS[3:5]:
        assert text in told
    assert watched.complaints == []


def test_the_policy(open_page: Open, lively: bytes) -> None:
    """What got in all the same would not run, and nothing can be loaded or sent."""
    watched = open_page(lively)
    watched.page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.hacked = 1";
      document.body.append(script);
      const image = document.createElement("div");
      image.innerHTML = "<img src=x onerror='window.hacked = 1'>";
      document.body.append(image);
    }""")
    assert watched.page.evaluate("fetch('data:,x').then(() => 'loaded', () => 'refused')") == "refused"
    watched.page.wait_for_timeout(50)
    assert watched.page.evaluate("window.hacked") is None
    assert any("Content Security Policy" in complaint for complaint in watched.complaints)


def test_tables_sort(open_page: Open, lively: bytes) -> None:
    """By a click and by the keyboard, by size and not by text, and the other way at the second time."""
    page = open_page(lively).page
    steps = page.locator("#steps")

    def names() -> list[str]:
        return [name.strip() for name in steps.locator("tbody th").all_text_contents()]

    assert names() == ["POST /vm/query", "GET /vm", "login"]
    p99 = steps.get_by_role("button", name="p99", exact=True)
    p99.click()
    assert names() == ["login", "POST /vm/query", "GET /vm"]
    assert steps.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    p99.press("Enter")
    assert names() == ["GET /vm", "POST /vm/query", "login"]
    assert steps.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    steps.get_by_role("button", name="step").press("Space")
    assert names() == ["GET /vm", "login", "POST /vm/query"]


def colour(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_light_dark_and_print(open_page: Open, lively: bytes) -> None:
    """As the system says, until the reader says otherwise; on paper it is always light."""
    light, dark = open_page(lively).page, open_page(lively, color_scheme="dark").page
    assert (colour(light), colour(dark)) == ("rgb(244, 246, 249)", "rgb(16, 21, 28)")
    dark.get_by_role("button", name="switch to light").click()
    assert colour(dark) == colour(light)
    dark.get_by_role("button", name="switch to dark").click()
    dark.emulate_media(media="print", color_scheme="dark")
    assert colour(dark) == "rgb(255, 255, 255)"
    assert (
        dark.evaluate("getComputedStyle(document.querySelector('.hp-chart')).backgroundColor") == "rgb(255, 255, 255)"
    )
    assert not dark.locator("nav").is_visible()
    assert dark.pdf(format="A4").startswith(b"%PDF")


def test_without_a_mouse(open_page: Open, lively: bytes) -> None:
    """Arrow keys tell the values at each second, + and Escape zoom; the numbers stand in a table too."""
    page = open_page(lively).page
    latency = chart(page, "Response time over time")
    plot = latency.locator(".hp-plot")
    plot.focus()
    plot.press("Home")
    plot.press("ArrowRight")
    spoken = latency.locator(".hp-spoken").text_content()
    assert spoken is not None
    assert spoken.startswith("at 1 s, max ")
    assert "p99 " in spoken
    assert latency.locator(".hp-tip").is_visible()
    plot.press("+")
    show_all = latency.get_by_role("button", name="show all")
    assert show_all.is_visible()
    assert chart(page, "QPS").get_by_role("button", name="show all").is_visible(), "charts of one time zoom together"
    plot.press("Escape")
    assert not show_all.is_visible()
    latency.locator("summary").press("Enter")
    rows = latency.locator(".hp-data tbody tr")
    rows.last.wait_for()
    assert rows.count() == 120


def test_the_mouse(open_page: Open, lively: bytes) -> None:
    """A drag zooms, a double click shows all again, the legend hides a line, and the axis may be logarithmic."""
    page = open_page(lively).page
    qps = chart(page, "QPS")
    qps.scroll_into_view_if_needed()
    box = qps.locator(".hp-plot").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 80)
    page.mouse.up()
    assert qps.get_by_role("button", name="show all").is_visible()
    page.mouse.dblclick(box["x"] + 250, box["y"] + 80)
    assert not qps.get_by_role("button", name="show all").is_visible()
    n_paths = qps.locator(".hp-plot path").count()
    started = qps.get_by_role("button", name="started")
    started.click()
    assert started.get_attribute("aria-pressed") == "false"
    assert qps.locator(".hp-plot path").count() == n_paths - 1
    latency = chart(page, "Response time over time")
    before = latency.locator(".hp-plot text").all_text_contents()
    latency.get_by_role("button", name="log scale").click()
    assert latency.locator(".hp-plot text").all_text_contents() != before


def test_an_hour(open_page: Open) -> None:
    """An hour is drawn in full, and its page is small."""
    document = report_page(hour_result())
    assert len(document) < 6_000_000
    watched = open_page(document)
    d = chart(watched.page, "QPS").locator(".hp-plot path.hp-line").first.get_attribute("d")
    assert d is not None
    assert len(d) > 1_000
    ticks = chart(watched.page, "QPS").locator(".hp-plot .hp-axes text").all_text_contents()
    assert "30:00" in ticks
    assert watched.complaints == []


def test_a_run_with_nothing_in_it(open_page: Open) -> None:
    """Where nothing was measured, that is said; an older result without histograms has its curve of what it has."""
    result = lively_result(5)
    bare = [dataclasses.replace(second, histogram=None, cpu_pct=None) for second in result.intervals]
    old = open_page(report_page(dataclasses.replace(result, intervals=bare, histograms=None)))
    assert "Response times, second by second" not in titles_of(old.page)
    assert chart(old.page, "Percentiles").locator(".hp-plot path.hp-line").count() == 3
    assert old.complaints == []
    nothing = dataclasses.replace(result, intervals=[], steps={}, errors=[], workers=[], histograms=None)
    empty = open_page(report_page(nothing))
    assert "nothing was measured" in empty.page.locator("#over-time").inner_text()
    assert empty.complaints == []


def test_the_comparison(open_page: Open) -> None:
    """Curves of all runs lie over one another, and what differs is told."""
    before, after = lively_result(30), lively_result(40, each=600)
    after = dataclasses.replace(after, config={**after.config, "concurrent": 128})
    watched = open_page(comparison_page({"before.json": before, "after.json": after}, ["p99 rose by 12 ms ± 3 ms"]))
    page = watched.page
    assert "p99 rose by 12 ms" in page.locator("#findings").inner_text()
    assert titles_of(page) == ["Response time by percentile", "QPS", "Failed", "p50", "p99"]
    for figure in page.locator(".hp-chart").all():
        assert figure.locator(".hp-legend li").all_text_contents() == ["before.json", "after.json"]
        assert figure.locator(".hp-plot path.hp-line").count() >= 2
    assert "concurrent" in page.locator("#settings").inner_text()
    assert watched.complaints == []


def test_charts_follow_new_data(open_page: Open, lively: bytes) -> None:
    """A chart that is told more draws it: what a page that follows a run needs."""
    page = open_page(lively).page
    found = page.evaluate("""async () => {
      const hp = globalThis.hybridpress;
      const host = document.querySelector("main");
      const chart = hp.latency(host, { title: "live" });
      const heat = hp.heat(host, { title: "live heat" });
      const rows = [];
      const drawn = [];
      for (let k = 0; k < 3; k += 1) {
        rows.push({ at_s: k, p50_ms: k + 1, p99_ms: 10 * (k + 1), max_ms: 50, extra: k ? k : null });
        chart.update({ seconds: hp.columns(rows) });
        heat.update({ x: rows.map(({ at_s }) => at_s), bins: rows.map(() => [30, 5, 31, 2]), span_s: 1 });
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
        drawn.push(chart.figure.querySelector(".hp-plot path.hp-line:last-of-type").getAttribute("d"));
      }
      return { drawn, cells: heat.figure.querySelectorAll("path[d^=M]").length };
    }""")
    assert len(set(found["drawn"])) == 3
    assert found["cells"] > 0
