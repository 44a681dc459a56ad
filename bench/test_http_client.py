"""What an exchange costs the client: its own code alone, and with the kernel's part against wrk.

Alone: a transport that answers by itself, so that only Python runs: the loop, the future and the coroutine (about
1 µs of it), and our code. Against wrk: CPU time per request of the whole process, user and system, 64 connections to an
nginx on core 0, the client on core 1, in turns.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop
from harness import ROUNDS_UNDER_PYTEST, Bench, Measured, main, measure

from hybridpress.clients.http import HttpClient, HttpEngine, HttpSettings, Response
from hybridpress.clients.trace import Untraced

N_SLOTS = 16
N_REQUESTS = 16_000
N_CONNECTIONS = 64
PRESS_S = 3.0
PRESS_S_UNDER_PYTEST = 0.3

Ask = Callable[[HttpClient], Awaitable[Response]]


def _reply(second: int) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 06:45:%02d GMT\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 128\r\nConnection: keep-alive\r\n\r\n" % second
    ) + b"x" * 128


class Answering:
    """A transport that answers whatever is written, in the next turn of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, replies: Iterator[bytes]) -> None:
        self.received: Callable[[bytes], None]
        self._loop = loop
        self._replies = replies

    def write(self, _: bytes) -> None:
        self._loop.call_soon(self.received, next(self._replies))

    def abort(self) -> None:
        pass


def _alone(name: str, ask: Ask, n_heads: int, n_rounds: int) -> Measured:
    """*ask*, 16,000 times by 16 slots, answered with *n_heads* heads in turn."""
    loop = uvloop.new_event_loop()

    async def opened() -> HttpEngine:
        engine = HttpEngine(HttpSettings(base_url="http://127.0.0.1:1"), Untraced())
        pool = engine.route("GET", "/", None).pool
        for _ in range(N_SLOTS):
            connection = pool._new()
            transport = Answering(loop, cycle([_reply(second) for second in range(n_heads)]))
            transport.received = connection.data_received
            connection.connection_made(cast(asyncio.Transport, transport))
            pool.idle.append(connection)
        return engine

    async def slot(client: HttpClient) -> None:
        for _ in range(N_REQUESTS // N_SLOTS):
            response = await ask(client)
            assert response.status == 200

    async def slots(engine: HttpEngine) -> None:
        await asyncio.gather(*(slot(engine.client()) for _ in range(N_SLOTS)))

    engine = loop.run_until_complete(opened())
    try:
        return measure(name, n_rounds, N_REQUESTS, lambda _: loop.run_until_complete(slots(engine)))
    finally:
        loop.run_until_complete(engine.close())
        loop.close()


def get(n_rounds: int) -> Measured:
    """A plain GET, the head of its reply the same as before."""
    return _alone("get", lambda http: http.get("/"), 1, n_rounds)


def get_with_new_heads(n_rounds: int) -> Measured:
    """A plain GET whose replies all differ from the one before: httptools reads them."""
    return _alone("get, another head each time", lambda http: http.get("/"), 60, n_rounds)


def get_template(n_rounds: int) -> Measured:
    """A GET with a place to fill."""
    return _alone("get, template", lambda http: http.get("/vm/{id}", id=7), 1, n_rounds)


def get_named(n_rounds: int) -> Measured:
    """A GET with a name and an expected status."""
    return _alone("get, named, expect", lambda http: http.get("/", name="home", expect=200), 1, n_rounds)


def post_json(n_rounds: int) -> Measured:
    """A POST with a small JSON body."""
    return _alone("post, json", lambda http: http.post("/", json={"id": 7}), 1, n_rounds)


ALONE: list[Bench] = [get, get_with_new_heads, get_template, get_named, post_json]


def press(url: str, seconds: float) -> tuple[int, float]:
    """As fast as it can in this process: the requests done, and the CPU seconds they took."""

    async def pressing() -> tuple[int, float]:
        engine = HttpEngine(HttpSettings(base_url=url), Untraced())
        until = time.monotonic() + seconds
        n_requests = 0

        async def slot(client: HttpClient) -> None:
            nonlocal n_requests
            while time.monotonic() < until:
                response = await client.get("/")
                assert response.status == 200
                n_requests += 1

        before = resource.getrusage(resource.RUSAGE_SELF)
        await asyncio.gather(*(slot(engine.client()) for _ in range(N_CONNECTIONS)))
        after = resource.getrusage(resource.RUSAGE_SELF)
        await engine.close()
        return n_requests, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    gc.freeze()
    return uvloop.run(pressing())


def _pinned(core: int) -> Callable[[], None]:
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cores[core % len(cores)]})


def _ours(url: str, seconds: float) -> tuple[int, float]:
    code = f"import json, test_http_client; print(json.dumps(test_http_client.press({url!r}, {seconds})))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, check=True, preexec_fn=_pinned(1)
    )
    n_requests, cpu_s = json.loads(done.stdout)
    return n_requests, cpu_s


def _wrk(url: str, seconds: float) -> tuple[int, float]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = ["wrk", "-t1", f"-c{N_CONNECTIONS}", f"-d{max(1, round(seconds))}s", url + "/"]
    done = subprocess.run(words, capture_output=True, check=True, preexec_fn=_pinned(1), text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    n_requests = int(done.stdout.split(" requests in ")[0].split()[-1])
    return n_requests, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def against_wrk(n_rounds: int, seconds: float = PRESS_S) -> list[Measured]:
    """CPU ns per request, ours and wrk's in turns, and the median of their ratio as a percentage."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.support.nginx import Nginx

    found: dict[str, list[float]] = {"CPU per request": [], "CPU per request, wrk": []}
    n_requests = 0
    with Nginx() as nginx:
        subprocess.run(["taskset", "-a", "-c", "-p", "0", str(nginx.pid)], capture_output=True, check=True)
        for worker in Path(f"/proc/{nginx.pid}/task/{nginx.pid}/children").read_text().split():
            os.sched_setaffinity(int(worker), {min(os.sched_getaffinity(0))})
        for _ in range(n_rounds):
            for contender, name in zip((_ours, _wrk), found, strict=True):
                n_requests, cpu_s = contender(nginx.url, seconds)
                found[name].append(cpu_s / n_requests * 1e9)
    ratios = [ours / theirs for ours, theirs in zip(*found.values(), strict=True)]
    print(f"ours by wrk's, median of {n_rounds} pairs: {statistics.median(ratios):.2f}")
    return [
        Measured(name, n_rounds, n_requests, statistics.median(values), min(values), max(values))
        for name, values in found.items()
    ]


@pytest.mark.parametrize("bench", ALONE, ids=lambda bench: bench.__name__)
def test_bench(bench: Bench) -> None:
    """Each bench runs and gets its replies."""
    assert bench(ROUNDS_UNDER_PYTEST).median_ns > 0


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("wrk") and shutil.which("nginx")), reason="needs wrk and nginx")
def test_against_wrk() -> None:
    """The comparison runs; what it says is judged by people, on a quiet machine."""
    assert len(against_wrk(1, PRESS_S_UNDER_PYTEST)) == 2


if __name__ == "__main__":
    rounds_of_wrk = 5
    benches: list[Any] = list(ALONE)
    if shutil.which("wrk") and shutil.which("nginx"):
        compared = cycle(against_wrk(rounds_of_wrk))
        benches += [lambda _: next(compared), lambda _: next(compared)]
    main(benches)
