"""How a run goes and went, for a person: progress on stderr, the summary on stdout.

On a terminal two lines at the bottom are redrawn when there is news, about once a second; elsewhere each second is
a line of its own. Without a clock and without a thread: all it knows of time is the number of the interval.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from hybridpress.config import RunConfig
from hybridpress.metrics.news import Moment
from hybridpress.metrics.result import EventResult, Result
from hybridpress.report.output import Output
from hybridpress.report.safe import SafeStream, cut, visible
from hybridpress.units import format_count, format_duration, format_ms

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

PIPED_WIDTH = 80
MAX_WIDTH = 100
"""Wider than this, a table is harder to read, not easier."""
MAX_TEXT_CHARACTERS = 1_000
SHORT_END_S = 0.05
"""A last second shorter than this says nothing of the rate."""


class Terminal(Output):
    """Tells a run to whoever sits before the terminal. `close` is always called, and leaves the terminal as it was."""

    def __init__(
        self,
        config: RunConfig,
        *,
        stream: IO[str] | None = None,
        out: IO[str] | None = None,
        force_terminal: bool | None = None,
    ) -> None:
        self._config = config
        self._stream = SafeStream(sys.stderr if stream is None else stream)
        self._out = SafeStream(sys.stdout if out is None else out)
        self._stream_is_terminal = _is_terminal(self._stream, force_terminal)
        self._out_is_terminal = _is_terminal(self._out, force_terminal)
        self._live: Live | None = None
        self._is_draining = False

    def starting(self, text: str) -> None:
        """Something that takes a while begins before the load: "loading the word table"."""
        self._tell(f"{text} …")

    def started(self) -> None:
        """The load begins."""
        host = f" against {self._config.shown_host}" if self._config.host else ""
        self._tell(f"{self._config.scenario}{host}: {load_in_words(self._config)}")

    def second(self, moment: Moment) -> None:
        """A second has passed."""
        if self._config.quiet:
            return
        now = Now.of(self._config, moment, is_draining=self._is_draining)
        if self._stream_is_terminal:
            self._draw(now)
        else:
            self._tell(f"{now.elapsed_s:>5,d}s  {now.status()}")

    def event(self, event: EventResult) -> None:
        """Something that happens seldom: a worker was lost, the run was interrupted."""
        self._tell(f"{event.at_s:>5,.0f}s  {event.text}")

    def draining(self, in_flight: int) -> None:
        """No iteration is started any more; *in_flight* are waited for."""
        self._is_draining = True
        if in_flight:
            self._tell(f"draining: waiting for {format_count(in_flight)} iterations in flight")

    def finished(self, result: Result) -> None:
        """The summary."""
        self._stop_drawing()
        if self._config.quiet:
            return
        self._out.write(summary_text(result, self._out, is_terminal=self._out_is_terminal))
        self._out.flush()

    def close(self) -> None:
        """Leave the terminal sane. May be called at any time, and more than once."""
        self._stop_drawing()
        self._stream.flush()
        self._out.flush()

    def _tell(self, text: str) -> None:
        """A line that stays."""
        if self._config.quiet:
            return
        line = cut(visible(text), MAX_TEXT_CHARACTERS)
        if self._live is None:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        else:
            from rich.text import Text

            self._live.console.print(Text(line))

    def _draw(self, now: Now) -> None:
        if self._live is None:
            from rich.live import Live

            # Nothing is redirected and no thread redraws: the parent of worker processes keeps to itself.
            self._live = Live(
                console=_console(self._stream, is_terminal=True),
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        self._live.update(_live_lines(now), refresh=True)

    def _stop_drawing(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()


def _is_terminal(stream: SafeStream, force: bool | None) -> bool:
    if force is not None:
        return force
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def load_in_words(config: RunConfig) -> str:
    """What load is made: "5,000/s over 64 slots in 2 processes for 10s"."""
    if config.profile is None:
        rate = "unpaced" if config.slot_profile is None else f"unpaced, slots {config.slot_profile.describe()}"
    else:
        rate = config.profile.describe() if config.qps is None or config.stages else f"{format_count(config.qps)}/s"
    if config.arrivals == "poisson":
        rate += " at random"
    slots = f"{_counted(config.concurrent, 'slot')} in {_counted(config.processes, 'process', 'processes')}"
    if config.iterations is not None:
        return f"{rate} over {slots} for {_counted(config.iterations, 'iteration')}"
    if config.duration_s is None:
        return f"{rate} over {slots} until all words are used"
    return f"{rate} over {slots} for {format_duration(config.duration_s)}"


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{format_count(count)} {one if count == 1 else many or one + 's'}"


@dataclass(frozen=True, slots=True)
class Now:
    """A second of the run in the numbers that are shown."""

    elapsed_s: int
    """Seconds of the run at the interval's end."""
    share: float | None
    """How much of the run is done, 0 to 1; None when that cannot be known."""
    left_s: float | None
    qps: float | None
    """Iterations started a second; None when the load is over."""
    target_qps: float | None
    in_flight: int
    concurrent: int
    p50_ms: float | None
    p99_ms: float | None
    failed: int
    """Failed so far, as are the dropped."""
    dropped: int

    @classmethod
    def of(cls, config: RunConfig, moment: Moment, *, is_draining: bool) -> Now:
        """What *moment* says. A last second that is cut short counts with its own length."""
        interval, total = moment.interval, moment.total
        elapsed_s = interval.index + 1
        seconds = 1.0 if config.duration_s is None else min(1.0, config.duration_s - interval.index)
        is_over = seconds < SHORT_END_S or (is_draining and not interval.started)
        share, left_s = _progress(config, elapsed_s, total.started)
        found = interval.response.percentiles_ns(50, 99)
        p50_ms, p99_ms = (None, None) if found is None else (ns / 1e6 for ns in found)
        return cls(
            elapsed_s=elapsed_s,
            share=1.0 if is_over else share,
            left_s=0.0 if is_over else left_s,
            qps=None if is_over else interval.started / seconds,
            target_qps=moment.target_qps,
            in_flight=interval.in_flight,
            concurrent=moment.n_slots,
            p50_ms=p50_ms,
            p99_ms=p99_ms,
            failed=total.failed,
            dropped=total.dropped,
        )

    def status(self) -> str:
        """The numbers in one line."""
        asked = "" if self.target_qps is None else f" of {format_count(round(self.target_qps, 1))}/s"
        parts = [
            "draining" if self.qps is None else f"{format_count(round(self.qps, 1))}/s{asked}",
            f"in flight {format_count(self.in_flight)}/{format_count(self.concurrent)}",
            f"p50 {format_ms(self.p50_ms)}",
            f"p99 {format_ms(self.p99_ms)}",
            f"failed {format_count(self.failed)}",
        ]
        if self.dropped:
            parts.append(f"dropped {format_count(self.dropped)}")
        return "  ".join(parts)


