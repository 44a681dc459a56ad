"""The bytes of a request: head and body, checked before anything is sent. No sockets here."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from hybridpress.errors import RequestError

Body = bytes | bytearray | memoryview | str | Mapping[str, object] | Iterable[bytes] | AsyncIterable[bytes]
Chunks = Iterable[bytes] | AsyncIterable[bytes]
Fields = dict[str, tuple[str, str]]  # headers by their names in lower case: the name as written, the value


class _Unset:
    """Not given, where None is a value."""


UNSET: Final = _Unset()

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NEVER_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_METHOD = re.compile(r"[A-Z][A-Z-]*")
_OURS = {"content-length": "the length of its body", "transfer-encoding": "whether its body is an iterable"}


def checked_header(name: str, value: object) -> str:
    """*value* as text that may be sent under *name*.

    Raises:
        RequestError: the name is no token, the value has a line break, or the client itself sets this header.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise RequestError(f"header name {name!r} is not lawful")
    if name.lower() in _OURS:
        raise RequestError(f"header {name} follows from the request itself, from {_OURS[name.lower()]}")
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    if _NEVER_IN_VALUE.search(text):
        raise RequestError(f"header {name} has a line break or control character in its value: {text!r}")
    return text.strip(" \t")


def checked_method(method: str) -> str:
    """*method* in capitals; raises RequestError if it is none."""
    upper = method.upper()
    if not _METHOD.fullmatch(upper) or upper == "CONNECT":
        raise RequestError(f"HTTP method must be a word such as GET, got {method!r}")
    return upper


def checked(headers: Mapping[str, object]) -> Fields:
    """*headers*, ready to be sent; raises RequestError for those that are not lawful."""
    return {str(name).lower(): (name, checked_header(name, value)) for name, value in headers.items()}


def header_lines(fields: Fields) -> bytes:
    """*fields* as sent: each with its CR LF. Latin-1 where that can hold the value, else UTF-8."""
    text = "".join([f"{name}: {value}\r\n" for name, value in fields.values()])
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def asks_to_close(fields: Fields) -> bool:
    """Whether a request with these headers is the last of its connection."""
    return "connection" in fields and "close" in fields["connection"][1].lower()


def basic_auth(user: str, password: str) -> str:
    """The value of the Authorization header."""
    if ":" in user:
        raise RequestError(f"user name of basic auth cannot hold a colon: {user!r}")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def encode_body(data: Body) -> tuple[bytes | None, Chunks | None, bytes]:
    """*data* as whole bytes or as chunks still to come, and the Content-Type that fits (b"" if nobody knows).

    Raises:
        RequestError: *data* is nothing that can be a body.
    """
    if isinstance(data, bytes):
        return data, None, b""
    if isinstance(data, bytearray | memoryview):
        return bytes(data), None, b""
    if isinstance(data, str):
        return data.encode(), None, b"text/plain; charset=utf-8"
    if isinstance(data, Mapping):
        return urlencode(data, doseq=True).encode(), None, b"application/x-www-form-urlencoded"
    if isinstance(data, Iterable):
        return None, data, b""
    if isinstance(data, AsyncIterable):
        return None, data, b""
    raise RequestError(f"data must be bytes, str, a mapping or an iterable of bytes, got {type(data).__name__}")


def encode_json(value: Any) -> bytes:
    """*value* as JSON; raises RequestError if it has none."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise RequestError(f"json cannot be encoded: {error}") from None


def encode_chunk(chunk: bytes) -> bytes:
    """One chunk of a chunked body as sent. *chunk* is not empty, for an empty one would end the body."""
    return b"%x\r\n%b\r\n" % (len(chunk), chunk)


LAST_CHUNK = b"0\r\n\r\n"
