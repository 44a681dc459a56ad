"""The floor: bare protocols on uvloop, each with one future a request, which look at nothing of the reply.

What a Python press() over an asyncio protocol cannot be faster than. Paced, one timerfd sends what is due, at most
every 170 µs, over a connection at rest. Prints what it counted.
"""

import asyncio
import json
import os
import time
from urllib.parse import urlsplit

import numpy as np
import uvloop

from hybridpress.worker.timer import open_timer

ADDRESS = urlsplit(os.environ["PEER_URL"])
HOST, PORT = ADDRESS.hostname or "", ADDRESS.port or 80
CONNECTIONS = int(os.environ["PEER_CONNECTIONS"])
SECONDS = float(os.environ["PEER_SECONDS"])
RATE_PER_S = float(os.environ["PEER_RATE"])
REQUEST = f"GET {ADDRESS.path} HTTP/1.1\r\nHost: {ADDRESS.netloc}\r\nAccept: */*\r\n\r\n".encode()
WAKE_GAP_NS = 170_000

now_ns = time.monotonic_ns


class Closed(asyncio.Protocol):
    """Asks again as soon as its reply is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = transport.write  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.reply.set_result(None)

    async def ask(self, times_ns: list[int], until_ns: int) -> None:
        create_future, write, note = asyncio.get_running_loop().create_future, self.write, times_ns.append
        start_ns = now_ns()
        while start_ns < until_ns:
            reply = self.reply = create_future()
            write(REQUEST)
            await reply
            end_ns = now_ns()
            note(end_ns - start_ns)
            start_ns = end_ns


class Paced(Closed):
    """Waits among the idle ones until it is sent."""

    def __init__(self, idle: "list[Paced]", times_ns: list[int]) -> None:
        self.idle = idle
        self.times_ns = times_ns
        self.due_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.idle.append(self)

    def data_received(self, data: bytes) -> None:
        self.times_ns.append(now_ns() - self.due_ns)
        self.idle.append(self)


async def closed(times_ns: list[int]) -> int:
    loop = asyncio.get_running_loop()
    connections = [(await loop.create_connection(Closed, HOST, PORT))[1] for _ in range(CONNECTIONS)]
    begun_ns = now_ns()
    until_ns = begun_ns + int(SECONDS * 1e9)
    await asyncio.gather(*(connection.ask(times_ns, until_ns) for connection in connections))
    return now_ns() - begun_ns


async def paced(times_ns: list[int]) -> int:
    loop = asyncio.get_running_loop()
    idle: list[Paced] = []
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Paced(idle, times_ns), HOST, PORT)
    n_planned, gap_ns = int(SECONDS * RATE_PER_S), 1e9 / RATE_PER_S
    begun_ns = now_ns()
    n_sent = 0

    def wake() -> None:
        nonlocal n_sent
        now = now_ns()
        while n_sent < n_planned and idle and (due_ns := begun_ns + int(n_sent * gap_ns)) <= now:
            connection = idle.pop()
            connection.due_ns = due_ns
            connection.write(REQUEST)
            n_sent += 1
        timer.arm(max(begun_ns + int(n_sent * gap_ns), now + WAKE_GAP_NS))

    timer = open_timer(loop, wake)
    wake()
    while len(times_ns) < n_planned:
        await asyncio.sleep(0.01)
    timer.close()
    return now_ns() - begun_ns


async def main() -> None:
    times_ns: list[int] = []
    length_s = await (paced if RATE_PER_S else closed)(times_ns) / 1e9
    p50_ms, p99_ms = np.percentile(times_ns, [50, 99]) / 1e6
    print(json.dumps({"requests": len(times_ns), "errors": 0, "seconds": length_s, "p50_ms": p50_ms, "p99_ms": p99_ms}))


if __name__ == "__main__":
    uvloop.run(main())
