"""Server-sent events from the bytes of a body. Knows no connection. The format: WHATWG HTML, 9.2."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

from hybridpress.errors import BodyTooLargeError

_LINE_END: Final = re.compile(r"\r\n|\n|\r(?!\Z)")
"""A CR at the very end may be half of a CRLF: it is looked at with what follows."""
_LINE_BYTES: Final = 8
_MAX_RETRY_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `id` is that of the last event that had one."""

    data: str
    event: str = "message"
    id: str = ""
    retry_ms: int | None = None


class EventReader:
    """Takes a body in pieces, gives the events that are whole. None may be over *max_bytes*, about."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._begun: list[str] = []  # of the line that is not whole yet
        self._n_begun = 0
        self._data: list[str] = []
        self._n_data = 0  # what stands there, and some more for each line
        self._event = ""
        self._id = ""
        self._retry_ms: int | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """The events that *piece* completes.

        Raises:
            BodyTooLargeError: an event is longer than may be.
        """
        text = self._decoder.decode(piece)
        if self._begun and self._begun[-1].endswith("\r"):
            held = self._begun.pop()
            self._n_begun -= len(held)
            text = held + text
        events = []
        start = 0
        for found in _LINE_END.finditer(text):
            line = text[start : found.start()]
            if self._begun:
                line = "".join([*self._begun, line])
                self._begun, self._n_begun = [], 0
            start = found.end()
            event = self._line(line)
            if event is not None:
                events.append(event)
        if start < len(text):
            self._begun.append(text[start:])
            self._n_begun += len(text) - start
        if self._n_begun + self._n_data > self._max_bytes:
            raise BodyTooLargeError("an event of the reply is over the limit", f"{self._max_bytes:,} bytes")
        return events

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._n_data += len(value) + _LINE_BYTES
        elif field == "event":
            self._event = value
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit() and len(value) <= _MAX_RETRY_DIGITS:
            self._retry_ms = int(value)
        return None  # a comment, or a field that nobody knows

    def _dispatch(self) -> Event | None:
        data, event = self._data, self._event
        self._data, self._event, self._n_data = [], "", 0
        if not data:
            return None
        return Event("\n".join(data), event or "message", self._id, self._retry_ms)
