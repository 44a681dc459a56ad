"""Server-sent events from the bytes of a body. Knows no connection. The format: WHATWG HTML, 9.2."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import Final

_LINE_END: Final = re.compile(r"\r\n|\n|\r(?!\Z)")
"""A CR at the very end may be half of a CRLF: it is looked at with what follows."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `id` is that of the last event that had one."""

    data: str
    event: str = "message"
    id: str = ""
    retry_ms: int | None = None


class EventReader:
    """Takes a body in pieces, gives the events that are whole."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._text = ""
        self._data: list[str] = []
        self._event = ""
        self._id = ""
        self._retry_ms: int | None = None

    def feed(self, piece: bytes) -> list[Event]:
        """The events that *piece* completes."""
        text = self._text + self._decoder.decode(piece)
        events = []
        start = 0
        for found in _LINE_END.finditer(text):
            event = self._line(text[start : found.start()])
            start = found.end()
            if event is not None:
                events.append(event)
        self._text = text[start:]
        return events

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self._retry_ms = int(value)
        return None  # a comment, or a field that nobody knows

    def _dispatch(self) -> Event | None:
        data, event = self._data, self._event
        self._data, self._event = [], ""
        if not data:
            return None
        return Event("\n".join(data), event or "message", self._id, self._retry_ms)