def _progress(config: RunConfig, elapsed_s: int, n_started: int) -> tuple[float | None, float | None]:
    """How much of the run is done, and how many seconds are left: by iterations where they end it, else by time."""
    if config.iterations is not None:
        n_left = max(config.iterations - n_started, 0)
        rate = config.qps or n_started / elapsed_s
        return min(n_started / config.iterations, 1.0), n_left / rate if rate else None
    if config.duration_s is None:
        return None, None
    return min(elapsed_s / config.duration_s, 1.0), max(config.duration_s - elapsed_s, 0.0)


def _live_lines(now: Now) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    top = Table.grid(padding=(0, 2, 0, 0))
    bar = ProgressBar(total=1.0, completed=now.share or 0.0, width=40)
    left = "" if now.left_s is None else f"{format_duration(round(now.left_s))} left" if now.left_s else "draining"
    top.add_row(bar, Text(format_duration(now.elapsed_s)), Text(left, "dim"))
    status = Text(now.status(), no_wrap=True, overflow="ellipsis")
    if now.failed:
        status.highlight_words([f"failed {format_count(now.failed)}"], "red")
    return Group(top, status)


def _console(stream: SafeStream, *, is_terminal: bool, width: int | None = None) -> Console:
    from rich.console import Console

    return Console(
        file=stream,  # type: ignore[arg-type]  # all that rich asks of a file
        force_terminal=is_terminal,
        width=width,
        color_system="auto" if is_terminal else None,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
    )


def summary_text(result: Result, out: SafeStream, *, is_terminal: bool) -> str:
    """The summary as *out* shows it: with colours and as wide as a terminal is, or plain and 80 columns wide."""
    from hybridpress.report.summary import blocks

    console = _console(out, is_terminal=is_terminal, width=None if is_terminal else PIPED_WIDTH)
    if is_terminal:
        console.width = min(console.width, MAX_WIDTH)
    with console.capture() as captured:
        for block in blocks(result):
            console.print(block)
    return "\n" + "\n".join(line.rstrip() for line in captured.get().split("\n"))
