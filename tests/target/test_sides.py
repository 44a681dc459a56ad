"""The target's other ports: what they send back, and what they count."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest

from hybridpress.errors import RunError
from hybridpress.target import Target
from hybridpress.target.server import serve
from hybridpress.target.websocket import framed, unmasked

HANDSHAKE = (
    b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MASK = b"\x01\x02\x03\x04"


@pytest.fixture(scope="module")
def speaking() -> Iterator[Target]:
    """A target with an echo on each kind of port."""
    with Target(sides=["tcp", "udp", "websocket"]) as target:
        yield target


def connected(target: Target, side: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", target.ports[side]), timeout=5)


def read(end: socket.socket, n_bytes: int) -> bytes:
    data = b""
    while len(data) < n_bytes and (piece := end.recv(n_bytes - len(data))):
        data += piece
    return data


def test_tcp(speaking: Target) -> None:
    """Lines are counted, whatever their pieces."""
    speaking.reset()
    with connected(speaking, "tcp") as end:
        for piece in (b"one\ntw", b"o\nthree"):
            end.sendall(piece)
            assert read(end, len(piece)) == piece
    assert speaking.stats()["paths"] == {"(TCP line)": {"200": 2}}


def test_udp(speaking: Target) -> None:
    """Datagrams are counted, those too that are lost on purpose."""
    speaking.reset()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.settimeout(5)
        end.connect(("127.0.0.1", speaking.ports["udp"]))
        for datagram in (b"lose this", b"keep this"):
            end.send(datagram)
        assert end.recv(100) == b"keep this"
    counted = speaking.stats()
    assert counted["paths"] == {"(UDP datagram)": {"200": 2}}
    assert counted["bytes"] == {"in": 18, "out": 9}


def masked(first: int, payload: bytes) -> bytes:
    """A frame as clients send it."""
    head = framed(first, payload)
    head = head[: len(head) - len(payload)]
    return bytes((head[0], head[1] | 0x80)) + head[2:] + MASK + unmasked(payload, MASK)


def test_websocket(speaking: Target) -> None:
    """Messages of any length come back, whole or in parts; pings are answered; closing is agreed to."""
    speaking.reset()
    with connected(speaking, "websocket") as end:
        end.sendall(HANDSHAKE)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += end.recv(1)
        assert answer.startswith(b"HTTP/1.1 101 ")
        assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer  # RFC 6455, 1.3
        for n_bytes in (0, 125, 126, 65_535, 65_536):
            payload = bytes(range(256)) * (n_bytes // 256) + b"x" * (n_bytes % 256)
            end.sendall(masked(0x82, payload))
            expected = framed(0x82, payload)
            assert read(end, len(expected)) == expected
        frames = [(0x01, b"par"), (0x80, b"ts"), (0x89, b"ping")]
        end.sendall(b"".join(masked(first, payload) for first, payload in frames))
        expected = framed(0x01, b"par") + framed(0x80, b"ts") + framed(0x8A, b"ping")
        assert read(end, len(expected)) == expected
        end.sendall(masked(0x88, struct.pack("!H", 4000)))
        assert read(end, 100) == framed(0x88, struct.pack("!H", 4000))
    assert speaking.stats()["paths"] == {"(WebSocket message)": {"200": 6}, "(WebSocket handshake)": {"101": 1}}


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
        (HANDSHAKE + framed(0x81, b"not masked"), framed(0x88, struct.pack("!H", 1002))),
        (HANDSHAKE + b"\x82\xff" + b"\x7f" * 8, framed(0x88, struct.pack("!H", 1009))),
    ],
)
def test_what_is_no_websocket(speaking: Target, sent: bytes, answer: bytes) -> None:
    """It is refused, and the connection ends."""
    with connected(speaking, "websocket") as end:
        end.sendall(sent)
        assert answer in read(end, 1_000)


def test_a_port_that_is_taken() -> None:
    """The message names the option of that port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=f"cannot listen on 127.0.0.1:{port}: .*; choose another with --tcp-port"):
            serve("127.0.0.1", 0, 1, lambda _: None, sides={"tcp": port})
