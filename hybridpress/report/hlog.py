"""The times of each second as HdrHistogram's own interval log, for its tools and others that read it.

Version 1.3 of the log, with histograms in the compressed form V2 (http://hdrhistogram.github.io/HdrHistogram/JavaDoc,
HistogramLogWriter; the places are numbered as ours are). Values are in µs. Lines without a tag are of response times;
`Tag=service` and `Tag=lateness` are the other two, `Tag=step:NAME` a step's, its name encoded as in a URL.
"""

from __future__ import annotations

import base64
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import numpy as np

from hybridpress.errors import HybridpressError
from hybridpress.metrics import varint
from hybridpress.metrics.histogram import HIGHEST_NS, Histogram
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.news import Moment
from hybridpress.metrics.result import Result
from hybridpress.report.output import Output

_V2 = 0x1C849303 | 0x10
_V2_COMPRESSED = 0x1C849304 | 0x10
_N_DIGITS = 3
_HIGHEST_US = HIGHEST_NS // 1_000
_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


class HdrLog(Output):
    """Writes a line a second to a file, and one more for each other kind of time and each step of that second.

    A thread writes, so that a disk that is slow holds nobody up.
    """

    name = "--hlog"

    def __init__(self, path: str) -> None:
        self._path = path
        self._writer = ThreadPoolExecutor(1, "hlog")
        self._written: Future[None] | None = None

    def started(self) -> None:
        self._write(head_of(time.time()), "w")

    def second(self, moment: Moment) -> None:
        self._write("".join(f"{line}\n" for line in lines_of(moment.interval)))

    def finished(self, result: Result) -> None:
        self._see()

    def close(self) -> None:
        self._writer.shutdown()

    def _write(self, text: str, mode: str = "a") -> None:
        if self._written is not None and self._written.done():
            self._see()
        self._written = self._writer.submit(self._append, text, mode)

    def _append(self, text: str, mode: str) -> None:
        with Path(self._path).open(mode, encoding="utf-8") as file:
            file.write(text)

    def _see(self) -> None:
        """Wait for the last line.

        Raises:
            HybridpressError: it could not be written; the message names the file and says why.
        """
        try:
            if self._written is not None:
                self._written.result()
        except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
            why = getattr(error, "strerror", None) or error
            raise HybridpressError(f'cannot write the log of histograms to "{self._path}": {why}') from error


def head_of(started_at_s: float) -> str:
    """The beginning of a log; the times of its lines count from *started_at_s*, seconds since 1970."""
    at = time.strftime("%a %b %d %H:%M:%S UTC %Y", time.gmtime(started_at_s))
    return (
        "#[Histogram log format version 1.3]\n"
        "#[Values are times in microseconds; Interval_Max is in milliseconds]\n"
        f"#[StartTime: {started_at_s:.3f} (seconds since epoch), {at}]\n"
        f"#[BaseTime: {started_at_s:.3f} (seconds since epoch)]\n"
        f"{_LEGEND}\n"
    )


def lines_of(interval: Interval) -> Iterator[str]:
    """The lines of one second. Of what did not happen in it there is none, but for the response times."""
    yield _line(interval.index, "", interval.response)
    for tag, times in (("service", interval.service), ("lateness", interval.lateness)):
        if times.count:
            yield _line(interval.index, tag, times)
    for name, step in sorted(interval.steps.items()):
        yield _line(interval.index, f"step:{quote(name, errors='backslashreplace')}", step.times)


def _line(index: int, tag: str, times: Histogram) -> str:
    start = f"Tag={tag}," if tag else ""
    return f"{start}{index:.3f},1.000,{times.max_ns / 1e6:.3f},{compressed(times)}"


def compressed(times: Histogram) -> str:
    """*times* in the compressed form V2, as base64."""
    counts = varint.pack(_zigzag(_with_gaps(*times.places())))
    head = struct.pack(">IIIIQQd", _V2, len(counts), 0, _N_DIGITS, 1, _HIGHEST_US, 1.0)
    payload = zlib.compress(head + counts)
    return base64.b64encode(struct.pack(">II", _V2_COMPRESSED, len(payload)) + payload).decode()


def _with_gaps(places: varint.Numbers, counts: varint.Numbers) -> varint.Numbers:
    """The counts in the order of their places; -n where n of them are empty, and 0 for a single one."""
    gaps = np.diff(places, prepend=-1) - 1
    told = np.stack([np.where(gaps > 1, -gaps, 0), counts], axis=1)
    is_there = np.stack([gaps > 0, np.ones(len(gaps), dtype=bool)], axis=1)
    found: varint.Numbers = told[is_there]
    return found


def _zigzag(numbers: varint.Numbers) -> varint.Numbers:
    return (numbers << 1) ^ (numbers >> 63)
