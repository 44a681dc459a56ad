"""Slots whose turn has more stages than a press(): a word that is prepared, a reply that is verified, a thread.

A scenario that has none of them runs on the plain slots (`hybridpress.worker.slots`), and pays nothing for these.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any

from hybridpress.clients.kit import Clients
from hybridpress.clients.trace import Step
from hybridpress.clock import now_ns
from hybridpress.hot import ALONE_NS, give_way, uncancel
from hybridpress.metrics.cpu import CpuRecorder
from hybridpress.metrics.recorder import Recorder
from hybridpress.press import Press
from hybridpress.scenario import Shape
from hybridpress.vocab.table import Table
from hybridpress.worker.blocking import SlotThread, give_thread
from hybridpress.worker.cpu.batch import NO_WORD, PREPARE_FAILED, VERIFY_FAILED, Unprepared
from hybridpress.worker.cpu.tier import Tier
from hybridpress.worker.gate import Gate
from hybridpress.worker.notes import Error, Notes, error_of
from hybridpress.worker.slots import CHECK_FAILED, Slot, Slots

_GIVEN_UP = object()
"""In place of what press() returned: it did not end."""


@dataclass(slots=True)
class Stages:
    """What there is to an iteration besides its press(), in one worker.

    With a *tier* words come from it ready, and replies go to it; without one both kinds of work are done in line, where
    they hold up the loop. *recorder* takes what they cost, *sample* is the share of replies to verify.
    """

    shape: Shape
    recorder: CpuRecorder
    timeout_s: float
    tier: Tier | None = None
    sample: float = 1.0

    @property
    def has_stock(self) -> bool:
        """Whether words come from the tier."""
        return self.tier is not None and self.shape.prepares


class StagedSlot(Slot):
    """One virtual user, its press() perhaps in a thread."""

    __slots__ = ("_stages", "thread")

    group: StagedSlots

    def __init__(self, group: StagedSlots, index: int, press: Press, thread: SlotThread | None) -> None:
        super().__init__(group, index, press)
        self._stages = group.stages
        self.thread = thread

    def fail_by(self, error: Error) -> None:
        """Count an error that was put into words elsewhere, and fail the iteration that runs now."""
        self.failed = True
        self.group.note(error)

    async def turns(self) -> None:
        """As the plain slot's, with all the stages: see there."""
        group, index, thread = self.group, self.index, self.thread
        started_ns, clock, hand_over = group.started_ns, now_ns, group.hand_over
        prepares_inline, verifies_inline = group.prepares_inline, group.verifies_inline
        start = abs(started_ns[index])
        alone_since = end = clock()
        while True:
            gate = group.gate
            if gate.due_ns <= end:
                take = gate.take
                due = take()
                start = end
            else:
                started_ns[index] = -start
                due = await group.wait()
                if due < 0:
                    return
                alone_since = start = clock()
            number, word = group.next_word()
            if prepares_inline:
                start = clock()  # it was late by that
            started_ns[index] = start
            reply = await self._pressed(word)
            if reply is _GIVEN_UP:
                return
            end = clock()
            if thread is not None and (called := thread.last) is not None:
                called.notes.enter(self)
                start, end = called.began_ns, called.ended_ns
            if verifies_inline and reply is not None:
                self._verify(number, reply)
            end = self._count(due, start, end)
            if hand_over is not None and reply is not None:
                hand_over(number, reply, has_failed=self.failed)
            self.failed = False
            if thread is not None and thread.is_stuck:
                started_ns[index] = -start
                await thread.freed()
            if thread is not None or verifies_inline:
                end = clock()
            if group.last_index != index:
                group.last_index = index
                alone_since = end
            elif end - alone_since > ALONE_NS:
                started_ns[index] = -start
                await give_way()
                alone_since = end = clock()

    def _count(self, due: int, start: int, end: int) -> int:
        """Note an iteration; its end, as the clock then is."""
        recorder = self.group.recorder
        if end >= recorder.until_ns:
            recorder.cut(end)
            flush_ns = now_ns() - end  # neither this iteration's time nor the next one's
            due, start, end = due + flush_ns, start + flush_ns, end + flush_ns
        recorder.service_ns.append(end - start)
        if recorder.paced:
            recorder.lateness_ns.append(start - due)
        recorder.last_end_ns = max(end, recorder.last_end_ns)
        if self.failed:
            recorder.n_failed += 1
        return end

    async def once(self, number: int) -> Any:
        """One iteration with word *number*, in line and by itself; what press() returned."""
        group, shape = self.group, self._stages.shape
        word = None
        if group.takes_word:
            word = group.prepared(number) if shape.prepares else group.words[number]
        reply = await self._pressed(word)
        if self.thread is not None and self.thread.last is not None:
            self.thread.last.notes.enter(self)
        if shape.verifies and reply is not None:
            self._verify(number, reply)
        return reply

    async def _pressed(self, word: Any) -> Any:
        """press() with *word*; what it returned, None where it failed."""
        if type(word) is Unprepared:
            if self.thread is not None:
                self.thread.last = None  # it was not called
            self._stages.recorder.n_prepare_failed += 1
            self.fail_by(word.error)
            return None
        try:
            if self.group.takes_word:
                return await self.press.press(word)
            return await self.press.press()
        except BaseException as error:  # noqa: BLE001 (whatever press() raises is data)
            is_cut = isinstance(error, GeneratorExit | asyncio.CancelledError)
            if is_cut and (self.group.is_given_up() or isinstance(error, GeneratorExit)):
                return _GIVEN_UP
            self.fail(error)
            if isinstance(error, asyncio.CancelledError):
                uncancel()
            return None

    def _verify(self, number: int, reply: Any) -> None:
        """Verify *reply* here and now, before its iteration is counted."""
        if not self.group.is_sampled():
            return
        recorder = self._stages.recorder
        had_failed, self.failed = self.failed, False
        begun = now_ns()
        try:
            self.group.verify(None if number == NO_WORD else self.group.words[number], reply)
        except BaseException as error:  # noqa: BLE001 (whatever it raises is data)
            self.fail_by(error_of(error, VERIFY_FAILED))
        recorder.verify_ns.append(now_ns() - begun)
        recorder.n_verify_failed += self.failed
        self.failed |= had_failed


