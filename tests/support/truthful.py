"""A server whose answer to each request is known beforehand: when it is to be sent, and what it is.

`TruthfulServer(model)` runs it in a process of its own. A model is asked once for each request, in the order of their
arrival, when to answer; the server answers then, to a tenth of a millisecond, and keeps what it did for the test.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import uvloop

from hybridpress.clock import now_ns
from hybridpress.target.timer import Deadlines

_MS = 1_000_000
_START_WITHIN_S = 20.0


class Answer(NamedTuple):
    """When to answer, on the monotonic clock; with which status; whether to say that nothing more will be sent."""

    at_ns: int
    status: int = 200
    half_close: bool = False


Model = Callable[[int, int], Answer]
"""From the number of a request, from 0, and its arrival in ns."""


def fixed(ms: float) -> Model:
    """Each after so long."""
    return lambda _, now: Answer(now + int(ms * _MS))


def two_points(fast_ms: float, slow_ms: float, n_slow: int, of: int) -> Model:
    """Of every *of* requests the first *n_slow* are slow."""
    return lambda k, now: Answer(now + int((slow_ms if k % of < n_slow else fast_ms) * _MS))


def rising(from_ms: float, to_ms: float, over: int) -> Model:
    """From one to the other over so many requests."""
    return lambda k, now: Answer(now + int((from_ms + (to_ms - from_ms) * k / over) * _MS))


def errors(ms: float, every: int) -> Model:
    """Each after so long; one of so many with a status of 500."""
    return lambda k, now: Answer(now + int(ms * _MS), 500 if k % every == every - 1 else 200)


def half_closed(ms: float, every: int) -> Model:
    """Each after so long; after one of so many nothing more is sent on its connection, which stays open."""
    return lambda k, now: Answer(now + int(ms * _MS), half_close=k % every == every - 1)


def frozen(ms: float, after_s: float, for_s: float) -> Model:
    """Each after so long, but from *after_s* after the first one the whole process stands still for *for_s*."""

    def freeze() -> None:
        time.sleep(for_s)

    def answer(k: int, now: int) -> Answer:
        if k == 0:
            asyncio.get_running_loop().call_later(after_s, freeze)
        return Answer(now + int(ms * _MS))

    return answer


def queues(service: str, mean_ms: float, n: int, seed: int) -> Model:
    """*n* servers side by side, each with a queue of its own. Whose a request is, is drawn, and how long it is served:
    "M", exponentially, or "D", always the same.
    """
    draws = lots(service, n, seed)
    free_ns = [0] * n

    def answer(_: int, now: int) -> Answer:
        server, factor = next(draws)
        free_ns[server] = max(free_ns[server], now) + int(factor * mean_ms * _MS)
        return Answer(free_ns[server])

    return answer


def lots(service: str, n: int, seed: int) -> Iterator[tuple[int, float]]:
    """Of each request in turn: which of *n* servers it is for, and how many mean times its service takes."""
    draw = random.Random(seed)
    while True:
        yield draw.randrange(n), draw.expovariate(1.0) if service == "M" else 1.0


MODELS: dict[str, Callable[..., Model]] = {
    make.__name__: make for make in (fixed, two_points, rising, errors, half_closed, frozen, queues)
}


class _Connection(asyncio.Protocol):
    def __init__(self, server: _Server) -> None:
        self._server = server
        self._transport: Any = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = now_ns()
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            _, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            self._server.asked(now, self._answer)

    def eof_received(self) -> bool:
        return False

    def _answer(self, answer: Answer) -> None:
        if self._transport.is_closing():
            return
        reason = b"200 OK" if answer.status == 200 else b"500 Internal Server Error"
        self._transport.write(b"HTTP/1.1 " + reason + b"\r\nContent-Length: 2\r\n\r\nok")
        if answer.half_close:
            self._transport.write_eof()


class _Server:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._deadlines = Deadlines(asyncio.get_running_loop())
        self.seen: list[tuple[int, int, int]] = []
        """Of each request that was answered: its arrival, when the answer was due, and when it was sent."""
        self.n_asked = 0

    def asked(self, now: int, send: Callable[[Answer], None]) -> None:
        answer = self._model(self.n_asked, now)
        self.n_asked += 1

        def reply() -> None:
            self.seen.append((now, answer.at_ns, now_ns()))
            send(answer)

        self._deadlines.call_at(answer.at_ns, reply)


async def _serve(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Answer until the end; what was seen."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_signal_handler(signal.SIGTERM, ended.set_result, None)
    server = _Server(MODELS[name](**arguments))
    listening = await loop.create_server(lambda: _Connection(server), "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await ended
    listening.close()
    return {"n_asked": server.n_asked, "seen": server.seen}


class TruthfulServer:
    """The server as a context; once it is left, what it saw."""

    def __init__(self, folder: Path, name: str, **arguments: Any) -> None:
        self._log = folder / f"{name}-{random.randrange(10**9)}.json"
        self._arguments = [name, json.dumps(arguments), str(self._log)]
        self.url = ""
        self.n_asked = 0
        self.late_ms: list[float] = []
        """How much later than due each answer was sent, ascending: the machine's doing."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.truthful", *self._arguments],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdout is not None
        self._process.terminate()
        try:
            self._process.wait(_START_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        if kind is None:
            found = json.loads(self._log.read_text())
            self.n_asked = found["n_asked"]
            self.late_ms = sorted((sent - due) / _MS for _, due, sent in found["seen"])


if __name__ == "__main__":
    seen = uvloop.run(_serve(sys.argv[1], json.loads(sys.argv[2])))
    Path(sys.argv[3]).write_text(json.dumps(seen))
