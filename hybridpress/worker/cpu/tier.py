"""All that a load worker has of the CPU tier: a stock of words that are ready, and replies that wait to be verified.

Words are drawn in the order of the table, prepared by whichever CPU worker has time, and handed out in that order.
How many are wanted follows the pace: what is due within the next `AHEAD_NS`, within bounds of number and of bytes.
Replies wait in a backlog with bounds of its own; when it is full, no iteration begins until some were verified.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from hybridpress.clock import now_ns
from hybridpress.metrics.cpu import CpuRecorder
from hybridpress.units import NEVER_NS, NS_PER_MS, NS_PER_S
from hybridpress.worker.cpu.batch import Prepared, Unprepared, Verified
from hybridpress.worker.cpu.cost import Cost
from hybridpress.worker.cpu.dispatch import Batch, Dispatcher, Item
from hybridpress.worker.cpu.process import Door
from hybridpress.worker.cpu.stock import PLENTY, StockedGate
from hybridpress.worker.gate import ClosedGate, Gate
from hybridpress.worker.notes import Error, Notes

AHEAD_NS = 250 * NS_PER_MS
"""Words are made ready so long before they are due: enough to ride out a pause of a CPU worker, and no more, for words
may grow stale (a signature with a time in it).
"""
BACKLOG_NS = 500 * NS_PER_MS
"""Replies that wait are no more than so much work: what verify() finds is told soon after the iteration ended."""
TICK_S = 0.1
NO_WORDS_LEFT = -1
"""What the draw gives when the table has no more words."""


class Tier:
    """One load worker's part of the tier. On its loop alone; `open` first, `close` last.

    *draw* gives the numbers of words in their order, without end or until `NO_WORDS_LEFT`; None where nothing is
    prepared ahead. *began* hears of each such word which slot has it now. *n_slots* are this worker's that it is for,
    *kind* the number of its press in the run.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        doors: Sequence[Door],
        recorder: CpuRecorder,
        draw: Callable[[], int] | None,
        n_slots: int,
        began: Callable[[int], Any] | None = None,
        kind: int = 0,
    ) -> None:
        self._loop = loop
        self._recorder = recorder
        self._draw = draw
        self._n_slots = n_slots
        self._began = began or _nobody_counts
        self._dispatcher = Dispatcher(loop, doors, self._next_batch, self._answered, self._give_up, kind)
        self._preparing, self._verifying = Cost(), Cost()
        self._ready: deque[tuple[int, Any]] = deque()
        self._early: dict[int, tuple[Sequence[int], Sequence[Any]]] = {}
        """Words that came back before others that were drawn before them, by the place of the first."""
        self._n_drawn = self._n_in_order = 0
        self._n_preparing = 0
        self._waiting: deque[tuple[asyncio.Future[tuple[int, Any] | None], int]] = deque()
        """Iterations that have begun and wait for a word of the stock, each with its slot."""
        self._asked: deque[tuple[int, asyncio.Future[Any]]] = deque()
        """Numbers of words that an iteration asked for."""
        self._backlog: deque[Item] = deque()
        self._n_verifying = 0
        self._n_given = 0
        self._n_first = 0
        self._n_last_wanted = 0
        self._has_run_out = draw is None
        self._is_ending = False
        self._is_tick = False
        self._ticker: asyncio.TimerHandle | None = None
        self._n_taken_before = 0
        self._n_taken_a_tick = 0
        self._news = asyncio.Event()
        self.gate = StockedGate(ClosedGate(), self._restock, PLENTY if draw is None else 0)
        self.refilled: Callable[[], None] = _nobody_waits
        """Called when iterations may begin that could not, for want of words or of room for replies."""
        self.ran_out: Callable[[], None] = _nobody_waits
        """Called when there is no more word for an iteration that is still to begin."""
        self.noted: Callable[[Notes, list[Error]], None] = _nobody_reads
        """Takes what verify() noted."""
        self.failed_late: Callable[[int], None] = _nobody_counts
        """Takes how many iterations failed by what verify() found, after they had been counted as completed."""

    def open(self) -> None:
        """Connect to the CPU workers.

        Raises:
            OSError: it cannot be done.
        """
        self._dispatcher.open()
        self._ticker = self._loop.call_later(TICK_S, self._tick)

    async def fill(self, n_words: int, patience_s: float) -> None:
        """Before the load: have *n_words* ready, or as many as there is time for."""
        if self._draw is None:
            return
        self._n_first = n_words
        self._restock()
        until_ns = now_ns() + int(patience_s * NS_PER_S)
        while len(self._ready) < self._n_wanted() and not self._has_run_out and await self._wait(until_ns):
            pass

    def end(self) -> None:
        """No iteration begins any more: prepare nothing, and let no reply wait for its batch to be full."""
        self._is_ending = True
        self._dispatcher.dispatch()

    async def settle(self, until_ns: int) -> None:
        """After the load: wait until every reply was verified, until *until_ns* at most."""
        while self._n_unverified and await self._wait(until_ns):
            pass
        self._recorder.n_unverified += self._n_unverified

    def close(self) -> None:
        """Leave the CPU workers; what they still have of ours is forgotten."""
        if self._ticker is not None:
            self._ticker.cancel()
        self._dispatcher.close()

    # as slots see it

    def over(self, gate: Gate) -> StockedGate:
        """*gate*, as far as the stock goes."""
        if gate is not self.gate:
            self.gate.inner = gate
        self._restock()
        return self.gate

    def pop(self, slot: int = 0) -> tuple[int, Any]:
        """The next word that is ready, with its number: one for each iteration that the gate let begin."""
        self._began(slot)
        return self._ready.popleft()

    # as slots see it that begin iterations by another gate

    def foresee(self, gate: Gate) -> None:
        """Have words ready for what *gate* lets begin; `take` and `wait` give them."""
        self.gate.inner = gate
        self._restock()

    def take(self, slot: int) -> tuple[int, Any] | None:
        """The next word that is ready, and its number; None: there is none yet, or no room for its reply."""
        gate = self.gate
        if self._waiting or gate.n_free <= 0 or gate.is_clogged:
            return None
        gate.take()
        return self.pop(slot)

    def wait(self, slot: int) -> asyncio.Future[tuple[int, Any] | None]:
        """The same, as soon as it is there; None then: there are no more words."""
        waiter: asyncio.Future[tuple[int, Any] | None] = self._loop.create_future()
        self._waiting.append((waiter, slot))
        self._restock()
        return waiter

    def ask(self, number: int) -> asyncio.Future[Any]:
        """Word *number*, prepared, as soon as it can be."""
        waiter: asyncio.Future[Any] = self._loop.create_future()
        self._asked.append((number, waiter))
        self._dispatcher.dispatch()
        return waiter

    def put_back(self) -> None:
        """An iteration that the gate let begin has a word that it asked for, and leaves the stock's to another."""
        self.gate.n_free += 1

    # what it hands over

    def hand_over(self, number: int, reply: Any, *, has_failed: bool) -> None:
        """Have *reply* verified, with word *number*; *has_failed*: the iteration is counted as failed already."""
        self._n_given += 1
        backlog = self._backlog
        backlog.append((number, reply, has_failed))
        if len(backlog) >= self._verifying.batch:
            self._restock()
            self.gate.is_clogged = self._n_unverified >= self._most_unverified

    @property
    def _n_unverified(self) -> int:
        return len(self._backlog) + self._n_verifying

    @property
    def _most_unverified(self) -> int:
        return self._verifying.limit_within(BACKLOG_NS)

    # as the reports see it

    @property
    def n_given(self) -> int:
        """Replies that were handed over so far."""
        return self._n_given

    @property
    def n_settled(self) -> int:
        """So many replies, from the first on without a gap, have been verified."""
        firsts = [batch.first for batch in self._dispatcher.pending() if batch.items is not None]
        return min([*firsts, self._n_given - len(self._backlog)])

    # what is to be done next

    def _tick(self) -> None:
        """Look at the pace, which may have changed, and hand over what waits for its batch to be full."""
        self._ticker = self._loop.call_later(TICK_S, self._tick)
        self._n_taken_a_tick = self.gate.n_taken - self._n_taken_before
        self._n_taken_before = self.gate.n_taken
        self._is_tick = True
        self._restock()
        self._is_tick = False

    def _restock(self) -> None:
        self._dispatcher.dispatch()
        if self._has_run_out and self._draw is not None and not self.gate.n_free and not self._n_preparing:
            was_over, self.gate.inner = self.gate.inner.is_over, ClosedGate(is_over=True)
            has_waiting = bool(self._waiting)
            while self._waiting:
                waiter, _ = self._waiting.popleft()
                if not waiter.done():
                    waiter.set_result(None)
            if has_waiting or not was_over:
                self.ran_out()
        self._mark()

    def _mark(self) -> None:
        """Look again not at each iteration but when half a batch, or half of what is wanted, more is gone."""
        step = max(min(self._preparing.batch, self._n_last_wanted) // 2, 1)
        self.gate.low_at = 0 if self._has_run_out else self.gate.n_free - step

    def _n_wanted(self) -> int:
        """How many words should be ready or on their way."""
        gate, n_waiting = self.gate.inner, len(self._waiting)
        if self._draw is None:
            return 0
        if self._is_ending or (gate.due_ns == NEVER_NS and not isinstance(gate, ClosedGate)):
            return n_waiting
        if isinstance(gate, ClosedGate):
            n_wanted = self._n_first
        elif gate.due_ns:
            n_wanted = max(gate.n_due(now_ns() + AHEAD_NS), 1)
        else:  # unpaced
            n_wanted = self._n_slots + int(self._n_taken_a_tick * AHEAD_NS / (TICK_S * NS_PER_S))
        return min(n_wanted + n_waiting, self._preparing.limit)

    def _next_batch(self) -> Batch | None:
        """Words first, for iterations wait for them; but replies before they clog the gate."""
        if self._asked:
            return self._take_asked()
        if self._backlog and 2 * self._n_unverified > self._most_unverified:
            return self._take_replies()
        n_wanted = self._n_last_wanted = self._n_wanted()
        n_missing = n_wanted - self.gate.n_free - self._n_preparing
        if n_missing >= min(self._preparing.batch, max(n_wanted // 2, 1)) and (words := self._draw_words(n_missing)):
            return words
        if self._backlog and (self._is_tick or self._is_ending or len(self._backlog) >= self._verifying.batch):
            return self._take_replies()
        return None

    def _draw_words(self, n_most: int) -> Batch | None:
        numbers = array("q")
        while not self._has_run_out and len(numbers) < min(n_most, self._preparing.batch):
            assert self._draw is not None
            if (number := self._draw()) == NO_WORDS_LEFT:
                self._has_run_out = True
            else:
                numbers.append(number)
        if not numbers:
            return None
        self._n_preparing += len(numbers)
        self._n_drawn += len(numbers)
        return Batch(numbers, first=self._n_drawn - len(numbers))

    def _take_asked(self) -> Batch:
        asked = [self._asked.popleft() for _ in range(min(len(self._asked), self._preparing.batch))]
        return Batch(array("q", [number for number, _ in asked]), asked_by=[waiter for _, waiter in asked])

    def _take_replies(self) -> Batch:
        first = self._n_given - len(self._backlog)
        n_items = min(len(self._backlog), self._verifying.batch)
        self._n_verifying += n_items
        return Batch(None, [self._backlog.popleft() for _ in range(n_items)], first)

    # what comes back

    def _answered(self, batch: Batch, answer: Prepared | Verified, n_bytes: int) -> None:
        duration_ns = sum(answer.durations_ns)
        if isinstance(answer, Prepared):
            assert batch.numbers is not None
            self._preparing.saw(len(batch), duration_ns, n_bytes)
            self._recorder.prepare_ns.extend(answer.durations_ns)
            self._put(batch, batch.numbers, answer.words)
        else:
            self._verifying.saw(len(batch), duration_ns, batch.n_bytes)
            self._recorder.verify_ns.extend(answer.durations_ns)
            self._verified(len(batch), answer.n_failed, answer.n_newly_failed, answer.notes, answer.errors)

    def _give_up(self, batch: Batch, error: Error) -> None:
        if batch.numbers is not None:
            self._put(batch, batch.numbers, [Unprepared(error)] * len(batch))
        else:
            n_newly_failed = sum(not has_failed for _, _, has_failed in batch.items or ())
            self._verified(len(batch), len(batch), n_newly_failed, Notes(), [error] * len(batch))

    def _put(self, batch: Batch, numbers: Sequence[int], words: Sequence[Any]) -> None:
        """Give words to those who asked for them, or put them into the stock, with those that waited for them: the
        order is the one in which they were drawn.
        """
        if batch.asked_by is not None:
            for waiter, word in zip(batch.asked_by, words, strict=True):
                if not waiter.done():
                    waiter.set_result(word)
            return
        was_starved = self.gate.is_starved
        self._early[batch.first] = numbers, words
        while (found := self._early.pop(self._n_in_order, None)) is not None:
            self._ready.extend(zip(*found, strict=True))
            n_words = len(found[0])
            self._n_in_order += n_words
            self._n_preparing -= n_words
            self.gate.n_free += n_words
        self._mark()
        self._let_begin(was_starved=was_starved)

    def _verified(self, n: int, n_failed: int, n_newly_failed: int, notes: Notes, errors: list[Error]) -> None:
        was_starved = self.gate.is_starved
        self._n_verifying -= n
        self._recorder.n_verify_failed += n_failed
        self.noted(notes, errors)
        if n_newly_failed:
            self.failed_late(n_newly_failed)
        self.gate.is_clogged = self._n_unverified >= self._most_unverified
        self._let_begin(was_starved=was_starved)

    def _let_begin(self, *, was_starved: bool) -> None:
        """The stock has changed: let begin what may begin now, and count what had waited for it."""
        gate = self.gate
        while self._waiting and gate.n_free > 0 and not gate.is_clogged:
            waiter, slot = self._waiting.popleft()
            if not waiter.done():  # given up meanwhile
                gate.take()
                waiter.set_result(self.pop(slot))
                self._recorder.n_waits += 1
        if was_starved and not gate.is_starved:
            n_before = gate.n_taken
            self.refilled()
            self._recorder.n_waits += gate.n_taken - n_before
        self._news.set()

    async def _wait(self, until_ns: int) -> bool:
        """Wait until something came back; False: *until_ns* came first."""
        self._news.clear()
        try:
            async with asyncio.timeout(max(until_ns - now_ns(), 0) / NS_PER_S):
                await self._news.wait()
        except TimeoutError:
            return False
        return True


def _nobody_waits() -> None:
    """Until slots follow the gate."""


def _nobody_reads(_: Notes, __: list[Error]) -> None:
    """Until slots are there."""


def _nobody_counts(_: int) -> None:
    """Until a run begins its intervals."""
