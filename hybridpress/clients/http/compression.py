"""gzip and deflate bodies, opened no further than a limit. Brotli and zstd are left to `self.session`."""

from __future__ import annotations

import re
import zlib

from hybridpress.clients.http.response import Headers
from hybridpress.errors import BodyTooLargeError, ProtocolError

ACCEPTED = "gzip, deflate"
MAX_CODINGS = 5
MAX_MEMBERS = 10_000
"""A gzip body may be many, one after another. An empty one takes 20 bytes, and opening it 40 KiB and some µs."""
_PIECE_BYTES = 64 * 1024
_PADDING = re.compile(rb"\0*")


def decompressed(body: bytes, headers: Headers, max_body_bytes: int) -> bytes:
    """*body* without the codings that Content-Encoding names.

    Raises:
        ProtocolError: the coding is unknown, or the body is not what it says.
        BodyTooLargeError: more than *max_body_bytes* would come out.
    """
    if not body:
        return body
    codings = headers.tokens("content-encoding")
    if len(codings) > MAX_CODINGS:
        raise ProtocolError("the reply has too many codings", f"{len(codings)}, one over the other")
    for coding in reversed(codings):
        if coding in {"gzip", "x-gzip"}:
            body = _inflated(body, 16 + zlib.MAX_WBITS, coding, max_body_bytes)
        elif coding == "deflate":  # RFC 9110 means zlib, some servers send it bare
            bare = body[0] & 0x0F != 8 or int.from_bytes(body[:2], "big") % 31 != 0
            body = _inflated(body, -zlib.MAX_WBITS if bare else zlib.MAX_WBITS, coding, max_body_bytes)
        elif coding != "identity":
            raise ProtocolError(f'the reply has the coding "{coding}", which was not asked for')
    return body


def _inflated(body: bytes, window_bits: int, coding: str, max_body_bytes: int) -> bytes:
    parts: list[bytes] = []
    left = max_body_bytes
    at = n_members = 0
    try:
        while at < len(body):
            n_members += 1
            if n_members > MAX_MEMBERS:
                raise ProtocolError(f"the reply's body is {coding} in over {MAX_MEMBERS:,} members")
            member = zlib.decompressobj(window_bits)
            while not member.eof:
                # What stands behind a member is copied each time: so not all of it at once.
                piece = body[at : at + _PIECE_BYTES]
                if not piece:
                    raise ProtocolError(f"the reply's body is not whole as {coding}")
                part = member.decompress(piece, left + 1)
                at += len(piece) - len(member.unconsumed_tail) - len(member.unused_data)
                left -= len(part)
                if left < 0:
                    raise BodyTooLargeError("the reply's body is over the limit", f"{max_body_bytes:,} bytes, unpacked")
                parts.append(part)
            at += len(_PADDING.match(body, at)[0])  # type: ignore[index]  # it always matches
    except zlib.error as error:
        raise ProtocolError(f"the reply's body is no {coding}", str(error)) from None
    return b"".join(parts)
