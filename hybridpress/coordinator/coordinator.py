"""The coordinator: carries what happens to the state, and what the state decides to the workers and listeners."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import Protocol

from hybridpress.clock import now_ns, suspended_ns
from hybridpress.config import RunConfig
from hybridpress.coordinator import live
from hybridpress.coordinator.actions import Action, Draining, Fork, Happened, Kill, Second, Started, Tell
from hybridpress.coordinator.helm import Helm
from hybridpress.coordinator.keys import Typing
from hybridpress.coordinator.seeker import Seeker
from hybridpress.coordinator.spawner import CpuWorkerExited, Exited, Forked, Spawner
from hybridpress.coordinator.state import Phase, RunState
from hybridpress.errors import HybridpressError
from hybridpress.ipc.channel import CoordinatorEnd
from hybridpress.metrics.news import Moment, Status
from hybridpress.metrics.result import EventResult
from hybridpress.units import NS_PER_S

TICK_S = 0.1
"""How often it looks what is to be moved, and whether anybody has been waited for too long."""
STATUS_S = 0.25
"""How often listeners are told where the run is."""


class Listener(Protocol):
    """Who is told of the run while it runs: plain calls, on the coordinator's loop."""

    def started(self) -> None: ...

    def second(self, moment: Moment) -> None: ...

    def tick(self, status: Status) -> None: ...

    def event(self, event: EventResult) -> None: ...

    def draining(self, in_flight: int) -> None: ...


class Coordinator:
    """Conducts one run over the workers that *spawner* forks."""

    def __init__(self, config: RunConfig, spawner: Spawner, listener: Listener, seeker: Seeker | None = None) -> None:
        self._spawner = spawner
        self._listener = listener
        self._channels: dict[int, CoordinatorEnd] = {}
        self._deaf: set[int] = set()
        self._over = asyncio.Event()
        self.state = RunState(config, now_ns(), seeker)
        self.helm = Helm(self.state, self._act)
        """Takes commands for the run, from wherever."""

    async def run(self) -> RunState:
        """Conduct the run to its end. Ctrl-C once drains, twice kills."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            # Elsewhere than in the main thread the signals are somebody else's.
            with suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, self._interrupted)
        loop.add_reader(self._spawner.fileno(), self._spawner_has_news)
        for worker in range(len(self.state.workers)):
            self._spawner.fork(worker)
        clockwork = [loop.create_task(self._tick()), loop.create_task(self._tell_status())]
        typing = Typing("qps" if self.state.config.is_paced else "slots", self._typed)
        try:
            try:
                await self.helm.serve()
            except HybridpressError as error:
                # Nobody may ever want to change this run: that is no reason not to have it.
                self._act([self.state.note(now_ns(), "no_control", str(error))])
            typing.begin()
            await self._over.wait()
        finally:
            typing.close()
            await self.helm.close()
            for task in clockwork:
                task.cancel()
            loop.remove_reader(self._spawner.fileno())
            for worker, channel in self._channels.items():
                self._stop_listening(worker)
                channel.close()
        return self.state

    async def _tick(self) -> None:
        before_ns = suspended_ns()
        while True:
            await asyncio.sleep(TICK_S)
            self._act(self.state.ticked(now_ns(), suspended_ns() - before_ns))

    async def _tell_status(self) -> None:
        while True:
            await asyncio.sleep(STATUS_S)
            self._listener.tick(live.status(self.state, now_ns()))

    def _typed(self, command: str) -> None:
        reply = self.helm.obey(command)
        if not reply["ok"]:
            at_s = (now_ns() - self.state.start_ns) / NS_PER_S if self.state.start_ns else 0.0
            self._listener.event(EventResult(round(at_s, 3), "control", reply["text"]))

    def _interrupted(self) -> None:
        self._act(self.state.interrupted(now_ns()))

    def _spawner_has_news(self) -> None:
        news = self._spawner.receive()
        if isinstance(news, Forked):
            if (former := self._channels.get(news.worker)) is not None:
                former.close()
            channel = self._channels[news.worker] = self._spawner.receive_channel()
            self._deaf.discard(news.worker)
            asyncio.get_running_loop().add_reader(channel.fileno(), self._worker_reports, news.worker)
            self._act(self.state.forked(news.worker, news.pid, now_ns()))
        elif isinstance(news, Exited):
            self._worker_is_gone(news.worker, news.exit_code)
        elif isinstance(news, CpuWorkerExited):
            self._act(self.state.cpu_worker_exited(news.number, news.pid, news.exit_code, now_ns()))
        elif isinstance(news, HybridpressError):
            self.state.complain(str(news))
        else:
            # The spawner is gone, and by the kernel's doing every worker with it.
            asyncio.get_running_loop().remove_reader(self._spawner.fileno())
            for worker in range(len(self.state.workers)):
                self._worker_is_gone(worker, -signal.SIGKILL)

    def _worker_reports(self, worker: int) -> None:
        report = self._channels[worker].receive()
        if report is None:
            self._stop_listening(worker)
            return
        self._act(self.state.heard(report, now_ns()))

    def _worker_is_gone(self, worker: int, exit_code: int) -> None:
        """All that the worker still had to say lies in its channel: hear it first."""
        # Not to the end of the stream: a process that the scenario forked may hold that open.
        while worker not in self._deaf and worker in self._channels and self._channels[worker].has_news():
            self._worker_reports(worker)
        if worker in self._channels:
            self._stop_listening(worker)
        self._act(self.state.exited(worker, exit_code, now_ns()))

    def _stop_listening(self, worker: int) -> None:
        if worker not in self._deaf:
            self._deaf.add(worker)
            asyncio.get_running_loop().remove_reader(self._channels[worker].fileno())

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Tell(worker, order):
                    self._channels[worker].send(order)
                case Kill(worker):
                    with suppress(ProcessLookupError):
                        if pid := self.state.workers[worker].pid:
                            os.kill(pid, signal.SIGKILL)
                case Fork(worker):
                    self._spawner.fork(worker)
                case Started():
                    self._listener.started()
                case Draining(in_flight):
                    self._listener.draining(in_flight)
                case Second(interval, target_qps):
                    self._listener.second(live.moment(self.state, interval, target_qps))
                case Happened(event):
                    self._listener.event(event)
        if self.state.phase is Phase.OVER:
            self._over.set()
