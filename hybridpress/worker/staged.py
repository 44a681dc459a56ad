"""Slots whose turn has more stages than a press(): a word that is prepared, a reply that is verified, a thread.

They run one press, or, in a mix, the parts of a group of which one has stages. A scenario that has none runs on the
plain slots (`hybridpress.worker.slots`), and pays nothing for these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol

from hybridpress.clock import now_ns
from hybridpress.hot import ALONE_NS, give_way, uncancel
from hybridpress.metrics.parts import PartsRecorder
from hybridpress.metrics.recorder import Recorder
from hybridpress.press import Press, running_slot
from hybridpress.worker.blocking import SlotThread, give_thread
from hybridpress.worker.cpu.batch import NO_WORD, VERIFY_FAILED, Unprepared
from hybridpress.worker.cpu.tier import Tier
from hybridpress.worker.gate import Gate
from hybridpress.worker.notes import Error, error_of
from hybridpress.worker.slots import InSlot, Pressable, Slot, Slots
from hybridpress.worker.stages import LATER, UNREAD, USED_UP, Stages

_GIVEN_UP = object()
"""In place of what press() returned: it did not end."""


class Copies(Protocol):
    """What a slot of a mix runs: a copy of each part, by the parts' numbers."""

    @property
    def presses(self) -> Mapping[int, Press]: ...

    def views(self, slot: Slot) -> Mapping[int, Any]:
        """*slot* as each part's code sees it."""


@dataclass(slots=True)
class Chair:
    """One press in one slot: its copy, its stages, perhaps its thread, and the slot as its code sees it."""

    press: Press
    stages: Stages
    thread: SlotThread | None
    view: Any


class StagedSlot(Slot):
    """One virtual user, its press() perhaps in a thread."""

    __slots__ = ("_number", "chairs")

    group: StagedSlots

    def __init__(
        self, group: StagedSlots, index: int, press: InSlot, presses: Mapping[int, Press], number: int
    ) -> None:
        super().__init__(group, index, press)
        self._number = number
        """Among the slots of its group over all workers."""
        views = press.views(self) if hasattr(press, "views") else {}
        self.chairs = {
            kind: Chair(mine, group.lines[kind], group.give_thread(group.lines[kind], mine), views.get(kind, self))
            for kind, mine in presses.items()
        }

    def fail_by(self, error: Error, stages: Stages) -> None:
        """Count an error that was put into words elsewhere, and fail the iteration that runs now."""
        self.failed = True
        stages.note(error)

    async def turns(self) -> None:
        """As the plain slot's, with all the stages: see there."""
        group, index, chairs, next_turn = self.group, self.index, self.chairs, self.group.next_turn
        started_ns, clock = group.started_ns, now_ns
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
            started_ns[index] = start
            kind = next_turn()
            chair = chairs[kind]
            self._enter(kind, chair)
            number, word = chair.stages.word(self._number)
            if word is LATER:
                number, word = await self._word_later(chair.stages, number)
                alone_since = clock()
            if word is _GIVEN_UP:
                return
            if word is USED_UP:
                started_ns[index] = -start
                self._leave(kind)
                return
            if chair.stages.shape.prepares:
                start = clock()  # it was late by that
            reply = await self._pressed(chair, number, word)
            if reply is _GIVEN_UP:
                return
            end = self._conclude(kind, chair, number, reply, due, start, clock())
            thread = chair.thread
            if thread is not None and thread.is_stuck:
                started_ns[index] = -start
                await thread.freed()
            if thread is not None or chair.stages.verifies_inline:
                end = clock()
            if group.last_index != index:
                group.last_index = index
                alone_since = end
            elif end - alone_since > ALONE_NS:
                started_ns[index] = -start
                await give_way()
                alone_since = end = clock()

    def _enter(self, kind: int, chair: Chair) -> None:
        """In a mix: it is the turn of part *kind*."""
        if (noted := self.group.noted) is not None:
            noted.n_started[kind] += 1
            running_slot.set(chair.view)

    def _leave(self, kind: int) -> None:
        """It was not: it has no more words."""
        if (noted := self.group.noted) is not None:
            noted.n_started[kind] -= 1

    async def _word_later(self, stages: Stages, number: int) -> tuple[int, Any]:
        """The number and the word that is waited for; `_GIVEN_UP` for the word where nobody waits any more."""
        waiter = stages.later(self._number, number)
        while True:
            try:
                return stages.came(number, await asyncio.shield(waiter))
            except asyncio.CancelledError:
                if self.group.is_given_up():
                    waiter.cancel()
                    return NO_WORD, _GIVEN_UP
                uncancel()  # it was meant for press() before, of its own task

    def _conclude(self, kind: int, chair: Chair, number: int, reply: Any, due: int, start: int, end: int) -> int:
        """After press(): what is to be done with *reply*, and the iteration noted; its end, as the clock then is."""
        stages, noted = chair.stages, self.group.noted
        if chair.thread is not None and (called := chair.thread.last) is not None:
            called.notes.enter(chair.view)
            start, end = called.began_ns, called.ended_ns
        if stages.verifies_inline and reply is not None:
            self._verify(chair, number, reply)
        if noted is not None:
            noted.ended.append(2 * kind + self.failed)
        end = self._count(due, start, end)
        if stages.hand_over is not None and reply is not None:
            stages.hand_over(number, reply, has_failed=self.failed)
        self.failed = False
        return end

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
        (chair,) = self.chairs.values()
        stages, thread = chair.stages, chair.thread
        word = stages.prepared(number) if stages.shape.prepares else UNREAD
        reply = await self._pressed(chair, number, word)
        if thread is not None and thread.last is not None:
            thread.last.notes.enter(self)
        if stages.shape.verifies and reply is not None:
            self._verify(chair, number, reply)
        return reply

    async def _pressed(self, chair: Chair, number: int, word: Any) -> Any:
        """press() with *word*; what it returned, None where it failed."""
        stages = chair.stages
        if chair.thread is not None:
            chair.thread.last = None
        if type(word) is Unprepared:
            stages.samples.n_prepare_failed += 1
            self.fail_by(word.error, stages)
            stages.done(self._number)
            return None
        try:
            if not stages.shape.takes_word:
                return await chair.press.press()
            return await chair.press.press(stages.words[number] if word is UNREAD else word)
        except BaseException as error:  # noqa: BLE001 (whatever press() raises is data)
            is_cut = isinstance(error, GeneratorExit | asyncio.CancelledError)
            if is_cut and (self.group.is_given_up() or isinstance(error, GeneratorExit)):
                return _GIVEN_UP
            self.fail(error)
            if isinstance(error, asyncio.CancelledError):
                uncancel()
            return None
        finally:
            stages.done(self._number)

    def _verify(self, chair: Chair, number: int, reply: Any) -> None:
        """Verify *reply* here and now, before its iteration is counted."""
        stages = chair.stages
        if not stages.is_sampled():
            return
        samples = stages.samples
        had_failed, self.failed = self.failed, False
        begun = now_ns()
        try:
            stages.verify(None if number == NO_WORD else stages.words[number], reply)
        except BaseException as error:  # noqa: BLE001 (whatever it raises is data)
            self.fail_by(error_of(error, VERIFY_FAILED), stages)
        samples.verify_ns.append(now_ns() - begun)
        samples.n_verify_failed += self.failed
        self.failed |= had_failed


