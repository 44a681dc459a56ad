"""What a worker does when the coordinator says something: which gate its slots follow, how many, until when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hybridpress.clock import now_ns
from hybridpress.config import RunConfig
from hybridpress.ipc.messages import (
    Begin,
    Discard,
    GivenUp,
    GiveUp,
    GoOn,
    Hold,
    Order,
    Pace,
    Report,
    Resize,
    Resized,
    Stop,
    TakeOver,
)
from hybridpress.load.arrivals import Poisson, Uniform
from hybridpress.load.pacer import Pacer
from hybridpress.load.profile import constant
from hybridpress.scenario import told
from hybridpress.worker.gate import CatchUpGate, ClosedGate, DropGate, Gate, Late, OpenGate
from hybridpress.worker.groups import MixedSlots
from hybridpress.worker.slots import Slots


class Orders:
    """The orders so far. `obey` takes the next; from `conduct` on, the slots follow them."""

    def __init__(
        self, worker: int, config: RunConfig, send: Callable[[Report], None], place: int | None = None
    ) -> None:
        """*place* is the worker's among those that a plan is dealt to; None: its number."""
        self._worker = worker
        self._config = config
        self._send = send
        arrivals = Poisson(config.seed or 0) if config.arrivals == "poisson" else Uniform()
        self._pacer = Pacer(worker if place is None else place, config.profile or constant(1), arrivals)
        self._open: Gate = ClosedGate()
        """Unpaced: what is open but in a pause."""
        self._slots: Slots | MixedSlots | None = None
        self._adding: asyncio.Task[None] | None = None
        self.late = Late()
        self.gate: Gate = ClosedGate()
        """What the slots follow, or will."""
        self.begun: Begin | None = None
        self.until_ns: int | None = None
        self.drain_until_ns: int | None = None
        """When what is still in flight is given up; None until the order to stop."""
        self.n_taken_over = 0
        """So many that others gave up came here."""

    @property
    def n_beyond(self) -> int:
        """So many were started that are, by the last legs, not its own."""
        return self._pacer.n_beyond

    @property
    def must_stop(self) -> bool:
        return self.drain_until_ns is not None

    def conduct(self, slots: Slots | MixedSlots) -> None:
        """The load begins: *slots* press from now on."""
        assert self.begun is not None
        self._slots = slots
        if self.begun.leg is not None and isinstance(slots, MixedSlots):
            slots.plan(self.begun.leg)
        if self.begun.leg is None:
            self._open = OpenGate(self.begun.iterations)
            self.gate = self._open
        else:
            self.gate = self._paced(slots)
        slots.follow(self.gate)

    def _paced(self, slots: Slots | MixedSlots) -> Gate:
        if self._config.late == "drop":
            return DropGate(self._pacer, self.late, slots.has_idle)
        if self._config.catch_up is not None:
            return CatchUpGate(self._pacer, self.late, self._config.catch_up)
        return self._pacer

    def obey(self, order: Order) -> None:
        """Do what *order* says."""
        match order:
            case Begin():
                self.begun = order
                self.until_ns = order.until_ns
                if order.leg is not None:
                    self._pacer.apply(order.leg)
            case Pace(leg, until_ns):
                self.until_ns = until_ns
                self._pacer.apply(leg)
                if isinstance(self._slots, MixedSlots):
                    self._slots.plan(leg)
                self._look_again()
            case Hold():
                self._follow(ClosedGate())
            case GoOn(until_ns):
                self.until_ns = until_ns
                self._follow(self._open)
            case GiveUp(at_most):
                self._send(GivenUp(self._worker, tuple(self._pacer.give_up(self._due_until_ns(), at_most))))
            case Discard():
                until_ns = self._due_until_ns()
                while dropped := self._pacer.give_up(until_ns, 1_000):
                    self.late.dropped += len(dropped)
            case TakeOver(dues_ns):
                self.n_taken_over += len(dues_ns)
                self._pacer.take_over(dues_ns)
                self._look_again()
            case Resize():
                before, slots = self._adding, self._slots
                if slots is not None:
                    self._adding = asyncio.get_running_loop().create_task(self._resize(order, slots, before))
            case Stop():
                self.drain_until_ns = order.drain_until_ns

    def _due_until_ns(self) -> int:
        """What is due before it may be given up: nothing once it must stop, when the last word tells what was left."""
        return 0 if self.must_stop else now_ns()

    async def close(self) -> None:
        """Wait for what was begun."""
        if self._adding is not None:
            self._adding.cancel()
            await asyncio.wait([self._adding])

    def _follow(self, gate: Gate) -> None:
        self.gate = gate
        self._look_again()

    def _look_again(self) -> None:
        """Slots that wait may be due earlier now."""
        if self._slots is not None and not self.must_stop:
            self._slots.follow(self.gate)

    async def _resize(self, order: Resize, slots: Slots | MixedSlots, before: asyncio.Task[None] | None) -> None:
        """One after the other: those that an earlier order asked for may still be starting."""
        if before is not None:
            await asyncio.wait([before])
        failures = await slots.add(order.numbers) if order.numbers else []
        slots.resize(order.n_slots)
        texts = tuple(dict.fromkeys(told(error) for error in failures))
        self._send(Resized(self._worker, min(order.n_slots, len(slots)), texts))
