"""What many slots cost: how soon 10,000 of them stand, each with a connection of its own, and the memory of one.

Goals: 2 s from the fork of the worker, 16 KiB a slot with its connection. `python bench/test_many_slots.py` measures
for real; under pytest it runs with fewer slots, so that it cannot rot.

The server holds each request until every slot has sent one: thus no two slots can share a connection. Memory is what
the worker alone has (USS), of many slots less that of ten. What the kernel keeps of a socket is not in it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import select
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, cast

import psutil
import pytest
import uvloop
from harness import main

from hybridpress import machine
from hybridpress.clock import now_ns
from hybridpress.config import Layer, RunConfig
from hybridpress.coordinator.spawner import Forked, Spawner, Work
from hybridpress.ipc.channel import CoordinatorEnd, WorkerEnd
from hybridpress.ipc.messages import Begin, Ready, Stop
from hybridpress.press import Press
from hybridpress.scenario import shape_of
from hybridpress.vocab.supply import Supply
from hybridpress.worker.process import Seat, work

N_SLOTS = 10_000
N_FEW = 10
N_UNDER_PYTEST = 500
ROUNDS = 5
BACKLOG = 4096
PATIENCE_S = 60.0
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 128\r\n\r\n" + b"x" * 128
FORK = multiprocessing.get_context("fork")


class Held(Press):
    """Holds a connection in each slot from the start."""

    async def start(self) -> None:
        await self.http.get("/", name="start")

    async def press(self) -> None:
        await self.http.get("/")


class Gathering(asyncio.Protocol):
    """Reads requests of one small packet each, and answers none before *n_slots* wait and the bench says go."""

    def __init__(self, waiting: list[asyncio.Transport], n_slots: int, to_bench: Connection) -> None:
        self._waiting = waiting
        self._n_slots = n_slots
        self._to_bench = to_bench

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._waiting.append(self._transport)
        if len(self._waiting) == self._n_slots:
            self._to_bench.send("all are here")


def serve(to_bench: Connection, n_slots: int) -> None:
    """Be the server. Says its port, and then each time that all slots wait; any word lets them go."""
    machine.raise_file_limit()
    waiting: list[asyncio.Transport] = []

    def let_go() -> None:
        to_bench.recv()
        for transport in waiting:
            transport.write(REPLY)
        waiting.clear()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        make = partial(Gathering, waiting, n_slots, to_bench)
        server = await loop.create_server(make, "127.0.0.1", 0, backlog=BACKLOG)
        to_bench.send(server.sockets[0].getsockname()[1])
        loop.add_reader(to_bench.fileno(), let_go)
        await asyncio.Event().wait()

    uvloop.run(run())


@contextmanager
def serving(n_slots: int) -> Iterator[Connection]:
    """The way to a server for *n_slots*."""
    ours, theirs = FORK.Pipe()
    server = FORK.Process(target=serve, args=(theirs, n_slots))
    server.start()
    try:
        yield ours
    finally:
        server.kill()
        server.join()


def heard(connection: Connection) -> Any:
    assert connection.poll(PATIENCE_S), "nothing was heard"
    return connection.recv()


def report(channel: CoordinatorEnd, kind: type) -> Any:
    """The worker's next report of this kind."""
    while True:
        assert select.select([channel], [], [], PATIENCE_S)[0], "nothing was heard"
        reports = channel.receive()
        assert reports is not None, "the worker is gone"
        for found in reports:
            if isinstance(found, kind):
                return found


def preparing(config: RunConfig) -> Any:
    def prepare() -> tuple[int, Work]:
        machine.raise_file_limit()
        press = Held()

        def be_worker(worker: int, channel: WorkerEnd) -> None:
            work(
                Seat(
                    worker,
                    config,
                    press,
                    shape_of(press),
                    Supply(config.policy, [config.concurrent], 1),
                    range(config.concurrent),
                ),
                channel,
            )

        return 0, be_worker

    return prepare


