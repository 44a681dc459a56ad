"""One HTTP request and one HTTP reply as values, and the bytes of a reply's head; knows no sockets and no paths."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import orjson

TEXT = b"text/plain; charset=utf-8"
JSON = b"application/json"
BINARY = b"application/octet-stream"


class Request:
    """One whole request, as a route sees it. Header names keep the case they came in.

    *fed_bytes* is how many bytes came since the request before: its own, unless requests were pipelined.
    """

    __slots__ = ("body", "fed_bytes", "headers", "is_http_1_0", "keep_alive", "method", "path", "query")

    def __init__(
        self,
        method: bytes,
        url: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        *,
        keep_alive: bool = True,
        is_http_1_0: bool = False,
        fed_bytes: int = 0,
    ) -> None:
        self.method = method
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive
        self.is_http_1_0 = is_http_1_0
        self.fed_bytes = fed_bytes
        if not url.startswith(b"/"):
            url = _without_origin(url)
        self.path, _, self.query = url.partition(b"?")

    def header(self, name: bytes) -> bytes | None:
        """The value of the first header called *name* (given in lower case), or None."""
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None


def _without_origin(url: bytes) -> bytes:
    """`http://host:80/path` as `/path`: the form that a proxy's client sends."""
    scheme, separator, rest = url.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return url
    slash = rest.find(b"/")
    return rest[slash:] if slash >= 0 else b"/"


class Fate(enum.Enum):
    """What becomes of the connection after the reply."""

    KEEP = "kept, when the client wants that"
    CLOSE = "closed when all is sent"
    RESET = "reset, without any reply"


@dataclass(slots=True)
class Reply:
    """What a route answers.

    *headers* are further header lines, each with its CRLF. *stream*, when given, yields the body instead of
    *body*; *length* is then its size, or None for a chunked reply. *is_pure* says that the same request bytes
    always get this very reply, so that it may be kept. *after* is called once the reply is on its way.
    """

    status: int = 200
    body: bytes = b""
    content_type: bytes = TEXT
    headers: bytes = b""
    stream: Iterator[bytes] | None = None
    length: int | None = None
    wait_ns: int = 0
    fate: Fate = Fate.KEEP
    is_pure: bool = True
    after: Callable[[], None] | None = None


def text(message: str, status: int = 200, headers: bytes = b"") -> Reply:
    """A reply of one line of text."""
    return Reply(status, message.encode() + b"\n", headers=headers)


def json(value: object, status: int = 200, headers: bytes = b"") -> Reply:
    """A reply of *value* as JSON."""
    return Reply(status, orjson.dumps(value), JSON, headers)


class BadRequestError(Exception):
    """The request cannot be answered; `str()` says why, *status* is the reply's."""

    def __init__(self, message: str, status: int = 400, headers: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        super().__init__(message)

    def reply(self) -> Reply:
        """The same as a reply."""
        return text(str(self), self.status, self.headers)


def _status_lines() -> dict[int, bytes]:
    phrases = {status.value: status.phrase for status in HTTPStatus}
    return {code: f"HTTP/1.1 {code} {phrases.get(code, 'Unknown')}\r\n".encode() for code in range(200, 600)}


STATUS_LINES = _status_lines()
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BODILESS = frozenset((204, 304))


def encode(reply: Reply, request: Request, *, keep_alive: bool) -> bytes:
    """The reply's head and, unless it streams or may not have one, its body.

    There is no Date and no Server header: the answer is known to the byte. A client of HTTP/1.0 is told
    that its connection is kept, a client of HTTP/1.1 that it is not.
    """
    status = reply.status
    parts = [STATUS_LINES[status]]
    is_bodiless = status in _BODILESS
    if not is_bodiless:
        parts += (b"Content-Type: ", reply.content_type, b"\r\n")
        if reply.stream is None:
            parts.append(b"Content-Length: %d\r\n" % len(reply.body))
        elif reply.length is not None:
            parts.append(b"Content-Length: %d\r\n" % reply.length)
        elif not request.is_http_1_0:
            parts.append(b"Transfer-Encoding: chunked\r\n")
    if reply.headers:
        parts.append(reply.headers)
    if not keep_alive:
        parts.append(b"Connection: close\r\n")
    elif request.is_http_1_0:
        parts.append(b"Connection: keep-alive\r\n")
    parts.append(b"\r\n")
    if request.method != b"HEAD" and not is_bodiless:
        parts.append(reply.body)
    return b"".join(parts)


def framed(stream: Iterator[bytes]) -> Iterator[bytes]:
    """*stream* in the framing of `Transfer-Encoding: chunked`, its end included."""
    for piece in stream:
        if piece:  # an empty chunk would be the end
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
