"""The summary in Markdown."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from hybridpress.errors import HybridpressError, UsageError
from hybridpress.metrics.interval import CheckCounts, ErrorCounts
from hybridpress.metrics.result import EventResult, SearchResult, SearchStepResult, ThresholdResult
from hybridpress.report.markdown import MarkdownFile, code, markdown_of
from tests.report.made import FINE, config_of, result_of, second, steps

COMPLETED, FAILED = "4,990 completed", "**10 failed**"
HOSTILES = [
    "`",
    "``x`` |y|",
    "<script>alert(1)</script>",
    "@somebody #1 https://x",
    "a\nb | c",
    "",
    " ",
    "*b* _i_ [l](u)",
]


def html_of(text: str) -> str:
    """As a reader of GitHub's kind of Markdown has it."""
    html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    assert isinstance(html, str)
    return html


def test_a_whole_summary() -> None:
    """Verdict, counts, times, thresholds, steps, checks and errors, with what failed on top."""
    interval = second(
        0,
        steps=steps(2),
        checks={"ok": CheckCounts(9, 0), "total is right": CheckCounts(7, 2)},
        errors={("ConnectError", "refused"): ErrorCounts(10, 1_500_000_000, "refused: 127.0.0.1:80")},
    )
    thresholds = [ThresholdResult("p99 < 200ms", 99.07, True), ThresholdResult("failed < 0.1%", 0.2, False)]
    result = replace(result_of([interval], conditions=replace(FINE, n_workers_lost=1)), thresholds=thresholds)
    [lost] = result.generator.reasons
    assert markdown_of(result).split("\n") == [
        "### ❌ `query.py:QueryVm`: degraded, 1 of 2 thresholds failed",
        "",
        f"- `worker_lost: {lost.text}`",
        "",
        f"asked 5,000/s, achieved **5,000/s** (+0.00 %) in 1s: 5,000 started, {COMPLETED}, {FAILED}, 0 dropped, 0 lost",
        "",
        "| time | p50 | p90 | p99 | p99.9 | max | mean |",
        "|---|--:|--:|--:|--:|--:|--:|",
        "| response time | 50.0 ms | 90.0 ms | 99.0 ms | 100 ms | 100 ms | 50.5 ms |",
        "| service time | 500 µs | 500 µs | 500 µs | 500 µs | 500 µs | 500 µs |",
        "| lateness | 20.0 µs | 20.0 µs | 20.0 µs | 20.0 µs | 20.0 µs | 20.0 µs |",
        "",
        "| threshold | found |",
        "|---|--:|",
        "| ✅ `p99 < 200ms` | 99.1 ms |",
        "| ❌ `failed < 0.1%` | 0.2 % |",
        "",
        "| step | count | failed | p50 | p99 | max |",
        "|---|--:|--:|--:|--:|--:|",
        "| `step 1` | 999 | 1 | 1.50 ms | 2.50 ms | 2.50 ms |",
        "| `step 0` | 1,000 | 0 | 1.50 ms | 2.50 ms | 2.50 ms |",
        "",
        "| check | held |",
        "|---|--:|",
        "| ❌ `total is right` | 7 of 9 |",
        "",
        "1 check always held.",
        "",
        "| error | count | first at |",
        "|---|--:|--:|",
        "| `ConnectError: refused` | 10 | 1.500 s |",
        "",
    ]


def test_it_is_short() -> None:
    """However much there is to tell, the rest is only counted."""
    errors = {("Error", str(i)): ErrorCounts(1, 0, "") for i in range(500)}
    checks = {f"check {i}": CheckCounts(0, 1) for i in range(500)}
    events = [EventResult(1.0, "x", "y" * 10_000) for _ in range(500)]
    text = markdown_of(result_of([second(0, steps=steps(500), errors=errors, checks=checks)], events=events))
    assert text.count("\n") < 120
    assert len(text) < 12_000
    assert re.findall(r"and \d+ more", text) == ["and 480 more", "and 480 more", "and 490 more", "and 490 more"]


@pytest.mark.parametrize("text", HOSTILES)
def test_nothing_formats_itself(text: str) -> None:
    """Text from outside is one code span in its cell: no markup, no link, no second column."""
    html = html_of("\n".join(["| a | b |", "|---|---|", f"| {code(text)} | 1 |"]))
    assert html.count("<td") == 2
    (cell,) = re.findall(r"<td[^>]*><code>(.*?)</code></td>", html)
    assert "<" not in cell


def test_hostile_everything() -> None:
    """The same in every place of the summary."""
    for text in HOSTILES:
        interval = second(
            0,
            steps=steps(1, name=text),
            checks={text: CheckCounts(1, 1)},
            errors={(text, text): ErrorCounts(1, 0, text)},
        )
        result = replace(
            result_of([interval], events=[EventResult(1.0, text, text)], config={"host": text}),
            scenario=text,
            thresholds=[ThresholdResult(text, 1.0, False)],
        )
        html = html_of(markdown_of(result))
        assert re.findall(r"<(?!/?(?:h3|ul|li|p|table|thead|tbody|tr|th|td|code|strong)\b)[^>]*>", html) == []


def test_a_search() -> None:
    measured = {"p50_ms": 1.0, "p99_ms": 60.0}
    tried = [SearchStepResult(200.0, kept=False, generator_limited=False, why="", measured=measured)]
    result = replace(result_of(), search=SearchResult(None, "server", "p99 broke", ["p99<50ms"], tried))
    text = markdown_of(result)
    assert "Highest QPS that keeps `p99<50ms`: **no rate** (`p99 broke`)" in text
    assert "| 200/s | 1.00 ms | 60.0 ms | broken |" in text
    assert "response time" not in text


def test_a_file_and_the_jobs_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is replaced; the summary of a job is appended to, and asked for only where there is one."""
    result, file, job = result_of(), tmp_path / "summary.md", tmp_path / "job"
    file.write_text("old")
    job.write_text("what other steps said\n")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    with pytest.raises(UsageError, match=r'markdown "github" needs \$GITHUB_STEP_SUMMARY'):
        config_of(markdown="github")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job))
    assert config_of(markdown=["github", str(file)]).markdown == ("github", str(file))
    for path in ("github", str(file)):
        MarkdownFile(path).finished(result)
    assert file.read_text() == markdown_of(result)
    assert job.read_text() == f"what other steps said\n{markdown_of(result)}\n"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "none" / "job"))
    with pytest.raises(HybridpressError, match=r"cannot write the summary to .*: No such file"):
        MarkdownFile("github").finished(result)
