"""A server of so many places with a fixed service time, whose limit is therefore known: places / service time.

Who finds all places taken waits for the first that comes free. It is worked out, not slept through, so that the limit
does not depend on how exact timers are.

    python -m tests.support.places PLACES SERVICE_MS

It prints its port, and serves until its input ends.
"""

from __future__ import annotations

import asyncio
import heapq
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import uvloop

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Places(asyncio.Protocol):
    """One connection; `free_s` says when each place of the server comes free."""

    free_s: list[float]
    service_s: float

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            end_s = max(self._loop.time(), heapq.heappop(self.free_s)) + self.service_s
            heapq.heappush(self.free_s, end_s)
            self._loop.call_at(end_s, self._reply)

    def _reply(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(REPLY)


async def serve(places: int, service_s: float) -> None:
    loop = asyncio.get_running_loop()
    Places.free_s, Places.service_s = [0.0] * places, service_s
    server = await loop.create_server(Places, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextmanager
def server(places: int, service_ms: float) -> Iterator[str]:
    """Such a server, in a process of its own; its URL."""
    args = [sys.executable, "-m", "tests.support.places", str(places), str(service_ms)]
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            process.wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1e3))
