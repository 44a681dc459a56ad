"""What a hand-over to a CPU worker costs an item, beyond its work: pickled, sent, read and taken from the stock.

Whole runs with CPU work in them are measured by `cpu_tier.py`, next to this.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from array import array
from collections.abc import Callable
from functools import partial
from typing import Any

import cpu_tier
import pytest
from harness import ROUNDS_UNDER_PYTEST, Bench, Measured, main, measure

from hybridpress.clients.http.response import Response, _restored
from hybridpress.ipc.frames import Frames, frame
from hybridpress.press import Press
from hybridpress.target import Target
from hybridpress.worker.cpu.batch import Ask, ToPrepare, ToVerify, dump, load
from hybridpress.worker.cpu.process import Door, be_cpu_worker
from hybridpress.worker.cpu.stock import StockedGate
from hybridpress.worker.gate import OpenGate

N_ITEMS = 10_240
BATCH = 256
HEAD = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: application/json\r\nContent-Length: 128\r\n\r\n"


class Empty(Press):
    """CPU work that takes no time."""

    def prepare(self, word: Any) -> Any:
        return word

    def verify(self, word: Any, reply: Any) -> None:
        pass


def words_asked() -> Ask:
    return ToPrepare(1, array("q", range(BATCH)))


def reply() -> Response:
    return _restored(HEAD, 200, b"x" * 128, ("GET /", "GET", "http://127.0.0.1/"), 1_000_000)


def replies_asked() -> Ask:
    return ToVerify(1, [(number, reply(), False) for number in range(BATCH)])


def round_trip(name: str, ask: Callable[[], Ask], words: list[Any]) -> Bench:
    """Batches to a CPU worker and back, one after another: the time of both sides, and of two wakes a batch."""

    def run_all(n_rounds: int) -> Measured:
        door = Door()
        context = multiprocessing.get_context("fork")
        worker = context.Process(target=be_cpu_worker, args=([(Empty(), words)], door))
        worker.start()
        line = door.come_in(0)
        asked = ask()

        def run(_: Any) -> None:
            for _ in range(N_ITEMS // BATCH):
                line.sendall(frame(dump(asked)))
                frames = Frames()
                while not (bodies := frames.feed(line.recv(256 * 1024))):
                    pass
                load(bodies[0], "")

        try:
            return measure(name, n_rounds, N_ITEMS, run)
        finally:
            line.close()
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()
            door.close()

    return run_all


def gate(n_rounds: int) -> Measured:
    """What an iteration pays at a gate over a stock, over the gate within."""

    def run(stocked: StockedGate) -> None:
        take = stocked.take
        for _ in range(N_ITEMS):
            if stocked.due_ns <= 1:
                take()

    return measure(
        "a gate over a stock", n_rounds, N_ITEMS, run, lambda: StockedGate(OpenGate(None), lambda: None, N_ITEMS + 1)
    )


BENCHES: list[Bench] = [
    round_trip("prepare, words are numbers", words_asked, list(range(BATCH))),
    round_trip("prepare, words of 1 KB", words_asked, [os.urandom(1024) for _ in range(BATCH)]),
    round_trip("verify, replies of 128 bytes", replies_asked, list(range(BATCH))),
    gate,
]


@pytest.mark.slow
@pytest.mark.parametrize("bench", BENCHES)
def test_cpu_tier(bench: Bench) -> None:
    """The bench runs, and counts right."""
    assert bench(ROUNDS_UNDER_PYTEST).median_ns > 0


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("name", ["Works", "Records", "Empty", "Verifies", "Blocks", "Bare", "Plain"])
def test_whole_runs(name: str) -> None:
    """The presses of `cpu_tier.py` run, and come to a row."""
    args = ["--qps", "100", "--duration", "0.5s", "--concurrent", "10", "--param", "ms=0.1"]
    with Target() as target:
        row = cpu_tier.press(name, name, *args, "--host", target.url)
    assert row.qps == pytest.approx(100)
    assert str(row).startswith(name)


if __name__ == "__main__":
    main([partial(bench) for bench in BENCHES])
