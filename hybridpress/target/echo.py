"""The target's TCP and UDP sides: what comes is sent back; lines and datagrams are counted."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from hybridpress.target import counters

ECHOES: Final = {"tcp": "(TCP line)", "udp": "(UDP datagram)"}
"""What each side counts, where HTTP has paths."""
ECHOED: Final = 200


class TcpEcho(asyncio.Protocol):
    """One connection; it is not read while its client does not."""

    _transport: asyncio.Transport

    def __init__(self, counts: memoryview[int], slot: int) -> None:
        self._counts = counts
        self._slot = slot

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._counts[counters.ACCEPTED] += 1
        self._counts[counters.OPEN] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._counts[counters.OPEN] -= 1

    def data_received(self, data: bytes) -> None:
        self._counts[counters.BYTES_IN] += len(data)
        self._counts[counters.BYTES_OUT] += len(data)
        self._counts[self._slot] += data.count(b"\n")
        self._transport.write(data)

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()


class UdpEcho(asyncio.DatagramProtocol):
    """One socket. A datagram that begins with "lose" is counted, and not sent back."""

    _transport: asyncio.DatagramTransport

    def __init__(self, counts: memoryview[int], slot: int) -> None:
        self._counts = counts
        self._slot = slot

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str | Any, int]) -> None:
        self._counts[counters.BYTES_IN] += len(data)
        self._counts[self._slot] += 1
        if not data.startswith(b"lose"):
            self._counts[counters.BYTES_OUT] += len(data)
            self._transport.sendto(data, address)
