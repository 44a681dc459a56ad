"""Handing out batches: shared among CPU workers, each answered or given up once, deaths included."""

from __future__ import annotations

import asyncio
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import pytest
import uvloop

from hybridpress.press import Press
from hybridpress.worker.cpu.batch import VERIFY_FAILED, Bench, Prepared, Verified
from hybridpress.worker.cpu.dispatch import MAX_DEATHS, PIPELINE, Batch, Dispatcher
from hybridpress.worker.cpu.process import Door
from hybridpress.worker.notes import Error


class Plain(Press):
    def verify(self, word: Any, reply: Any) -> None:
        pass


class CpuWorker:
    """A CPU worker in a thread; *dies* says over which requests the connection is closed instead."""

    def __init__(self, door: Door, dies: Callable[[bytes], bool] = lambda _: False) -> None:
        self.n_served = 0
        self._door = door
        self._dies = dies
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(5)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        while (come := self._door.open()) is not None:
            connection, kind = come
            assert kind == 0
            with connection:
                self._serve(connection)

    def _serve(self, connection: Connection) -> None:
        bench = Bench(Plain(), range(100), self._door.pulse)
        while True:
            try:
                body = connection.recv_bytes()
            except EOFError:
                return
            if self._dies(body):
                return
            self.n_served += 1
            connection.send_bytes(bench.answer(body))


@contextmanager
def workers(n: int, dies: Callable[[bytes], bool] = lambda _: False) -> Iterator[tuple[list[Door], list[CpuWorker]]]:
    doors = [Door() for _ in range(n)]
    found = [CpuWorker(door, dies) for door in doors]
    try:
        yield doors, found
    finally:
        for door in doors:
            door.leave()
        for worker in found:
            worker.join()
        for door in doors:
            door.close()


class Work:
    """Batches to be done, and what came of them."""

    def __init__(self, batches: list[Batch]) -> None:
        self.waiting = deque(batches)
        self.n_items = sum(map(len, batches))
        self.words: list[int] = []
        self.verified = 0
        self.errors: list[tuple[Batch, Error]] = []
        self.most_out = 0

    async def done(self, doors: list[Door]) -> Work:
        self._over = asyncio.Event()
        self.dispatcher = Dispatcher(
            asyncio.get_running_loop(), doors, self._next_batch, self._answered, self._given_up
        )
        self.dispatcher.open()
        self.dispatcher.dispatch()
        async with asyncio.timeout(10):
            await self._over.wait()
        assert self.dispatcher.pending() == []
        self.dispatcher.close()
        return self

    def _next_batch(self) -> Batch | None:
        self.most_out = max(self.most_out, len(self.dispatcher.pending()) + bool(self.waiting))
        return self.waiting.popleft() if self.waiting else None

    def _answered(self, batch: Batch, answer: Prepared | Verified, n_bytes: int) -> None:
        assert n_bytes > 0
        if isinstance(answer, Prepared):
            assert batch.numbers is not None
            assert answer.words == list(batch.numbers)
            self.words += answer.words
        else:
            self.verified += len(batch)
        self._look()

    def _given_up(self, batch: Batch, error: Error) -> None:
        self.errors.append((batch, error))
        self._look()

    def _look(self) -> None:
        if len(self.words) + self.verified + sum(len(batch) for batch, _ in self.errors) == self.n_items:
            self._over.set()


def batches(n: int, size: int = 3) -> list[Batch]:
    return [Batch(array("q", range(i % 10, i % 10 + size))) for i in range(n)]


@pytest.mark.parametrize("n_workers", [1, 3])
def test_each_is_done_once(n_workers: int) -> None:
    """All batches come back, and each CPU worker has no more than it may have."""
    with workers(n_workers) as (doors, served):
        work = uvloop.run(Work(batches(40)).done(doors))
    assert len(work.words) == 120
    assert work.errors == []
    assert work.most_out <= n_workers * PIPELINE
    assert all(worker.n_served for worker in served)


def test_a_batch_is_done_again() -> None:
    """A CPU worker that dies once costs nothing: the next does what it had."""
    n_deaths = 0

    def dies(_: bytes) -> bool:
        nonlocal n_deaths
        n_deaths += 1
        return n_deaths in (3, 9)

    with workers(1, dies) as (doors, _):
        work = uvloop.run(Work(batches(10)).done(doors))
    assert len(work.words) == 30
    assert work.errors == []


def test_only_the_deadly_item_is_given_up() -> None:
    """Of a batch over which CPU workers die again and again, all is done but the item that kills."""
    marked = array("q", [77]).tobytes()
    with workers(1, lambda body: marked in body) as (doors, _):
        work = uvloop.run(Work([Batch(array("q", [1, 77, 2])), Batch(array("q", [3]))]).done(doors))
    assert sorted(work.words) == [1, 2, 3]
    [(batch, (kind, message, _))] = work.errors
    assert batch.numbers is not None
    assert list(batch.numbers) == [77]
    assert (kind, message) == ("PrepareError", f"{2 * MAX_DEATHS} CPU workers died over it")


class Fussy:
    """Can be pickled, and not be read again."""

    def __reduce__(self) -> Any:
        return int, ("not a number",)


@pytest.mark.parametrize("reply", [Fussy(), threading.Lock()], ids=["unreadable", "unpicklable"])
def test_a_reply_that_cannot_travel(reply: Any) -> None:
    """It is given up with an error; the rest of its batch is verified."""
    with workers(1) as (doors, _):
        work = uvloop.run(Work([Batch(None, [(1, "a", False), (1, reply, False), (1, "b", False)])]).done(doors))
    assert work.verified == 2
    [(batch, (kind, _, __))] = work.errors
    assert (len(batch), kind) == (1, VERIFY_FAILED)


def test_large_batches_go_through() -> None:
    """What does not fit into the socket at once follows."""
    replies = [(1, bytes(3_000_000), False)] * 3
    with workers(1) as (doors, _):
        work = uvloop.run(Work([Batch(None, list(replies)) for _ in range(5)]).done(doors))
    assert work.verified == 15
