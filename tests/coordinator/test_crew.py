"""The crew of worker processes: who is told what, and what becomes of one that does not listen."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from hybridpress.coordinator.crew import MOST_UNSENT_BYTES, Forkers
from hybridpress.coordinator.spawner import Spawner
from hybridpress.ipc.channel import WorkerEnd
from hybridpress.ipc.messages import Ready, Report, Stop

PATIENCE_S = 20
pytestmark = [
    pytest.mark.usefixtures("no_stray_processes"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


class Heard:
    """What a crew told."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.reports: list[Report] = []
        self.stuck_at: list[int] = []
        self.exit_codes: list[int] = []
        self.is_deserted = False
        self.complaints: list[str] = []

    def forked(self, worker: int, pid: int) -> None:
        self.pids.append(pid)

    def heard(self, report: Report) -> None:
        self.reports.append(report)

    def exited(self, worker: int, exit_code: int) -> None:
        self.exit_codes.append(exit_code)

    def stuck(self, worker: int) -> None:
        self.stuck_at.append(worker)

    def deserted(self) -> None:
        self.is_deserted = True

    def cpu_worker_exited(self, number: int, pid: int, why: str) -> None:
        raise AssertionError(why)

    def complained(self, text: str) -> None:
        self.complaints.append(text)


def test_a_worker_that_takes_no_orders() -> None:
    """Orders for it do not pile up for ever: it is told to be stuck, once, and ended."""

    def work(number: int, end: WorkerEnd) -> None:
        end.send(Ready(number, os.getpid(), 1, ()))
        time.sleep(1_000)

    spawner = Spawner(lambda: (1, work))
    spawner.start()
    heard = Heard()

    async def test() -> None:
        crew = Forkers(spawner, range(1))
        crew.open(heard)
        crew.fork(0)
        async with asyncio.timeout(PATIENCE_S):
            while not heard.reports:
                await asyncio.sleep(0.01)
            n_bytes = 0
            while not heard.stuck_at:
                crew.send(0, Stop(n_bytes))
                n_bytes += 1
            for number in range(1_000):
                crew.send(0, Stop(number))
            while not heard.exit_codes:
                await asyncio.sleep(0.01)
        assert n_bytes * 40 < 2 * MOST_UNSENT_BYTES
        crew.shut()

    try:
        spawner.wait_for_table()
        asyncio.run(test())
    finally:
        spawner.close()
    assert (heard.stuck_at, heard.exit_codes) == ([0], [-signal.SIGKILL])
