"""What came back: the reply's head, its headers, and the `Response` a scenario reads. No sockets here.

Heads are shared: a server's replies to one URL mostly have the same head, byte for byte, for as long as its Date
stands still, so a `Head` is parsed once and only when somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

import orjson

from hybridpress.hot import HeadBase, ResponseBase

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Headers(Mapping[str, str]):
    """Headers of a reply: names in any case, in the order they came, a name perhaps more than once."""

    __slots__ = ("_by_name", "pairs")

    def __init__(self, pairs: tuple[tuple[str, str], ...]) -> None:
        self.pairs = pairs
        self._by_name: dict[str, list[str]] = {}
        for name, value in pairs:
            self._by_name.setdefault(name.lower(), []).append(value)

    def __getitem__(self, name: str) -> str:
        """The first value of *name*."""
        return self._by_name[name.lower()][0]

    def getall(self, name: str) -> list[str]:
        """All values of *name*, in order; none is an empty list."""
        return list(self._by_name.get(name.lower(), ()))

    def tokens(self, name: str) -> list[str]:
        """The comma-separated words of all values of *name*, in lower case."""
        values = ",".join(self._by_name.get(name, ()))
        return [word.strip().lower() for word in values.split(",") if word.strip()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)

    def __repr__(self) -> str:
        return f"<Headers {', '.join(f'{name}: {value}' for name, value in self.pairs)}>"


class Head(HeadBase):
    """The head of a reply: its raw bytes, and what they mean."""

    __slots__ = ("_headers",)

    def __init__(self, raw: bytes, status: int) -> None:
        self.raw = raw
        self.status = status
        self.head_bytes = len(raw)
        self.reply_bytes = -1  # of head and body together; −1 if the head alone does not tell
        self._headers: Headers | None = None

    @property
    def headers(self) -> Headers:
        if self._headers is None:
            lines = self.raw.decode("latin-1").split("\r\n")[1:]
            split = (line.partition(":") for line in lines if line)
            self._headers = Headers(tuple((name, value.strip(" \t")) for name, _, value in split))
        return self._headers

    @property
    def http_version(self) -> str:
        return self.raw[5:8].decode("latin-1")

    @property
    def reason(self) -> str:
        line = self.raw[: self.raw.find(b"\r\n")].decode("latin-1")
        return line[13:].strip()

    def keeps_alive(self) -> bool:
        """Whether the connection stays open after this reply, by its version and Connection header."""
        words = self.headers.tokens("connection")
        return "close" not in words and (self.http_version != "1.0" or "keep-alive" in words)

    def ends_with_connection(self) -> bool:
        """Whether the body goes on until the server closes: no length given and not chunked."""
        coding = self.headers.tokens("transfer-encoding")
        return coding[-1] != "chunked" if coding else "content-length" not in self.headers


UNKNOWN: Final = Head(b"", 0)  # begins no reply


class Asked(Protocol):
    """What a response knows of its request."""

    @property
    def name(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...


class Response(ResponseBase):
    """The server's reply. Light: headers, text and JSON are worked out when asked for.

    `body` is what the server sent, its chunks joined; it is decompressed only if the request asked for that with
    `decompress=True`.
    """

    __slots__ = ()

    # Filled by who makes it: a call of __init__ costs a hundredth of an exchange.
    status: int
    body: bytes
    elapsed_ns: int  # from the request, connecting included, to the last byte of the reply
    _head: Head
    _asked: Asked

    @property
    def reason(self) -> str:
        """The words after the status, such as "Not Found"; may be empty."""
        return self._head.reason

    @property
    def headers(self) -> Headers:
        return self._head.headers

    @property
    def raw_head(self) -> bytes:
        """The head as it came, its empty line included."""
        return self._head.raw

    @property
    def http_version(self) -> str:
        """Of the reply: "1.1" or "1.0"."""
        return self._head.http_version

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def name(self) -> str:
        """The step this exchange was counted as."""
        return self._asked.name

    @property
    def method(self) -> str:
        return self._asked.method

    @property
    def url(self) -> str:
        """The whole URL that was asked for; after redirects, the last one."""
        return self._asked.url

    @property
    def location(self) -> str | None:
        """Where a redirect leads, as the server wrote it; None if the reply is no redirect."""
        return self.headers.get("location") if self.status in _REDIRECTS else None

    @property
    def elapsed_s(self) -> float:
        """`elapsed_ns` in seconds."""
        return self.elapsed_ns / 1e9

    def text(self) -> str:
        """The body as text, by the charset of Content-Type, else UTF-8; what cannot be decoded shows as �."""
        charset = "utf-8"
        for part in self.headers.get("content-type", "").split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "charset":
                charset = value.strip().strip("\"'")
        try:
            return self.body.decode(charset, "replace")
        except (LookupError, ValueError):  # it is none, or one that has no replacement for what it cannot decode
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            orjson.JSONDecodeError: (a ValueError) it is none.
        """
        return orjson.loads(self.body)

    def __repr__(self) -> str:
        return f"<Response [{self.status}] {self.name} {len(self.body)} bytes>"

    def __reduce__(self) -> tuple[Any, ...]:
        asked = (self.name, self.method, self.url)
        return _restored, (self._head.raw, self.status, self.body, asked, self.elapsed_ns)


class _Remembered:
    """What is left of a request in a response that came from another process."""

    __slots__ = ("method", "name", "url")

    def __init__(self, name: str, method: str, url: str) -> None:
        self.name = name
        self.method = method
        self.url = url


def _restored(raw: bytes, status: int, body: bytes, asked: tuple[str, str, str], elapsed_ns: int) -> Response:
    response = Response()
    response._head = Head(raw, status)  # noqa: SLF001  # made here, as in an exchange
    response._asked = _Remembered(*asked)  # noqa: SLF001  # as above
    response.status = status
    response.body = body
    response.elapsed_ns = elapsed_ns
    return response
