"""Several presses in the slots of one worker: whose turn it is, is decided when an iteration starts.

A mix stands for a scenario: its press() takes no word, finds out whose turn it is, and runs that part's press() with a
word of its own. So the slot's turn need not know of mixes, and costs the same without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hybridpress.clients.kit import Clients
from hybridpress.clients.trace import Step
from hybridpress.hot import NoWordError
from hybridpress.load.proportion import turns_by_weight
from hybridpress.metrics.interval import CheckCounts, Interval
from hybridpress.metrics.parts import PartCounts, PartsRecorder
from hybridpress.metrics.recorder import Recorder
from hybridpress.parts import RunPart
from hybridpress.press import Press, running_slot
from hybridpress.worker.drawn import Drawing, Once
from hybridpress.worker.slots import Slot, SlotTrace


def named(part: str, name: str) -> str:
    """How a step or a check of a part is named in the run."""
    return f"{part}: {name}"


class PartSlot:
    """A slot as the code of one part sees it: its steps and checks are the part's own."""

    def __init__(self, slot: Slot, part: str) -> None:
        self._slot = slot
        self._part = part
        self.checks = _PartChecks(slot.checks, part)

    def check(self, name: str, *, ok: bool) -> None:
        self._slot.check(named(self._part, name), ok=ok)

    def step(self, name: str) -> Step:
        return self._slot.step(named(self._part, name))

    def fail(self, error: Exception) -> None:
        self._slot.fail(error)


class _PartChecks(Mapping[str, CheckCounts]):
    """The run's checks, of which one part knows its own, by the names that it gave them."""

    def __init__(self, checks: dict[str, CheckCounts], part: str) -> None:
        self._checks = checks
        self._prefix = named(part, "")

    def get(self, name: str, default: Any = None) -> Any:  # what check() asks for each time
        return self._checks.get(self._prefix + name, default)

    def __getitem__(self, name: str) -> CheckCounts:
        return self._checks[self._prefix + name]

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._checks if name.startswith(self._prefix))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class PartTrace(SlotTrace):
    """What the clients of one part tell of their exchanges."""

    def __init__(self, recorder: Recorder, part: str) -> None:
        super().__init__(recorder)
        self._part = part

    def step(self, name: str) -> Step:
        return super().step(named(self._part, name))

    def fail(self, error: Exception) -> None:
        slot = running_slot.get(None)
        if isinstance(slot, PartSlot):
            slot.fail(error)
        else:
            super().fail(error)


class PartsClients:
    """The clients of a worker's mix: each part has its own, as each may have another host and other settings."""

    def __init__(self, of_parts: Mapping[str, Clients]) -> None:
        self._of_parts = of_parts

    def __getitem__(self, part: str) -> Clients:
        return self._of_parts[part]

    async def close(self) -> None:
        for clients in self._of_parts.values():
            await clients.close()


class Mix:
    """The parts of one worker, and whose turn it is. What `Slots` ask of a scenario."""

    def __init__(
        self, parts: Sequence[RunPart], worker: int, recorder: Recorder, ran_out: Callable[[str], None]
    ) -> None:
        """*ran_out* is called with the part that has no more words: it cannot have its share any more."""
        self._parts = parts
        self._drawings = [_drawing(part, worker, ran_out) for part in parts]
        self.turns = turns_by_weight([part.turns for part in parts])
        self.noted = recorder.parts = PartsRecorder([part.name for part in parts])

    def in_slot(self, number: int, worker: int, clients: PartsClients) -> MixSlot:
        mine = [part.press.in_slot(number, worker, clients[part.name]) for part in self._parts]
        calls = [
            press.press if drawing is None else drawing.once(press.press, number)
            for press, drawing in zip(mine, self._drawings, strict=True)
        ]
        return MixSlot(self, [part.name for part in self._parts], mine, calls)

    def drop(self, n: int, interval: Interval) -> None:
        """The next *n* iterations were due and will not start: note whose they are."""
        for _ in range(n):
            name = self._parts[next(self.turns)].name
            interval.parts.setdefault(name, PartCounts()).dropped += 1


def _drawing(part: RunPart, worker: int, ran_out: Callable[[str], None]) -> Drawing | None:
    return Drawing(part.supply, worker, lambda: ran_out(part.name)) if part.shape.takes_word else None


class MixSlot:
    """One slot of a mix: a copy of each part."""

    def __init__(self, mix: Mix, names: Sequence[str], presses: Sequence[Press], calls: Sequence[Once]) -> None:
        self._names = names
        self._presses = presses
        self._calls = calls
        self._next_turn = mix.turns.__next__
        self._n_started = mix.noted.n_started
        self._note_end = mix.noted.ended.append
        self._slot: Slot | None = None
        self._views: list[PartSlot] = []

    async def start(self) -> None:
        """Each part's start(), one after another."""
        self._seat()
        for view, press in zip(self._views, self._presses, strict=True):
            running_slot.set(view)
            await press.start()

    async def stop(self) -> None:
        """Each part's stop(), also after another's error; the first of these is raised then."""
        self._seat()
        errors = []
        for view, press in zip(self._views, self._presses, strict=True):
            running_slot.set(view)
            try:
                await press.stop()
            except Exception as error:  # noqa: BLE001 (raised below)
                errors.append(error)
        if errors:
            raise errors[0]

    async def press(self) -> Any:
        """One iteration of the part whose turn it is."""
        slot = self._slot or self._seat()
        kind = self._next_turn()
        running_slot.set(self._views[kind])
        self._n_started[kind] += 1
        try:
            reply = await self._calls[kind]()
        except NoWordError:
            self._n_started[kind] -= 1
            raise
        except BaseException as error:
            # As in the slot's turn: one that is given up has not ended.
            is_cut = isinstance(error, asyncio.CancelledError) and slot.group.is_given_up()
            if not is_cut and not isinstance(error, GeneratorExit):
                self._note_end(2 * kind + 1)
            raise
        self._note_end(2 * kind + slot.failed)
        return reply

    def _seat(self) -> Slot:
        """The slot that runs this, which each slot's own context knows."""
        if self._slot is None:
            slot = running_slot.get()
            assert isinstance(slot, Slot)
            self._slot = slot
            self._views = [PartSlot(slot, name) for name in self._names]
        return self._slot
