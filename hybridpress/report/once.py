"""What `--once` prints: each exchange as it went over the wire, then how the one iteration ended.

Satisfies `hybridpress.clients.trace.Observer` by its shape; knows HTTP/1 just enough to tell a head from a body.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import IO, Any

from hybridpress.config.secrets import MASK
from hybridpress.metrics.interval import CheckCounts
from hybridpress.report.safe import SafeStream, cut, visible, visible_lines
from hybridpress.units import format_count, format_ms

MAX_BODY_BYTES = 4_096
"""How much of a body is shown."""
MAX_VALUE_CHARACTERS = 2_000
"""How much of a word, of what press() returned, or of an error is shown."""

_BOLD, _DIM, _RED, _GREEN = "1", "2", "31", "32"
_REQUEST_LINE = re.compile(rb"[!-~]+ \S+ HTTP/\d")
_CREDENTIALS = re.compile(r"^(?P<head>(?:Proxy-)?Authorization: *(?:[A-Za-z]+ +)?)\S.*", re.IGNORECASE)
"""What is printed may be shown to others."""
_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class OncePrinter:
    """Prints exchanges and the outcome to *out* (stdout), in colour on a terminal unless NO_COLOR is set."""

    def __init__(self, *, out: IO[str] | None = None, force_terminal: bool | None = None) -> None:
        self._out = SafeStream(sys.stdout if out is None else out)
        is_terminal = self._out.isatty() if force_terminal is None else force_terminal
        self._has_colour = is_terminal and not os.environ.get("NO_COLOR")

    def heading(self, words: str) -> None:
        """What follows is about this part of a mix."""
        self._line(f"— {visible(words)} —", _BOLD)

    def exchange(self, name: str, request: bytes, reply: bytes, duration_ns: int, error: BaseException | None) -> None:
        """One exchange, as it went over the wire."""
        self._line(f"{visible(name)}  {format_ms(duration_ns / 1e6)}", _BOLD)
        self._message("> ", request)
        self._message("< ", reply)
        if error is not None:
            self._line(f"{type(error).__name__}: {visible(cut(str(error), MAX_VALUE_CHARACTERS))}", _RED)
        self._line("")
        self._out.flush()

    def outcome(
        self,
        word: Any,
        returned: Any,
        checks: Mapping[str, CheckCounts],
        errors: Iterable[tuple[str, str, str]],
        duration_ns: int,
        times: Mapping[str, int] | None = None,
    ) -> None:
        """How the iteration ended: *errors* are (kind, message, example); *times* of its steps in ns.

        It failed when there is an error or a check that did not hold.
        """
        errors = list(errors)
        self._line(f"word      {_shown(word)}")
        self._line(f"returned  {_shown(returned)}")
        for name, counts in checks.items():
            self._check(name, counts)
        for kind, message, example in errors:
            self._error(kind, message, example)
        for name, part_ns in (times or {}).items():
            self._line(f"{visible(name)}  {format_ms(part_ns / 1e6)}", _DIM)
        has_failed = bool(errors) or any(counts.failed for counts in checks.values())
        word_for_it, style = ("failed", _RED) if has_failed else ("completed", _GREEN)
        self._line(f"iteration {word_for_it} in {format_ms(duration_ns / 1e6)}", style)
        self._out.flush()

    def _check(self, name: str, counts: CheckCounts) -> None:
        mark, style = ("✗", _RED) if counts.failed else ("✓", _GREEN)
        n_times = counts.passed + counts.failed
        held = "" if n_times == 1 else f"  {format_count(counts.passed)} of {format_count(n_times)}"
        self._line(f"{mark} {visible(name)}{held}", style)

    def _error(self, kind: str, message: str, example: str) -> None:
        self._line(f"{visible(kind)}: {visible(cut(message, MAX_VALUE_CHARACTERS))}", _RED)
        if example not in (message, f"{kind}: {message}"):
            for line in visible_lines(cut(example, MAX_VALUE_CHARACTERS)):
                self._line(f"  {line}")

    def _message(self, prefix: str, data: bytes) -> None:
        """A request or a reply; what is not HTTP/1 is all body."""
        head, body = _head_and_body(data)
        fields = head.decode("latin-1").split("\r\n") if head else []
        for field in fields:
            self._line(prefix + visible(_CREDENTIALS.sub(rf"\g<head>{MASK}", field)), _DIM)
        if fields and body:
            self._line(prefix.rstrip(), _DIM)
        for line in _body_lines(body, _value(fields, "content-type"), _value(fields, "content-encoding")):
            self._line(prefix + line)

    def _line(self, text: str, style: str = "") -> None:
        text = text.rstrip()
        self._out.write(f"\x1b[{style}m{text}\x1b[0m\n" if style and self._has_colour and text else f"{text}\n")


def _head_and_body(data: bytes) -> tuple[bytes, bytes]:
    if data.startswith(b"HTTP/1") or _REQUEST_LINE.match(data):
        head, _, body = data.partition(b"\r\n\r\n")
        return head, body
    return b"", data


def _value(fields: list[str], name: str) -> str:
    """The value of the header field *name*, in lower case; "" where there is none."""
    for field in fields[1:]:
        found, _, value = field.partition(":")
        if found.strip().lower() == name:
            return value.strip().lower()
    return ""


def _body_lines(body: bytes, content_type: str, encoding: str) -> list[str]:
    if not body:
        return []
    kind = content_type.partition(";")[0].strip()
    text = None if encoding not in ("", "identity") else _text_of(body[:MAX_BODY_BYTES], content_type)
    if text is None:
        of = " of " + visible(", ".join(filter(None, (kind, encoding)))) if kind or encoding else ""
        return [f"({format_count(len(body))} byte{'s' if len(body) != 1 else ''}{of})"]
    if len(body) > MAX_BODY_BYTES:
        return [*visible_lines(text), f"… cut here, {format_count(len(body) - MAX_BODY_BYTES)} bytes more"]
    if kind.endswith("json") or text.lstrip()[:1] in ("{", "["):
        text = _indented(text)
    return visible_lines(text)


def _text_of(beginning: bytes, content_type: str) -> str | None:
    """The text of a body's beginning, whose last character may be cut in two; None when it is not text."""
    charset = re.search(r"charset=\"?([\w.:-]+)", content_type)
    try:
        text: object = codecs.getincrementaldecoder(charset[1] if charset else "utf-8")().decode(beginning)
    except (LookupError, ValueError):
        return None
    # Python also has codecs from bytes to bytes, and a server may name one.
    return text if isinstance(text, str) and not _BINARY.search(text) else None


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _shown(value: Any) -> str:
    try:
        return visible(cut(repr(value), MAX_VALUE_CHARACTERS))
    except Exception as error:  # noqa: BLE001  # repr() is the scenario's own code here
        return f"({type(value).__name__}, whose repr() raised {type(error).__name__})"
