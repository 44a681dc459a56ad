"""Who is told of the run, and by whom it is changed while it runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hybridpress.config.knob import Knob, knob
from hybridpress.errors import UsageError
from hybridpress.settings import MAX_PORT, PAGE, parse_flag, parse_page, parse_writable_file
from hybridpress.units import parse_share

LOOPBACK = "127.0.0.1"
OUTPUT_GROUP = "hybridpress.outputs"
"""The group of entry points by which packages have outputs of their own."""
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


def parse_listen(value: Any) -> tuple[str, int]:
    """Where to listen: host and port, by default on this machine alone.

    Raises:
        UsageError: it is no such place.
    """
    host, _, port = str(value).rpartition(":")
    if not port.isdecimal() or not port.isascii() or int(port) > MAX_PORT or isinstance(value, bool):
        raise UsageError(f'must be a port such as "9464", or HOST:PORT, got "{value}"')
    return host.strip("[]") or LOOPBACK, int(port)


def parse_http_url(value: Any) -> str:
    """An address over HTTP.

    Raises:
        UsageError: it is none.
    """
    url = str(value)
    try:
        parts = urlsplit(url)
        is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fine = False
    if not is_fine:
        raise UsageError(f'must be a URL such as "http://127.0.0.1:4318", got "{value}"')
    return url


def parse_influx(value: Any) -> str:
    """A URL, or a file that can be written to.

    Raises:
        UsageError: it is neither.
    """
    return parse_http_url(value) if "://" in str(value) else parse_writable_file(value)


def parse_outputs(value: Any) -> tuple[tuple[str, str], ...]:
    """Names of outputs of installed packages, each with what stands after its "=".

    Raises:
        UsageError: no package has one of this name.
    """
    from importlib.metadata import entry_points  # for who asks for one

    known = sorted({entry.name for entry in entry_points(group=OUTPUT_GROUP)})
    found = []
    for word in several(value, "the name of an output"):
        name, _, argument = word.partition("=")
        if name not in known:
            what = f"there are {', '.join(known)}" if known else f"no package has any (entry points {OUTPUT_GROUP})"
            raise UsageError(f'must be the name of an output that is installed, got "{name}"; {what}')
        found.append((name, argument))
    return tuple(found)


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
    prometheus: tuple[str, int] | None = knob(
        None,
        Knob("prometheus", parse_listen, "Serve the run's figures for Prometheus, at /metrics.", "[HOST:]PORT"),
    )
    otlp: str | None = knob(
        None, Knob("otlp", parse_http_url, "Send the run's figures to this OpenTelemetry collector, over HTTP.", "URL")
    )
    trace_sample: float = knob(
        0.0,
        Knob(
            "trace_sample",
            parse_share,
            "Share of the iterations that are followed: the server gets traceparent, --otlp their spans.",
            "SHARE",
            "none",
        ),
    )
    influx: str | None = knob(
        None,
        Knob("influx", parse_influx, "Send every second to InfluxDB, or write its lines to this file.", "URL|FILE"),
    )
    output: tuple[tuple[str, str], ...] = knob(
        (),
        Knob(
            "output",
            parse_outputs,
            'An output of an installed package, with its argument; may be repeated. See "Outputs of your own".',
            "NAME[=ARG]",
            is_repeated=True,
        ),
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
