"""How a run goes and went, for a person: progress on stderr, the summary on stdout.

On a terminal a view of the whole run is redrawn four times a second; elsewhere, and where colours are not wanted, each
second is a line of its own. Without a clock: all it knows of time is what it is told.
"""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING

from hybridpress.config import RunConfig
from hybridpress.metrics.news import Moment, Status
from hybridpress.metrics.result import EventResult, Result
from hybridpress.report.output import Obey, Output
from hybridpress.report.progress import Now, load_in_words
from hybridpress.report.safe import SafeStream, cut, visible
from hybridpress.report.screen import Screen
from hybridpress.units import format_count

if TYPE_CHECKING:
    from rich.console import Console

    from hybridpress.report.summary import Size
    from hybridpress.report.view import View

PIPED_WIDTH = 80
MAX_WIDTH = 100
"""Wider than this, a table of the summary is harder to read, not easier."""
PROMPT_ROWS = 2
"""Rows of the terminal that the summary leaves to the shell."""
MAX_TEXT_CHARACTERS = 1_000
USUAL_SIZE = 80, 24


class Terminal(Output):
    """Tells a run to whoever sits before the terminal. `close` is always called, and leaves the terminal as it was."""

    name = "the terminal"

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
        self._is_live = not config.no_color and _has_colours(self._stream, force_terminal)
        self._out_is_coloured = not config.no_color and _has_colours(self._out, force_terminal)
        self._screen = Screen(self._stream)
        self._view: View | None = None
        self._has_begun = False
        self._is_draining = False

    def starting(self, text: str) -> None:
        """Something that takes a while begins before the load: "loading the word table"."""
        self._say(f"{text} …")

    async def open(self, obey: Obey) -> None:
        if not self._config.quiet:
            self._screen.begin()

    def started(self) -> None:
        """The load begins."""
        host = f" against {self._config.shown_host}" if self._config.host else ""
        self._say(f"{self._config.scenario}{host}: {load_in_words(self._config)}")
        self._has_begun = True

    def second(self, moment: Moment) -> None:
        """A second has passed."""
        if self._config.quiet:
            return
        if self._is_live:
            self._seen().second(moment)
        else:
            self._say(Now.of(self._config, moment, is_draining=self._is_draining).line())

    def tick(self, status: Status) -> None:
        """Redraw."""
        if self._is_live and self._has_begun and not self._config.quiet:
            self._seen().tick(status)
            self._draw()

    def event(self, event: EventResult) -> None:
        """Something that happens seldom: a worker was lost, the run was interrupted."""
        if self._view is not None:
            self._view.event(event)
        self._say(f"{event.at_s:>5,.0f}s  {event.text}")

    def draining(self, in_flight: int) -> None:
        """No iteration is started any more; *in_flight* are waited for."""
        self._is_draining = True
        if self._view is not None:
            self._view.draining()
        if in_flight:
            self._say(f"draining: waiting for {format_count(in_flight)} iterations in flight")

    def finished(self, result: Result) -> None:
        """The summary."""
        self._end()
        if self._config.quiet:
            return
        self._out.write(summary_text(result, self._out, is_terminal=self._out_is_coloured))
        self._out.flush()

    def close(self) -> None:
        """Leave the terminal sane. May be called at any time, and more than once."""
        self._end()
        self._out.flush()

    def _say(self, text: str) -> None:
        """A line that stays."""
        if not self._config.quiet:
            self._screen.say(cut(visible(text), MAX_TEXT_CHARACTERS))

    def _seen(self) -> View:
        if self._view is None:
            from hybridpress.report.view import View

            self._view = View(self._config, has_keys=_has_keys())
            if self._is_draining:
                self._view.draining()
        return self._view

    def _draw(self) -> None:
        columns, rows = self._size()
        # The last row stays free for the cursor's next line; the last column, because some terminals wrap there.
        self._screen.show(self._seen().lines(columns - 1, rows - 1), columns)

    def _size(self) -> tuple[int, int]:
        """Columns and rows of the terminal, as they are now."""
        try:
            columns, rows = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError, AttributeError):
            columns, rows = 0, 0
        return columns or USUAL_SIZE[0], rows or USUAL_SIZE[1]

    def _end(self) -> None:
        self._screen.end()
        self._stream.flush()


def _has_colours(stream: SafeStream, force: bool | None = None) -> bool:
    """Whether *stream* is a terminal on which colours are welcome."""
    if os.environ.get("NO_COLOR"):
        return False
    if force is not None:
        return force
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def _has_keys() -> bool:
    """Whether there is a keyboard to hear."""
    try:
        return sys.stdin.isatty()
    except (ValueError, AttributeError):
        return False


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


def write_summary(result: Result, out: IO[str]) -> None:
    """The summary of a result that was read from a file."""
    stream = SafeStream(out)
    stream.write(summary_text(result, stream, is_terminal=_has_colours(stream)))
    stream.flush()


def summary_text(result: Result, out: SafeStream, *, is_terminal: bool) -> str:
    """The summary as *out* shows it: with colours, as wide as a terminal and no longer than its screen, as far as what
    may be left out goes; or plain, whole, and 80 columns wide.
    """
    from hybridpress.report.summary import SIZES

    console = _console(out, is_terminal=is_terminal, width=None if is_terminal else PIPED_WIDTH)
    n_rows = console.height - PROMPT_ROWS
    if is_terminal:
        console.width = min(console.width, MAX_WIDTH)
    text = ""
    for size in SIZES if is_terminal else SIZES[:1]:
        text = _printed(console, result, size)
        if text.count("\n") <= n_rows:
            break
    return text


def _printed(console: Console, result: Result, size: Size) -> str:
    from hybridpress.report.summary import blocks

    with console.capture() as captured:
        for block in blocks(result, size):
            console.print(block)
    return "\n" + "\n".join(line.rstrip() for line in captured.get().split("\n"))