@dataclass(frozen=True, slots=True)
class Stood:
    """One worker with all its slots: how long it took, and its own memory."""

    connected_s: float
    """From the fork until the server had a request of each slot."""
    ready_s: float
    """From the fork until the worker said that it is ready."""
    resting_bytes: int
    """With each slot waiting to begin, and its connection open."""
    in_flight_bytes: int
    """With each slot waiting for a reply."""


def stand(n_slots: int) -> Stood:
    """A worker as a run has it, forked and made to hold a connection in each of *n_slots*."""
    with serving(n_slots) as server:
        url = f"http://127.0.0.1:{heard(server)}"
        settings = {"host": url, "concurrent": n_slots, "processes": 1, "timeout": "1m"}
        config = RunConfig.build("held.py:Held", [Layer(settings, str)])
        with closing(Spawner(preparing(config))) as spawner:
            spawner.start()
            spawner.wait_for_table()
            forked_s = time.perf_counter()
            spawner.fork(0)
            forked = spawner.receive()
            assert isinstance(forked, Forked)
            with closing(spawner.receive_channel()) as channel:
                assert heard(server)
                connected_s = time.perf_counter() - forked_s
                server.send("go")
                ready = report(channel, Ready)
                ready_s = time.perf_counter() - forked_s
                assert (ready.n_slots, ready.failures) == (n_slots, ())
                worker = psutil.Process(forked.pid)
                resting_bytes = worker.memory_full_info().uss
                channel.send(Begin(now_ns(), None, None, n_slots, n_slots))
                assert heard(server)
                in_flight_bytes = worker.memory_full_info().uss
                n_connections = len(worker.net_connections())
                channel.send(Stop(now_ns()))
        assert n_connections == n_slots
    return Stood(connected_s, ready_s, resting_bytes, in_flight_bytes)


@dataclass(frozen=True, slots=True)
class ManySlots:
    """The median over the rounds; of the time the lowest and the highest, too."""

    n_slots: int
    n_rounds: int
    connected_s: float
    ready_s: float
    lowest_ready_s: float
    highest_ready_s: float
    resting_bytes_a_slot: float
    in_flight_bytes_a_slot: float

    def __str__(self) -> str:
        spread = f"{self.lowest_ready_s:.2f} to {self.highest_ready_s:.2f}, {self.n_rounds} rounds"
        return (
            f"{self.n_slots:,} slots: connected in {self.connected_s:.2f} s, ready in {self.ready_s:.2f} s ({spread}); "
            f"{self.resting_bytes_a_slot / 1024:.1f} KiB a slot at rest, "
            f"{self.in_flight_bytes_a_slot / 1024:.1f} KiB in flight"
        )


def many_slots(n_rounds: int, n_slots: int = N_SLOTS) -> ManySlots:
    """Stand so many slots up in each round, and ten to compare with."""
    few = stand(N_FEW)
    found = [stand(n_slots) for _ in range(n_rounds)]
    n_more = n_slots - N_FEW
    return ManySlots(
        n_slots,
        n_rounds,
        connected_s=statistics.median(stood.connected_s for stood in found),
        ready_s=statistics.median(stood.ready_s for stood in found),
        lowest_ready_s=min(stood.ready_s for stood in found),
        highest_ready_s=max(stood.ready_s for stood in found),
        resting_bytes_a_slot=statistics.median(stood.resting_bytes - few.resting_bytes for stood in found) / n_more,
        in_flight_bytes_a_slot=statistics.median(stood.in_flight_bytes - few.in_flight_bytes for stood in found)
        / n_more,
    )


@pytest.mark.slow
def test_many_slots() -> None:
    """The bench runs, each slot has a connection, and the figures are plausible."""
    found = many_slots(1, N_UNDER_PYTEST)
    assert 0 < found.connected_s <= found.ready_s < PATIENCE_S
    assert 0 < found.resting_bytes_a_slot < 2**16
    assert 0 < found.in_flight_bytes_a_slot < 2**16


if __name__ == "__main__":
    main([many_slots], "Measures how soon many slots stand, and their memory: medians over rounds.", ROUNDS)
