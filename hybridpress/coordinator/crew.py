"""Those who make the load, as the coordinator has them: who is told what, and who tells what happens to them.

On one machine they are worker processes, which the spawner forks (`Forkers`). What else can be asked for and told of in
the same way can stand in their place.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import Protocol

from hybridpress.coordinator.spawner import CpuWorkerExited, Exited, Forked, Spawner
from hybridpress.errors import HybridpressError
from hybridpress.ipc.channel import CoordinatorEnd
from hybridpress.ipc.messages import Order, Report

MOST_UNSENT_BYTES = 8 * 2**20
"""A worker for which more orders wait, some ten thousand, has not looked at them for long and will not: it is ended."""


class Hearer(Protocol):
    """Who is told what happens to a crew: plain calls, on the loop on which `Crew.open` was called."""

    def forked(self, worker: int, pid: int) -> None: ...

    def heard(self, report: Report) -> None: ...

    def exited(self, worker: int, exit_code: int) -> None:
        """All that the worker said was heard before."""

    def stuck(self, worker: int) -> None:
        """It takes no orders, and is ended for that."""

    def deserted(self) -> None:
        """All of them are gone, and no other will come."""

    def cpu_worker_exited(self, number: int, pid: int, why: str) -> None: ...

    def complained(self, text: str) -> None:
        """Something is in the crew's way; if the run breaks, it is why."""


class Crew(Protocol):
    """The workers of a run, by number."""

    def open(self, hearer: Hearer) -> None:
        """Tell *hearer* from now on. Inside the loop."""

    def fork(self, worker: int) -> None:
        """Have worker number *worker*; once more when one was lost."""

    def send(self, worker: int, order: Order) -> None:
        """To one that is gone it does nothing."""

    def kill(self, worker: int) -> None:
        """End the worker's process now."""

    def shut(self) -> None:
        """Tell nobody any more."""


class Forkers:
    """The worker processes that *spawner* forks: those with the numbers *workers*."""

    _hearer: Hearer

    def __init__(self, spawner: Spawner, workers: range) -> None:
        self._spawner = spawner
        self._workers = workers
        self._channels: dict[int, CoordinatorEnd] = {}
        self._pids: dict[int, int] = {}
        self._deaf: set[int] = set()

    def open(self, hearer: Hearer) -> None:
        self._hearer = hearer
        asyncio.get_running_loop().add_reader(self._spawner.fileno(), self._spawner_has_news)

    def fork(self, worker: int) -> None:
        self._spawner.fork(worker)

    def send(self, worker: int, order: Order) -> None:
        channel = self._channels[worker]
        if channel.n_unsent_bytes > MOST_UNSENT_BYTES:
            return  # it is being ended
        channel.send(order)
        if channel.n_unsent_bytes > MOST_UNSENT_BYTES:
            self._hearer.stuck(worker)
            self.kill(worker)
        elif channel.n_unsent_bytes and worker not in self._deaf:
            asyncio.get_running_loop().add_writer(channel.orders_fileno(), self._send_rest, channel)

    def kill(self, worker: int) -> None:
        with suppress(ProcessLookupError):
            if pid := self._pids.get(worker):
                os.kill(pid, signal.SIGKILL)

    def shut(self) -> None:
        asyncio.get_running_loop().remove_reader(self._spawner.fileno())
        for worker, channel in self._channels.items():
            self._stop_listening(worker)
            channel.close()

    def _spawner_has_news(self) -> None:
        news = self._spawner.receive()
        if isinstance(news, Forked):
            if (former := self._channels.get(news.worker)) is not None:
                former.close()
            channel = self._channels[news.worker] = self._spawner.receive_channel()
            self._pids[news.worker] = news.pid
            self._deaf.discard(news.worker)
            asyncio.get_running_loop().add_reader(channel.fileno(), self._worker_reports, news.worker)
            self._hearer.forked(news.worker, news.pid)
        elif isinstance(news, Exited):
            self._worker_is_gone(news.worker, news.exit_code)
        elif isinstance(news, CpuWorkerExited):
            self._hearer.cpu_worker_exited(news.number, news.pid, news.why)
        elif isinstance(news, HybridpressError):
            self._hearer.complained(str(news))
        else:
            # The spawner is gone, and by the kernel's doing every worker with it.
            asyncio.get_running_loop().remove_reader(self._spawner.fileno())
            for worker in self._workers:
                self._worker_is_gone(worker, -signal.SIGKILL)
            self._hearer.deserted()

    def _worker_reports(self, worker: int) -> None:
        reports = self._channels[worker].receive()
        if reports is None:
            self._stop_listening(worker)
            return
        for report in reports:
            self._hearer.heard(report)

    def _send_rest(self, channel: CoordinatorEnd) -> None:
        channel.flush()
        if not channel.n_unsent_bytes:
            asyncio.get_running_loop().remove_writer(channel.orders_fileno())

    def _worker_is_gone(self, worker: int, exit_code: int) -> None:
        """All that the worker still had to say lies in its channel: hear it first."""
        # Not to the end of the stream: a process that the scenario forked may hold that open.
        while worker not in self._deaf and worker in self._channels and self._channels[worker].has_news():
            self._worker_reports(worker)
        if worker in self._channels:
            self._stop_listening(worker)
        self._hearer.exited(worker, exit_code)

    def _stop_listening(self, worker: int) -> None:
        if worker not in self._deaf:
            self._deaf.add(worker)
            loop, channel = asyncio.get_running_loop(), self._channels[worker]
            loop.remove_reader(channel.fileno())
            loop.remove_writer(channel.orders_fileno())
