"""JUnit's XML: valid for the strictest schema, and a case for each threshold and check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from hybridpress.metrics.interval import CheckCounts, ErrorCounts
from hybridpress.metrics.result import Result, SearchResult, ThresholdResult
from hybridpress.report.junit import JunitFile
from tests.report.made import FINE, HOSTILE, hostile_result, result_of, second

SCHEMA = etree.XMLSchema(etree.parse(str(Path(__file__).with_name("junit.xsd"))))


def written(result: Result, tmp_path: Path) -> etree._Element:
    """The file, valid."""
    path = tmp_path / "tests.xml"
    JunitFile(str(path)).finished(result)
    document = etree.parse(str(path))
    SCHEMA.assertValid(document)
    root = document.getroot()
    for suite in root:
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
    return root


def cases(root: etree._Element) -> dict[str, str | None]:
    """The cases by kind and name: None: passed, else why not."""
    found = {}
    for case in root.iter("testcase"):
        failure = case.find("failure")
        kind = case.get("classname").rpartition(".")[2]
        found[f"{kind}: {case.get('name')}"] = None if failure is None else failure.get("message")
    return found


def test_what_failed_and_what_did_not(tmp_path: Path) -> None:
    checks = {"ok": CheckCounts(9, 0), "total is right": CheckCounts(7, 2)}
    thresholds = [
        ThresholdResult("p99 < 200ms", 99.07, True),
        ThresholdResult("failed < 1%", 2.5, False),
        ThresholdResult("p99(GET /) < 1s", None, False),
    ]
    result = replace(result_of([second(0, checks=checks)]), thresholds=thresholds)
    assert cases(written(result, tmp_path)) == {
        "run: the generator kept up": None,
        "run: iterations complete": None,
        "thresholds: p99 < 200ms": None,
        "thresholds: failed < 1%": "failed < 1% does not hold: found 2.5 %",
        "thresholds: p99(GET /) < 1s": "p99(GET /) < 1s does not hold: nothing was measured for it",
        "checks: ok": None,
        "checks: total is right": "did not hold 2 of 9 times",
    }


def test_a_run_that_is_not_to_be_believed(tmp_path: Path) -> None:
    """As with the exit code, an invalid verdict fails, and a degraded one does not."""
    degraded = result_of(conditions=replace(FINE, n_workers_lost=1))
    assert degraded.generator.verdict == "degraded"
    assert not any(cases(written(degraded, tmp_path)).values())
    invalid = result_of(conditions=replace(FINE, suspended_s=9.0))
    root = written(invalid, tmp_path)
    assert cases(root)["run: the generator kept up"] == "the verdict is invalid: do not quote these times"
    assert "clock_jump: the whole machine stood still" in str(root.findtext(".//failure"))


def test_a_run_in_which_nothing_completed(tmp_path: Path) -> None:
    errors = {("ConnectError", "refused"): ErrorCounts(5_000, 0, "refused")}
    root = written(result_of([second(0, completed=0, failed=5_000, errors=errors)]), tmp_path)
    assert cases(root)["run: iterations complete"] == "not one of 5,000 iterations completed"
    assert "5000 × ConnectError: refused" in str(root.findtext(".//failure"))


@pytest.mark.parametrize(("qps", "failure"), [(500.0, None), (None, "no rate did")])
def test_a_search(qps: float | None, failure: str | None, tmp_path: Path) -> None:
    search = SearchResult(qps, "server", "p99 broke", ["p99<50ms"], [])
    assert cases(written(replace(result_of(), search=search), tmp_path))["run: a rate keeps p99<50ms"] == failure


def test_hostile_text(tmp_path: Path) -> None:
    """Names with markup and control characters are text, and the file stays valid."""
    text = f"{HOSTILE}</testcase><x/>\0\ufffe\udcff"
    thresholds = [ThresholdResult(text, 1.0, False)]
    result = replace(hostile_result(), scenario=text, thresholds=thresholds, config={"host": text})
    names = list(cases(written(result, tmp_path)))
    assert "checks: [red]x[/red]\\x1b[2J" in names
    assert any("</testcase><x/>\\x00" in name for name in names)
