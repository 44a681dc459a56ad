"""`--influx`: every second in InfluxDB's line protocol, posted to a server or written to a file.

A line for the run and one for each step, with counts and times of that second alone, as InfluxDB's users have it. Times
are in ms.
"""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError, URLError

from hybridpress.errors import HybridpressError
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.news import Moment
from hybridpress.report.background import Background
from hybridpress.report.safe import visible

TIMEOUT_S = 5.0
TOKEN_VARIABLE = "INFLUX_TOKEN"  # noqa: S105 (the name of the variable that has it)
_PERCENTS = {"p50_ms": 50.0, "p90_ms": 90.0, "p99_ms": 99.0, "p99.9_ms": 99.9}
_ESCAPES = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})


class Influx(Background[bytes]):
    """Sends the lines of each second to *place*, an http(s) URL or a file."""

    name = "--influx"

    def __init__(self, place: str, scenario: str) -> None:
        super().__init__()
        self._place = place
        self._scenario = scenario
        self._is_url = place.startswith(("http://", "https://"))

    def second(self, moment: Moment) -> None:
        self.put(lines_of(moment, self._scenario, time.time_ns()).encode())

    def send(self, pieces: list[bytes]) -> None:
        data = b"".join(pieces)
        if not self._is_url:
            _append(self._place, data)
            return
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if token := os.environ.get(TOKEN_VARIABLE):
            headers["Authorization"] = f"Token {token}"
        # The scheme was checked where the setting was read.
        request = urllib.request.Request(self._place, data, headers, method="POST")  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
                return
        except HTTPError as error:
            said = error.read(200).decode("utf-8", "replace")
            raise HybridpressError(f"the server answered {error.code} {error.reason}: {visible(said)}") from error
        except (URLError, OSError) as error:
            why = getattr(error, "reason", None) or error
            raise HybridpressError(f"cannot send to the server: {why}") from error


def _append(path: str, data: bytes) -> None:
    try:
        with Path(path).open("ab") as file:
            file.write(data)
    except OSError as error:
        raise HybridpressError(f'cannot write to "{path}": {error.strerror}') from error


def lines_of(moment: Moment, scenario: str, at_ns: int) -> str:
    """The lines of one second, which ended at *at_ns* of the wall clock."""
    interval = moment.interval
    fields: dict[str, int | float] = {
        "started": interval.started,
        "completed": interval.completed,
        "failed": interval.failed,
        "dropped": interval.dropped,
        "in_flight": interval.in_flight,
        "slots": moment.n_slots,
        **_times(interval.response),
    }
    if moment.target_qps is not None:
        fields["target_qps"] = float(moment.target_qps)
    tags = {"scenario": scenario}
    lines = [_line("hybridpress", tags, fields, at_ns)]
    lines += [_line("hybridpress_step", tags | {"step": name}, of_step, at_ns) for name, of_step in _steps(interval)]
    return "".join(lines)


def _steps(interval: Interval) -> list[tuple[str, dict[str, int | float]]]:
    return [
        (name, {"count": step.count, "failed": step.failed, "bytes_in": step.bytes_in, "bytes_out": step.bytes_out,
                **_times(step.times)})
        for name, step in interval.steps.items()
    ]  # fmt: skip


def _times(histogram: Histogram) -> dict[str, float]:
    found = histogram.percentiles_ns(*_PERCENTS.values())
    if found is None or histogram.mean_ns is None:
        return {}
    times = dict(zip(_PERCENTS, (ns / 1e6 for ns in found), strict=True))
    return {**times, "mean_ms": histogram.mean_ns / 1e6, "max_ms": histogram.max_ns / 1e6}


def _line(name: str, tags: Mapping[str, str], fields: Mapping[str, int | float], at_ns: int) -> str:
    tagged = "".join(f",{key}={_tag(value)}" for key, value in tags.items())
    shown = ",".join(f"{key}={value}{'i' if isinstance(value, int) else ''}" for key, value in fields.items())
    return f"{name}{tagged} {shown} {at_ns}\n"


def _tag(text: str) -> str:
    """A tag's value: none may be empty, and a backslash at its end would be taken for an escape."""
    shown = visible(text).translate(_ESCAPES)
    return f"{shown}_" if shown.endswith("\\") else shown or "-"