class StagedSlots(Slots):
    """All slots of one worker, or of one group of a mix, where an iteration has stages."""

    def __init__(
        self,
        press: Pressable,
        numbers: range,
        worker: int,
        clients: Any,
        recorder: Recorder,
        lines: Mapping[int, Stages],
        *,
        next_turn: Callable[[], int] | None = None,
        noted: PartsRecorder | None = None,
        offset: int = 0,
    ) -> None:
        """*lines* are the stages of each press that the slots run, by its number. In a mix *next_turn* says whose turn
        it is, *noted* takes what becomes of it, and the slots are numbered over the whole run, from *offset* on.
        """
        self.lines = lines
        self.noted = noted
        self.next_turn: Callable[[], int] = next_turn or repeat(next(iter(lines))).__next__
        self._offset = offset
        self._threads: list[SlotThread] = []
        super().__init__(press, numbers, worker, clients, recorder, words=[], takes_word=False, seed=None)
        for stages in lines.values():
            if stages.tier is not None:
                stages.tier.refilled = self._wake

    @property
    def tiers(self) -> dict[str, Tier]:
        """Of the CPU workers what the slots have, by the names of the parts; "" where there are no parts."""
        return {stages.part: stages.tier for stages in self.lines.values() if stages.tier is not None}

    def make_slot(self, index: int, press: Any) -> Slot:
        if isinstance(press, Press):
            return StagedSlot(self, index, press, dict.fromkeys(self.lines, press), press.slot - self._offset)
        return StagedSlot(self, index, press, press.presses, press.number - self._offset)

    def give_thread(self, stages: Stages, press: Press) -> SlotThread | None:
        """The thread in which *press*, one slot's copy, runs its press(), if it blocks."""
        blocks = stages.shape.blocks
        thread = give_thread(press, f"slot-{press.slot}", stages.timeout_s, presses=blocks)
        if thread is not None:
            self._threads.append(thread)
        return thread if blocks else None

    def follow(self, gate: Gate) -> None:
        (stages, *others) = self.lines.values()
        is_gated = self.noted is None and stages.tier is not None and not others
        super().follow(stages.tier.over(gate) if is_gated and stages.tier is not None else gate)

    def close(self) -> None:
        super().close()
        for stages in self.lines.values():
            if stages.tier is not None:
                stages.tier.end()
        for thread in self._threads:
            thread.leave()