class StagedSlots(Slots):
    """All slots of one worker, where an iteration has stages."""

    def __init__(
        self,
        press: Press,
        numbers: range,
        worker: int,
        clients: Clients,
        recorder: Recorder,
        *,
        words: Table,
        takes_word: bool,
        seed: int | None,
        stages: Stages,
    ) -> None:
        self.stages = stages
        self._threads: list[SlotThread] = []
        super().__init__(press, numbers, worker, clients, recorder, words=words, takes_word=takes_word, seed=seed)
        self.prepares_inline = stages.shape.prepares
        self.verifies_inline = stages.shape.verifies
        self.hand_over: Callable[..., None] | None = None
        self._prepare, self.verify = press.prepare, press.verify  # of no slot's object, as in a CPU worker
        self._nowhere = Context()
        self._chance = random.Random(f"{seed}/{worker}/verify").random

    def attach(self, tier: Tier) -> None:
        """From now on words come from *tier*, and replies go to it."""
        self.stages.tier = tier
        self.prepares_inline = self.verifies_inline = False
        if self.stages.shape.verifies:
            self.hand_over = tier.hand_over if self.stages.sample >= 1 else self._hand_over
        tier.refilled, tier.noted = self._wake, self._enter

    def make_slot(self, index: int, press: Press) -> Slot:
        stages = self.stages
        thread = give_thread(press, f"slot-{press.slot}", stages.timeout_s, presses=stages.shape.blocks)
        if thread is not None:
            self._threads.append(thread)
        return StagedSlot(self, index, press, thread if stages.shape.blocks else None)

    def follow(self, gate: Gate) -> None:
        tier = self.stages.tier
        super().follow(gate if tier is None else tier.over(gate))

    def close(self) -> None:
        super().close()
        if self.stages.tier is not None:
            self.stages.tier.end()
        for thread in self._threads:
            thread.leave()

    def draw(self) -> int:
        """The number of the next word."""
        return int(self.rng.random() * len(self.words))

    def next_word(self) -> tuple[int, Any]:
        """The next iteration's word and its number: from the stock, or prepared here and now."""
        stages = self.stages
        if stages.has_stock:
            assert stages.tier is not None
            return stages.tier.pop()
        if not self.takes_word:
            return NO_WORD, None
        number = self.draw()
        return number, self.prepared(number) if self.prepares_inline else self.words[number]

    def prepared(self, number: int) -> Any:
        """Word *number*, prepared; an `Unprepared` where that fails. Not in a slot's context: prepare() is no part of
        the iteration, and finds no slot in a CPU worker either.
        """
        begun = now_ns()
        try:
            word = self._nowhere.run(self._prepare, self.words[number])
        except BaseException as error:  # noqa: BLE001 (whatever it raises is data)
            word = Unprepared(error_of(error, PREPARE_FAILED))
        self.stages.recorder.prepare_ns.append(now_ns() - begun)
        return word

    def is_sampled(self) -> bool:
        """Whether the reply at hand is one to verify."""
        return self.stages.sample >= 1 or self._chance() < self.stages.sample

    def _hand_over(self, number: int, reply: Any, *, has_failed: bool) -> None:
        """Have *reply* verified by the tier, if it is one of the sample."""
        if self.is_sampled():
            assert self.stages.tier is not None
            self.stages.tier.hand_over(number, reply, has_failed=has_failed)

    def note(self, error: Error) -> None:
        """Count an error that was put into words elsewhere."""
        kind, message, example = error
        self.recorder.error(kind, message, now_ns(), lambda: example)

    # as `notes.Book`: what verify() noted in a CPU worker belongs to no slot any more

    def check(self, name: str, *, ok: bool) -> None:
        self.recorder.check(name, ok=ok)
        if not ok:
            self.note((CHECK_FAILED, name, f"the check did not hold: {name}"))

    def step(self, name: str) -> Step:
        return self.recorder.step(name)

    def _enter(self, notes: Notes, errors: Sequence[Error]) -> None:
        notes.enter(self)
        for error in errors:
            self.note(error)
