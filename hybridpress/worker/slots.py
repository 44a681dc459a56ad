"""Slots: coroutines that run iterations one after another. The hot path of a worker.

A slot whose next iteration is due goes on without a wake; else it waits, and one timer wakes all that are due then.
"""

from __future__ import annotations

import asyncio
import random
from array import array
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

from hybridpress.clients.trace import Observer, Step
from hybridpress.clock import now_ns
from hybridpress.errors import ClientError
from hybridpress.hot import SlotBase, SlotsBase, turns, uncancel
from hybridpress.metrics.recorder import Recorder
from hybridpress.press import running_slot
from hybridpress.scenario import message_of, told
from hybridpress.units import NEVER_NS
from hybridpress.vocab.table import Table
from hybridpress.worker.gate import ClosedGate, Gate
from hybridpress.worker.timer import open_timer

WAKE_GAP_NS = 170_000
"""Wakes are at least so far apart: at high rates one wake starts all that came due in between.

The wait for it is half of this on average: up to 0.1 ms at the median, where nothing else wakes the loop. A wake from
idle costs more than a request does. At 10,000/s of HTTP a worker took 54 µs of CPU a request with 150 µs, 40 with 300,
24 with 500; lateness p50 was 0.04, 0.06 and 0.2 ms (bench/README.md).
"""

CHECK_FAILED = "CheckFailed"


class SlotTrace:
    """A worker's measuring, as its clients see it (`hybridpress.clients.trace.Trace`)."""

    observer: Observer | None = None

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def step(self, name: str) -> Step:
        return self._recorder.step(name)

    def fail(self, error: Exception) -> None:
        slot = running_slot.get(None)
        if isinstance(slot, Slot):
            slot.fail(error)
        else:
            note_error(self._recorder, error)


def note_error(recorder: Recorder, error: BaseException) -> None:
    """Count *error* under its kind and what it says; the first one's example shows the user's frames."""
    message = error.summary if isinstance(error, ClientError) else message_of(error).partition("\n")[0]
    recorder.error(type(error).__name__, message, now_ns(), lambda: told(error))


class InSlot(Protocol):
    """What a slot runs: a scenario's copy, or what stands for it."""

    @property
    def press(self) -> Callable[..., Awaitable[Any]]: ...

    @property
    def start(self) -> Callable[[], Awaitable[Any]]: ...

    @property
    def stop(self) -> Callable[[], Awaitable[Any]]: ...


class Pressable(Protocol):
    """A scenario, or what stands for it: each slot runs on what it gives to it."""

    def in_slot(self, number: int, worker: int, clients: Any) -> InSlot: ...


class Slot(SlotBase):
    """One virtual user: the scenario's copy, and its turn."""

    __slots__ = ()

    group: Slots

    def __init__(self, group: Slots, index: int, press: InSlot) -> None:
        self.group = group
        self.index = index
        self.press = press
        self.checks = group.recorder.checks
        self.failed = False

    def check(self, name: str, *, ok: bool) -> None:
        recorder = self.group.recorder
        recorder.check(name, ok=ok)
        if not ok:
            self.failed = True
            recorder.error(CHECK_FAILED, name, now_ns(), lambda: f"the check did not hold: {name}")

    def step(self, name: str) -> Step:
        return self.group.recorder.step(name)

    def fail(self, error: BaseException) -> None:
        """Count *error*, and fail the iteration that runs now."""
        self.failed = True
        note_error(self.group.recorder, error)

    async def start(self) -> BaseException | None:
        """The scenario's start(); the error that it ended with."""
        running_slot.set(self)
        return await _outcome(self.press.start())

    async def stop(self) -> BaseException | None:
        running_slot.set(self)
        return await _outcome(self.press.stop())

    def turns(self) -> Awaitable[None]:
        """Run iterations until the gate has no more: the hot path. Another kind of slot has turns of its own."""
        return turns(self)

    async def run(self) -> None:
        """Run iterations until the gate has no more. One clock reading a turn where the next one is due already."""
        running_slot.set(self)
        self.failed = False  # a check in start() is no iteration's
        while True:
            try:
                return await self.turns()
            except asyncio.CancelledError:
                # Of the slot, or by press() of its own task, and only now, after the iteration, did it arrive.
                if self.group.is_given_up():
                    raise
                uncancel()


