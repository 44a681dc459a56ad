"""Cuts the bytes of a connection into requests, and refuses what is unlawful or too large; answers nothing itself."""

from __future__ import annotations

from collections.abc import Callable

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from hybridpress.target.message import Reply, Request, text
from hybridpress.target.routes import MAX_BODY_BYTES

MAX_HEAD_BYTES = 64 * 2**10
_MAX_FED_BYTES = 2 * MAX_BODY_BYTES  # of one request as it came, chunk framing and trailers included


class RequestReader:
    """The reading half of a connection.

    *take* is called with each request once it is whole. *go_ahead* is called when a client waits to be told
    that it may send its body.
    """

    __slots__ = (
        "_body",
        "_body_bytes",
        "_fed_bytes",
        "_go_ahead",
        "_head_bytes",
        "_headers",
        "_is_in_head",
        "_parser",
        "_refusal",
        "_take",
        "_url",
        "is_mid_request",
        "is_upgraded",
    )

    def __init__(self, take: Callable[[Request], None], go_ahead: Callable[[], None]) -> None:
        self._take = take
        self._go_ahead = go_ahead
        self._parser = HttpRequestParser(self)
        self.is_mid_request = False  # a request has begun and is not whole
        self.is_upgraded = False  # what follows may not be HTTP: feed no more
        self._refusal: Reply | None = None
        self._fed_bytes = 0  # since the last request was whole
        self._is_in_head = False
        self._head_bytes = 0
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._body_bytes = 0

    def feed(self, data: bytes) -> Reply | None:
        """Read on in *data*. The reply with which to hang up, when the client is to be refused; feed no more then."""
        self._fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self.is_upgraded = True
        except HttpParserError as error:
            return self._refusal or text(f"malformed request: {error}", 400)
        if self.is_mid_request:
            # What the parser holds back, such as a header without end, is seen from outside only.
            if self._is_in_head and self._fed_bytes > MAX_HEAD_BYTES:
                return _head_too_large()
            if self._fed_bytes > _MAX_FED_BYTES:
                return _body_too_large()
        return None

    def on_message_begin(self) -> None:
        """A request begins."""
        self.is_mid_request = self._is_in_head = True
        self._url = b""
        self._headers = []
        self._body = []
        self._head_bytes = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the URL."""
        self._url += url
        self._grow_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        self._grow_head(len(name) + len(value) + 4)
        if self._is_in_head:
            self._headers.append((name, value))

    def _grow_head(self, n_bytes: int) -> None:
        self._head_bytes += n_bytes
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_head_too_large())

    def _refuse(self, reply: Reply) -> None:
        """Stop the parser: it turns any exception into its own."""
        self._refusal = reply
        raise ValueError(reply.status)

    def on_headers_complete(self) -> None:
        """The head is whole: refuse a body too large, and let one come that waits to be asked for."""
        self._is_in_head = False
        for name, value in self._headers:
            key = name.lower()
            if key == b"content-length" and int(value) > MAX_BODY_BYTES:
                self._refuse(_body_too_large())
            if key == b"expect" and value.lower() == b"100-continue":
                self._go_ahead()

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(piece)
        if self._body_bytes > MAX_BODY_BYTES:
            self._refuse(_body_too_large())
        self._body.append(piece)

    def on_message_complete(self) -> None:
        """A request is whole."""
        self.is_mid_request = False
        parser = self._parser
        request = Request(
            parser.get_method(),
            self._url,
            self._headers,
            b"".join(self._body),
            keep_alive=parser.should_keep_alive() and not parser.should_upgrade(),
            is_http_1_0=parser.get_http_version() == "1.0",
            fed_bytes=self._fed_bytes,
        )
        self._body = []
        self._fed_bytes = 0
        self._take(request)


def _head_too_large() -> Reply:
    return text(f"the request's head is over {MAX_HEAD_BYTES} bytes", 431)


def _body_too_large() -> Reply:
    return text(f"the request's body is over {MAX_BODY_BYTES} bytes", 413)
