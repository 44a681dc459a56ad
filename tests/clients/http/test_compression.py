"""Bodies that were packed, and how far they are unpacked."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.clients.http.compression import decompressed
from hybridpress.clients.http.response import Headers
from hybridpress.errors import BodyTooLargeError, ClientError, ProtocolError
from tests.clients.http.scripted import Remembering, client_of, in_turn, run, serving


def bare(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def coding(name: str) -> Headers:
    return Headers((("Content-Encoding", name),))


@given(st.binary(max_size=500))
def test_unpacking_undoes_packing(body: bytes) -> None:
    """gzip, deflate as the RFC means it and as some send it, and one after the other."""
    for name, packed in [
        ("gzip", gzip.compress(body, mtime=0)),
        ("X-GZip", gzip.compress(body, mtime=0)),
        ("deflate", zlib.compress(body)),
        ("gzip, deflate", zlib.compress(gzip.compress(body, mtime=0))),
        ("identity", body),
        ("gzip", gzip.compress(body, mtime=0) + gzip.compress(b"more", mtime=0)),
    ]:
        expected = body + b"more" if packed.endswith(gzip.compress(b"more", mtime=0)) else body
        assert decompressed(packed, coding(name), 1000) == expected


def test_deflate_without_its_wrapper() -> None:
    """Some servers send deflate bare; it is told by its first bytes."""
    assert decompressed(bare(b"hello " * 50), coding("deflate"), 1000) == b"hello " * 50


def test_a_bomb_does_not_go_off() -> None:
    """Unpacking stops at the limit of bodies."""
    zeros = b"0" * 10_000_000
    for name, packed in [("gzip", gzip.compress(zeros)), ("deflate", zlib.compress(zeros))]:
        with pytest.raises(BodyTooLargeError):
            decompressed(packed, coding(name), 100_000)
    assert len(decompressed(gzip.compress(b"0" * 1000, mtime=0), coding("gzip"), 1000)) == 1000


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("gzip", b"no gzip"),
        # mtime=0: the name of a test must not tell the time, or two processes of one test run disagree about it
        ("gzip", gzip.compress(b"x", mtime=0)[:-3]),
        ("br", b"x"),
    ],
)
def test_what_is_not_packed_as_it_says(name: str, packed: bytes) -> None:
    """Broken, cut off or of an unknown coding: the server's mistake."""
    with pytest.raises(ProtocolError):
        decompressed(packed, coding(name), 1000)


def test_only_who_asks_is_sent_packed_bodies() -> None:
    """`decompress=True` asks and unpacks; without it nothing is asked for, and a body stays as it was sent."""
    packed = gzip.compress(b"hello", mtime=0)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: "
    good = head + b"%d\r\n\r\n" % len(packed) + packed
    bad = head + b"3\r\n\r\nbad"

    async def test() -> None:
        trace = Remembering()
        async with serving(in_turn(good, good, bad)) as server, client_of(server.url, trace) as http:
            assert (await http.get("/", decompress=True)).body == b"hello"
            assert (await http.get("/")).body == packed
            with pytest.raises(ClientError, match="no gzip"):
                await http.get("/", decompress=True)
            assert [b"Accept-Encoding: gzip, deflate" in request for request in server.requests] == [True, False, True]
            assert trace.outcomes == {"GET /": (2, 1)}

    run(test())
