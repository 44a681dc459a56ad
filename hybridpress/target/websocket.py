"""The target's WebSocket side: any path becomes a WebSocket, which sends back each message. RFC 6455.

Messages are counted as "(WebSocket message)", handshakes that are none as refused.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from typing import Final, cast

from hybridpress.target import counters
from hybridpress.target.counters import Counters

MESSAGE: Final = "(WebSocket message)"
HANDSHAKE: Final = "(WebSocket handshake)"
MAX_HEAD_BYTES: Final = 16_384
MAX_FRAME_BYTES: Final = 64 * 2**20
ANSWERS: Final = ((MESSAGE, 200), (HANDSHAKE, 101), (HANDSHAKE, 400))
_KEY: Final = re.compile(rb"\r\nsec-websocket-key:\s*([^\r]+?)\s*\r\n", re.IGNORECASE)
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE, _PING, _PONG = 8, 9, 10


class WebSocketSite:
    """Where the connections of one process count."""

    def __init__(self, all_counters: Counters, counts: memoryview[int]) -> None:
        self.counts = counts
        self.message_slot = all_counters.slots(MESSAGE)[200]
        self.handshake_slots = all_counters.slots(HANDSHAKE)


class WebSocketEcho(asyncio.Protocol):
    """The server's end of one connection."""

    _transport: asyncio.Transport

    def __init__(self, site: WebSocketSite) -> None:
        self._site = site
        self._counts = site.counts
        self._slot = site.message_slot
        self._buffer = b""
        self._is_open = False  # the handshake is done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._write = self._transport.write
        self._counts[counters.ACCEPTED] += 1
        self._counts[counters.OPEN] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._counts[counters.OPEN] -= 1

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._counts[counters.BYTES_IN] += len(data)
        if self._buffer:
            data = self._buffer + data
        if not self._is_open:
            data = self._shake_hands(data)
        answers: list[bytes] = []
        while self._is_open and (n_used := self._frame(data, answers)):
            data = data[n_used:]
        self._buffer = data
        if answers:
            answer = b"".join(answers)
            self._counts[counters.BYTES_OUT] += len(answer)
            self._write(answer)

    def _shake_hands(self, data: bytes) -> bytes:
        """Answer the handshake if it is whole; what follows it."""
        head, ended, rest = data.partition(b"\r\n\r\n")
        if not ended and len(data) < MAX_HEAD_BYTES:
            return data
        key = _KEY.search(head + b"\r\n")
        slots = self._site.handshake_slots
        if key is None or not head.startswith(b"GET "):
            self._counts[slots[400]] += 1
            self._write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self._transport.close()
            return b""
        self._counts[slots[101]] += 1
        accept = base64.b64encode(hashlib.sha1(key[1] + _GUID, usedforsecurity=False).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
        self._counts[counters.BYTES_OUT] += len(head)
        self._write(head)
        self._is_open = True
        return rest

    def _frame(self, data: bytes, answers: list[bytes]) -> int:
        """Answer the first frame in *data*; how many bytes it took, 0 if it is not whole."""
        if len(data) < 2:
            return 0
        first, n_payload = data[0], data[1] & 0x7F
        at = 2
        if n_payload >= 126:
            at = 4 if n_payload == 126 else 10
            n_payload = int.from_bytes(data[2:at])
        if not data[1] & 0x80 or n_payload > MAX_FRAME_BYTES:
            self._end(1002 if n_payload <= MAX_FRAME_BYTES else 1009)  # clients mask
            return 0
        end = at + 4 + n_payload
        if len(data) < end:
            return 0
        payload = unmasked(data[at + 4 : end], data[at : at + 4])
        opcode = first & 0x0F
        if opcode == _CLOSE:
            self._write(b"".join(answers))
            answers.clear()
            self._end(int.from_bytes(payload[:2]) or 1000)
            return 0
        if opcode == _PING:
            answers.append(framed(0x80 | _PONG, payload))
        elif opcode != _PONG:
            if first & 0x80:
                self._counts[self._slot] += 1
            answers.append(framed(first, payload))
        return end

    def _end(self, code: int) -> None:
        """Say *code*, and close."""
        self._is_open = False
        self._write(framed(0x80 | _CLOSE, code.to_bytes(2)))
        self._transport.close()


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """*payload* with *mask* taken off, or put on."""
    n_bytes = len(payload)
    masks = (mask * (n_bytes // 4 + 1))[:n_bytes]
    return (int.from_bytes(payload) ^ int.from_bytes(masks)).to_bytes(n_bytes)


def framed(first: int, payload: bytes) -> bytes:
    """A frame as servers send it: without a mask."""
    n_bytes = len(payload)
    if n_bytes < 126:
        return bytes((first, n_bytes)) + payload
    if n_bytes < 1 << 16:
        return bytes((first, 126)) + n_bytes.to_bytes(2) + payload
    return bytes((first, 127)) + n_bytes.to_bytes(8) + payload