class Slots(SlotsBase):
    """All slots of one worker, what they share, and the wake. *clients* are what *press* wants of them."""

    gate: Gate
    recorder: Recorder

    def __init__(
        self,
        press: Pressable,
        numbers: range,
        worker: int,
        clients: Any,
        recorder: Recorder,
        *,
        words: Table,
        takes_word: bool,
        seed: int | None,
    ) -> None:
        self.clock = None
        self.recorder = recorder
        self.words = words
        self.takes_word = takes_word
        self.rng = random.Random(f"{seed}/{worker}")
        self.gate = ClosedGate()
        self.behind: Gate = self.gate
        """The gate that is followed; `gate` is closed while slots are leaving."""
        self.is_cancelling = False
        self.last_index = -1
        """The slot whose iteration was the last to end."""
        self.started_ns = array("q", bytes(8 * len(numbers)))
        """When each slot's iteration started; below 0: it has ended, and none runs."""
        self._in_slot = partial(press.in_slot, worker=worker, clients=clients)
        self._slots = [self.make_slot(i, self._in_slot(n)) for i, n in enumerate(numbers)]
        self._parked: list[Slot] = []
        """Slots that have started and do not press now, the next to be let in last."""
        self._n_leaving = 0
        self._n_missing = 0
        self.n_pressing = 0
        """How many slots are to press, those that are about to leave not counted."""
        self._loop = asyncio.get_running_loop()
        self._timer = open_timer(self._loop, self._wake)
        self._armed_ns = NEVER_NS
        self._next_wake_ns = 0
        self._idle: deque[asyncio.Future[int]] = deque()
        self._is_over = False
        self.given_up_ns: list[int] = []
        """The start of each iteration that the drain gave up."""
        self._tasks: list[asyncio.Task[None]] = []
        self._owner: asyncio.Task[Any] | None = None

    def __len__(self) -> int:
        return len(self._slots)

    def make_slot(self, index: int, press: Any) -> Slot:
        """Other kinds of slots have another turn (`hybridpress.worker.staged`)."""
        return Slot(self, index, press)

    async def start(self) -> list[BaseException]:
        """Every slot's start(); a slot whose start() fails will not press. Returns the errors."""
        tasks = [self._loop.create_task(slot.start()) for slot in self._slots]
        outcomes = await asyncio.gather(*tasks)
        self._slots = [slot for slot, error in zip(self._slots, outcomes, strict=True) if error is None]
        return [error for error in outcomes if error is not None]

    async def stop(self, timeout_s: float) -> None:
        """Every slot's stop(), for *timeout_s* at most; its errors concern nobody any more."""
        tasks = [self._loop.create_task(slot.stop()) for slot in self._slots]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
            await _cancel(tasks)

    def open(self) -> None:
        """Create the slots' tasks. They wait while the gate is closed, and do not outlive the task that opens them."""
        self._owner = asyncio.current_task()
        self._parked = self._slots[::-1]
        self.n_pressing = len(self._slots)
        self._let_in(self.n_pressing)

    def resize(self, n: int) -> None:
        """Let *n* of the slots press, or all that there are: others come in, or leave after their iteration."""
        if self._is_over:
            return
        n_more = n - self.n_pressing
        self.n_pressing = n
        if n_more < 0:
            n_missing = min(-n_more, self._n_missing)
            self._n_missing -= n_missing
            self._n_leaving -= n_more + n_missing
            while self._n_leaving and self._idle:
                self._dismiss(self._idle.pop())
        else:
            n_staying = min(n_more, self._n_leaving)
            self._n_leaving -= n_staying
            self._let_in(n_more - n_staying)
        self.follow(self.behind)

    async def add(self, numbers: Sequence[int]) -> list[BaseException]:
        """Make and start more slots, outside the measured time, for `resize` to let in. Returns the errors."""
        slots = []
        for n in numbers:
            slots.append(self.make_slot(len(self.started_ns), self._in_slot(n)))
            self.started_ns.append(0)
        outcomes = await asyncio.gather(*(self._loop.create_task(slot.start()) for slot in slots))
        added = [slot for slot, error in zip(slots, outcomes, strict=True) if error is None]
        self._slots += added
        self._parked = added[::-1] + self._parked
        return [error for error in outcomes if error is not None]

    def _let_in(self, n: int) -> None:
        self._tasks = [task for task in self._tasks if not task.done()]
        self._n_missing += max(n - len(self._parked), 0)
        for _ in range(min(n, len(self._parked))):
            slot = self._parked.pop()
            task = self._loop.create_task(slot.run())
            task.add_done_callback(partial(self._left, slot))
            self._tasks.append(task)

    def _left(self, slot: Slot, _: asyncio.Task[None]) -> None:
        self._parked.append(slot)
        if self._n_missing and not self._is_over:
            self._n_missing -= 1
            self._let_in(1)

    def _dismiss(self, waiter: asyncio.Future[int]) -> None:
        """The slot that waits for *waiter* leaves."""
        if not waiter.done():
            waiter.set_result(-1)
            self._n_leaving -= 1

    def is_given_up(self) -> bool:
        """Whether a cancellation of a slot's task is meant for the slot, and not by press() for itself."""
        return self.is_cancelling or (self._owner is not None and self._owner.done())

    def follow(self, gate: Gate) -> None:
        """From now on, start what *gate* lets begin."""
        if self._is_over:
            return
        self.behind = gate
        # All slots are busy while some are to leave: the first to come back do.
        self.gate = ClosedGate() if self._n_leaving else gate
        self._wake()

    def has_idle(self) -> bool:
        """Whether a slot waits for something to begin."""
        return bool(self._idle)

    def close(self) -> None:
        """Start nothing any more."""
        self.gate = self.behind = ClosedGate(is_over=True)
        self._is_over = True
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(-1)

    async def drain(self, until_ns: int) -> None:
        """Wait for the iterations in flight until *until_ns*, then give them up."""
        self.close()
        timeout_s = max(until_ns - now_ns(), 0) / 1e9
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        self.is_cancelling = True
        await _cancel(self._tasks)
        self.given_up_ns = self.running_since_ns()
        self._timer.close()

    def running_since_ns(self) -> list[int]:
        """The start of each iteration that runs now."""
        return [since for since in self.started_ns if since > 0]

    def last_start_ns(self) -> int:
        """When the last iteration of all started; 0: none has."""
        return max(map(abs, self.started_ns), default=0)

    def wait(self) -> asyncio.Future[int]:
        """The due time of the iteration that the calling slot is to run; below 0: none, end."""
        waiter: asyncio.Future[int] = self._loop.create_future()
        if self._is_over or self._n_leaving:
            waiter.set_result(-1)
            if self._n_leaving:
                self._n_leaving -= 1
                self.follow(self.behind)
            return waiter
        self._idle.append(waiter)
        self._arm()
        return waiter

    def _arm(self) -> None:
        """Wake when the next iteration is due, but not too soon after the last wake."""
        wake_ns = max(self.gate.due_ns, self._next_wake_ns)
        if wake_ns < self._armed_ns:
            self._armed_ns = wake_ns
            self._timer.arm(wake_ns)

    def _wake(self) -> None:
        """Start all that is due, as far as there are slots for it; then sleep until the next is."""
        gate, idle = self.gate, self._idle
        now = now_ns()
        while idle and gate.due_ns <= now:
            waiter = idle.popleft()
            if not waiter.done():  # cancelled meanwhile
                waiter.set_result(gate.take())
                self._next_wake_ns = now + WAKE_GAP_NS
        self._armed_ns = NEVER_NS
        if idle:
            self._arm()


def is_our_end(error: BaseException) -> bool:
    """Whether *error*, caught around a scenario's method, ends the running task, or was raised by the scenario."""
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and task.cancelling() > 0
    return isinstance(error, GeneratorExit | KeyboardInterrupt)


async def _outcome(awaitable: Awaitable[Any]) -> BaseException | None:
    try:
        await awaitable
    except BaseException as error:
        if is_our_end(error):
            raise
        return error
    return None


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError, Exception):
            await task
