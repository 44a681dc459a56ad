"""The result as JUnit XML, which CI systems show as tests: a case for each threshold and each check, and for the run.

The form is the strictest that is in use, that of Ant's schema, which the others take too.
"""

from __future__ import annotations

import platform
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from hybridpress.metrics.result import Result, ThresholdResult
from hybridpress.metrics.thresholds import told_value
from hybridpress.report.files import write_whole
from hybridpress.report.output import Output
from hybridpress.report.safe import visible, visible_lines
from hybridpress.units import format_count


class JunitFile(Output):
    """Writes the file when the run is over."""

    name = "--junit"

    def __init__(self, path: str) -> None:
        self._path = path

    def finished(self, result: Result) -> None:
        write_whole(encode(result), self._path, "the test report")


@dataclass(frozen=True, slots=True)
class Case:
    """One test case; *failure* says why it failed, in a line and, below it, in more."""

    name: str
    failure: str = ""
    more: str = ""


def suites_of(result: Result) -> dict[str, list[Case]]:
    """The cases by what they are about; kinds without a case are left out."""
    suites = {
        "run": [_verdict(result), _completed(result), *_search(result)],
        "thresholds": [_threshold(threshold) for threshold in result.thresholds],
        "checks": [_check(name, check.passed, check.failed) for name, check in result.checks.items()],
    }  # fmt: skip
    return {name: cases for name, cases in suites.items() if cases}


def _verdict(result: Result) -> Case:
    """As the exit code has it: only a run that is invalid has failed."""
    generator = result.generator
    if generator.verdict != "invalid":
        return Case("the generator kept up")
    return Case(
        "the generator kept up",
        "the verdict is invalid: do not quote these times",
        "\n".join(f"{reason.code}: {reason.text}" for reason in generator.reasons),
    )


def _completed(result: Result) -> Case:
    n = result.iterations
    if n.completed or not n.started:
        return Case("iterations complete")
    errors = "\n".join(f"{error.count} × {error.kind}: {error.message}" for error in result.errors[:10])
    return Case("iterations complete", f"not one of {format_count(n.started)} iterations completed", errors)


def _search(result: Result) -> list[Case]:
    search = result.search
    if search is None:
        return []
    objectives = f"a rate keeps {', '.join(search.objectives)}"
    return [Case(objectives) if search.qps is not None else Case(objectives, "no rate did", search.reason)]


def _threshold(threshold: ThresholdResult) -> Case:
    if threshold.passed:
        return Case(threshold.expression)
    found = "nothing was measured for it" if threshold.value is None else f"found {told_value(threshold)}"
    return Case(threshold.expression, f"{threshold.expression} does not hold: {found}")


def _check(name: str, n_passed: int, n_failed: int) -> Case:
    n_all = n_passed + n_failed
    if not n_failed:
        return Case(name)
    return Case(name, f"did not hold {format_count(n_failed)} of {format_count(n_all)} times")


def encode(result: Result) -> bytes:
    """The text of the file."""
    root = ET.Element("testsuites")
    for number, (kind, cases) in enumerate(suites_of(result).items()):
        suite = ET.SubElement(
            root,
            "testsuite",
            {
                "id": str(number),
                "package": "hybridpress",
                "name": visible(f"{result.scenario} {kind}"),
                "timestamp": result.started_at.partition(".")[0].removesuffix("Z"),
                "hostname": platform.node() or "localhost",
                "tests": str(len(cases)),
                "failures": str(sum(bool(case.failure) for case in cases)),
                "errors": "0",
                "time": f"{result.duration_s:.3f}",
            },
        )
        properties = ET.SubElement(suite, "properties")
        for name in ("host", "qps", "profile", "concurrent", "processes", "duration", "iterations"):
            if (value := result.config.get(name)) is not None:
                ET.SubElement(properties, "property", {"name": name, "value": visible(str(value))})
        for case in cases:
            _add(suite, case, f"{result.scenario}.{kind}")
        ET.SubElement(suite, "system-out")
        ET.SubElement(suite, "system-err")
    ET.indent(root)
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _add(suite: ET.Element, case: Case, class_name: str) -> None:
    attributes = {"classname": visible(class_name), "name": visible(case.name) or "(no name)", "time": "0"}
    element = ET.SubElement(suite, "testcase", attributes)
    if case.failure:
        failure = ET.SubElement(element, "failure", {"message": visible(case.failure), "type": "failed"})
        failure.text = "\n".join(visible_lines(f"{case.failure}\n{case.more}".strip()))
