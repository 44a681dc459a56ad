"""Who is told of the run, and by whom it is changed while it runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from hybridpress.config.knob import Knob, knob
from hybridpress.errors import UsageError
from hybridpress.settings import PAGE, parse_flag, parse_page, parse_writable_file

GITHUB = "github"
GITHUB_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable in which GitHub's runner names the file of the job's summary."""


def several(value: Any, metavar: str) -> list[str]:
    """The words of a setting that may be repeated; one alone need not be in a list.

    Raises:
        UsageError: it is neither.
    """
    words = [value] if isinstance(value, str | os.PathLike) else value
    if not isinstance(words, Iterable):
        raise UsageError(f"must be {metavar}, or a list of such, got {value!r}")
    return [str(word) for word in words]


def parse_markdown(value: Any) -> tuple[str, ...]:
    """Files, and "github" for the summary of the job.

    Raises:
        UsageError: one of them cannot be written to.
    """
    paths = several(value, "the path of a file")
    for path in paths:
        if path != GITHUB:
            parse_writable_file(path)
        elif not os.environ.get(GITHUB_SUMMARY):
            raise UsageError(f'"{GITHUB}" needs ${GITHUB_SUMMARY}, which GitHub sets in its jobs; give a file instead')
    return tuple(paths)


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """Who is told of the run, and by whom it is changed while it runs."""

    json: str | None = knob(None, Knob("json", parse_writable_file, "Write the result to this file.", "FILE"))
    html: str | None = knob(
        None, Knob("html", parse_writable_file, "Write the report, one HTML file with charts, to this file.", "FILE")
    )
    csv: str | None = knob(
        None,
        Knob("csv", parse_writable_file, "Write PREFIX_intervals.csv and PREFIX_steps.csv.", "PREFIX"),
    )
    junit: str | None = knob(
        None, Knob("junit", parse_writable_file, "Write checks and thresholds as tests, in JUnit's XML.", "FILE")
    )
    markdown: tuple[str, ...] = knob(
        (),
        Knob(
            "markdown",
            parse_markdown,
            "Write a summary in Markdown; github: append it to $GITHUB_STEP_SUMMARY. May be repeated.",
            "FILE|github",
            is_repeated=True,
        ),
    )
    hlog: str | None = knob(
        None,
        Knob("hlog", parse_writable_file, "Write each second's times to this file, as HdrHistogram's log.", "FILE"),
    )
    control: str | None = knob(
        None,
        Knob(
            "control",
            parse_writable_file,
            "The socket by which `hybridpress ctl` changes the run while it runs.",
            "FILE",
            "one of its own",
        ),
    )
    ui: str | None = knob(
        None,
        Knob(
            "ui",
            parse_page,
            f"Show the run on a live page, from which it can be changed. Without a value at {PAGE}; port 0 takes a "
            "free one; at an address that others can reach the page asks for a token.",
            "[HOST:]PORT",
            bare=PAGE,
        ),
    )
    ui_stay: bool = knob(
        False, Knob("ui_stay", parse_flag, "Keep the page of --ui after the run, until Ctrl-C.", is_flag=True)
    )
    no_color: bool = knob(
        False,
        Knob(
            "no_color",
            parse_flag,
            "No colours and nothing that is redrawn: a line a second. So it is where NO_COLOR is set, too.",
            is_flag=True,
        ),
    )
    quiet: bool = knob(
        False, Knob("quiet", parse_flag, "Print neither progress nor summary, only errors.", is_flag=True)
    )
