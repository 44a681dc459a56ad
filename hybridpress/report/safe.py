"""Text that came from a server or a scenario, made fit for a terminal. Knows nothing of what the text means.

Control characters move cursors, clear screens and set colours; marks of direction make a line read backwards; a lone
surrogate cannot be written at all. Each is shown as its number instead.
"""

from __future__ import annotations

import re
from typing import IO

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)


def visible(text: str) -> str:
    """*text* in one line, each unsafe character as its number: ESC becomes "x1b" after a backslash."""
    return _UNSAFE.sub(_number, text)


def _number(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def visible_lines(text: str) -> list[str]:
    """The lines of *text*, each visible; tabs become spaces."""
    return [visible(line.expandtabs(4)) for line in text.replace("\r\n", "\n").split("\n")]


def writable(text: str) -> str:
    """*text* with each lone surrogate, which no file can hold, as its number."""
    return text.encode("utf-8", "backslashreplace").decode()


def cut(text: str, n_characters: int) -> str:
    """*text*, or its beginning with an ellipsis, in at most *n_characters*."""
    return text if len(text) <= n_characters else text[: n_characters - 1] + "…"


class SafeStream:
    """A stream of text that never breaks a run: what it cannot encode becomes "?", and once closed it stays silent."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._is_broken = False

    @property
    def encoding(self) -> str:
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether a person watches. A closed stream is nobody's."""
        try:
            return self._stream.isatty()
        except (ValueError, AttributeError):
            return False

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        if self._is_broken:
            return len(text)
        try:
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                self._stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
        except (OSError, ValueError):
            # The reader has gone (a closed pipe), or the stream was closed. The run and its files matter more.
            self._is_broken = True
        return len(text)

    def flush(self) -> None:
        if self._is_broken:
            return
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._is_broken = True
