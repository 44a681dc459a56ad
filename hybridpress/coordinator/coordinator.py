"""The coordinator: carries what happens to the state, and what the state decides to the workers and listeners."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import Protocol

from hybridpress.clock import now_ns, suspended_ns, wall_ahead_ns
from hybridpress.coordinator import live
from hybridpress.coordinator.actions import Action, Draining, Fork, Happened, Kill, Second, Started, Tell
from hybridpress.coordinator.crew import Crew
from hybridpress.coordinator.helm import Helm
from hybridpress.coordinator.keys import Typing
from hybridpress.coordinator.phase import Phase
from hybridpress.coordinator.state import RunState
from hybridpress.errors import HybridpressError
from hybridpress.ipc.messages import Report
from hybridpress.machine import BoxWatch
from hybridpress.metrics.news import Moment, Status
from hybridpress.metrics.result import EventResult
from hybridpress.units import NS_PER_S

TICK_S = 0.1
"""How often it looks what is to be moved, and whether anybody has been waited for too long."""
BOX_GAP_NS = NS_PER_S
"""How often it looks what the kernel counted of the machine."""
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
    """Conducts one run, the one of *state*, over *crew*, on the machine that *box* watches, if it is on this one."""

    def __init__(self, state: RunState, crew: Crew, listener: Listener, box: BoxWatch | None = None) -> None:
        self._crew = crew
        self._listener = listener
        self._box = box
        self._look_at_box_ns = 0
        self._over = asyncio.Event()
        self.state = state
        self.helm = Helm(self.state, self._act)
        """Takes commands for the run, from wherever."""

    async def run(self) -> RunState:
        """Conduct the run to its end. Ctrl-C, SIGTERM or a terminal that hangs up drains it; a second one kills."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Whoever started us with nohup wants the run to outlive the terminal.
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            # Elsewhere than in the main thread the signals are somebody else's.
            with suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, self._interrupted)
        self._crew.open(self)
        for worker in range(len(self.state.workers)):
            self._crew.fork(worker)
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
            self._crew.shut()
        return self.state

    async def _tick(self) -> None:
        before_ns = suspended_ns()
        while True:
            await asyncio.sleep(TICK_S)
            now = now_ns()
            if self.state.phase is Phase.PRESSING and now >= self._look_at_box_ns:
                self._look_at_box(now)
            self._act(self.state.ticked(now, suspended_ns() - before_ns, wall_ahead_ns()))

    def _look_at_box(self, now: int) -> None:
        if self._box is not None:
            told = self.state.fitness.saw_box(now, self._box.read())
            if told is not None:
                self._act([self.state.note(now, "memory_low", told)])
        self._look_at_box_ns = now + BOX_GAP_NS

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

    # what the crew tells

    def forked(self, worker: int, pid: int) -> None:
        self._act(self.state.forked(worker, pid, now_ns()))

    def heard(self, report: Report) -> None:
        self._act(self.state.heard(report, now_ns()))

    def exited(self, worker: int, exit_code: int) -> None:
        self._act(self.state.exited(worker, exit_code, now_ns()))

    def stuck(self, worker: int) -> None:
        self._act([self.state.stuck(worker, now_ns())])

    def deserted(self) -> None:
        self._act(self.state.deserted(now_ns()))

    def cpu_worker_exited(self, number: int, pid: int, why: str) -> None:
        self._act(self.state.cpu_worker_exited(number, pid, why, now_ns()))

    def complained(self, text: str) -> None:
        self.state.complain(text)

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Tell(worker, order):
                    self._crew.send(worker, order)
                case Kill(worker):
                    self._crew.kill(worker)
                case Fork(worker):
                    self._crew.fork(worker)
                case Started():
                    self._look_at_box(now_ns())
                    self._listener.started()
                case Draining(in_flight):
                    self._listener.draining(in_flight)
                case Second(interval, target_qps):
                    self._listener.second(live.moment(self.state, interval, target_qps))
                case Happened(event):
                    self._listener.event(event)
        if self.state.phase is Phase.OVER:
            self._over.set()
