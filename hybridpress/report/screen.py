"""Writes to a terminal or a pipe without ever keeping its caller waiting: lines that stay, and below them a frame that
is redrawn in place. Knows nothing of what is shown.

A terminal that was stopped (Ctrl-S), a connection that hangs, a pipe that nobody reads: each of them blocks whoever
writes to it. So once a run is under way a thread of its own writes. While it is held up, only the newest frame is kept
for it, and so many lines; what is left out is counted and told. The cursor stays visible at the end of the frame and
nothing of the terminal is changed, so that not even a kill can leave it in a strange state.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence

from hybridpress.report.safe import SafeStream

MAX_WAITING_LINES = 1_000
PATIENCE_S = 0.5
"""How long the end of the thread is waited for, where somebody reads too slowly."""

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
"""Show what is in between at once. Terminals that do not know this ignore it."""
_ERASE_LINE, _ERASE_BELOW, _CLEAR = "\x1b[K", "\x1b[J", "\x1b[2J\x1b[H"


class Screen:
    """What is written to *stream*. Writes by itself until `begin`; from then to `end` a thread does."""

    def __init__(self, stream: SafeStream) -> None:
        self._stream = stream
        self._fd = _descriptor(stream)
        self._n_drawn = 0
        self._width_drawn = 0
        self._lines: deque[str] = deque()
        self._n_left_out = 0
        self._frame: Sequence[str] | None = None
        self._width = 0
        self._is_ending = False
        self._thread: threading.Thread | None = None
        self._news = threading.Condition()

    def begin(self) -> None:
        """From now on nothing waits for the stream."""
        if self._fd is not None and self._thread is None:
            self._is_ending = False
            self._thread = threading.Thread(target=self._write_all, name="screen", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Erase the frame. The thread ends, unless it is held up."""
        thread, self._thread = self._thread, None
        if thread is None:
            self._write(self._erased())
            return
        with self._news:
            self._is_ending = True
            self._news.notify()
        thread.join(PATIENCE_S)
        self._frame = None

    def say(self, line: str) -> None:
        """A line that stays."""
        if self._thread is None:
            self._write(self._update([line], self._shown(), self._width))
            return
        with self._news:
            self._lines.append(line)
            if len(self._lines) > MAX_WAITING_LINES:
                self._lines.popleft()
                self._n_left_out += 1
            self._news.notify()

    def show(self, frame: Sequence[str], width: int) -> None:
        """Redraw the frame, whose lines are at most *width* cells wide, below all lines that stay."""
        with self._news:
            self._frame, self._width = frame, width
            self._news.notify()
        if self._thread is None:
            self._write(self._update([], frame, width))

    def _shown(self) -> Sequence[str]:
        return self._frame or ()

    def _write_all(self) -> None:
        """The thread."""
        last: Sequence[str] | None = None
        while True:
            with self._news:
                while not self._lines and self._frame is last and not self._is_ending:
                    self._news.wait()
                lines, n_left_out = [*self._lines], self._n_left_out
                self._lines.clear()
                self._n_left_out = 0
                last, width, is_ending = self._frame, self._width, self._is_ending
            if n_left_out:
                lines.insert(0, f"({n_left_out:,} lines are left out here: nobody read them)")
            text = self._update(lines, () if is_ending else last or (), width)
            if not self._write(text) or is_ending:
                return

    def _update(self, lines: Sequence[str], frame: Sequence[str], width: int) -> str:
        """What takes the screen from what it shows to *lines* with *frame* below."""
        if not frame and not self._n_drawn:
            return "".join(f"{line}\n" for line in lines)
        if frame and self._n_drawn and width != self._width_drawn:
            # Some terminals wrap the old lines anew and some do not, so that nobody knows where the frame begins.
            top, self._n_drawn = _CLEAR, 0
        else:
            top = self._to_top()
        said = "".join(f"{line}{_ERASE_LINE}\r\n" for line in lines)
        shown = f"{_ERASE_LINE}\r\n".join(frame)
        self._n_drawn, self._width_drawn = len(frame), width
        return f"{_BEGIN}{top}{said}{shown}{_ERASE_BELOW}{_END}"

    def _to_top(self) -> str:
        return "\r" + (f"\x1b[{self._n_drawn - 1}A" if self._n_drawn > 1 else "")

    def _erased(self) -> str:
        text = self._to_top() + _ERASE_BELOW if self._n_drawn else ""
        self._n_drawn, self._frame = 0, None
        return text

    def _write(self, text: str) -> bool:
        """Write it all, however long that takes. Whether there is somebody to write to."""
        if self._fd is None:
            self._stream.write(text)
            self._stream.flush()
            return True
        # By its descriptor: the locks of Python's own streams would hold up others as well.
        data = text.encode(self._stream.encoding, "replace")
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            return False
        return True


def _descriptor(stream: SafeStream) -> int | None:
    """The descriptor of a real file; None: it is only written to by its methods."""
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None
