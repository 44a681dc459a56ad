"""gzip and deflate bodies, opened no further than a limit. Brotli and zstd are left to `self.session`."""

from __future__ import annotations

import zlib

from hybridpress.clients.http.response import Headers
from hybridpress.errors import BodyTooLargeError, ProtocolError

ACCEPTED = "gzip, deflate"


def decompressed(body: bytes, headers: Headers, max_body_bytes: int) -> bytes:
    """*body* without the codings that Content-Encoding names.

    Raises:
        ProtocolError: the coding is unknown, or the body is not what it says.
        BodyTooLargeError: more than *max_body_bytes* would come out.
    """
    if not body:
        return body
    for coding in reversed(headers.tokens("content-encoding")):
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
    try:
        while body:  # gzip may be many members, one after another
            member = zlib.decompressobj(window_bits)
            part = member.decompress(body, left + 1)
            left -= len(part)
            if left < 0:
                raise BodyTooLargeError("the reply's body is over the limit", f"{max_body_bytes:,} bytes, unpacked")
            parts.append(part)
            if not member.eof:
                raise ProtocolError(f"the reply's body is not whole as {coding}")
            body = member.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise ProtocolError(f"the reply's body is no {coding}", str(error)) from None
    return b"".join(parts)
