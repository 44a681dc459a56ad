"""Several presses in the slots of one worker: whose turn it is, is decided when an iteration starts.

A mix stands for a scenario: its press() takes no word, finds out whose turn it is, and runs that part's press() with a
word of its own. So the slot's turn need not know of mixes, and costs the same without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hybridpress.clients.kit import Clients
from hybridpress.clients.trace import Step
from hybridpress.hot import NoWordError
from hybridpress.metrics.interval import CheckCounts
from hybridpress.metrics.parts import PartsRecorder, named
from hybridpress.metrics.recorder import Recorder
from hybridpress.parts import RunPart
from hybridpress.press import Press, running_slot
from hybridpress.worker.drawn import Drawing, Once
from hybridpress.worker.slots import Slot, SlotTrace


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

    @property
    def failed(self) -> bool:
        """Whether the iteration that runs now has failed so far."""
        return self._slot.failed


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
    """The parts that one group of a worker's slots runs. What `Slots` ask of a scenario."""

    def __init__(
        self,
        parts: Mapping[int, RunPart],
        drawings: Mapping[int, Drawing],
        noted: PartsRecorder,
        next_turn: Callable[[], int],
        offset: int = 0,
    ) -> None:
        """*next_turn* says whose turn it is, by the numbers of *parts*. *drawings* are of those that take words; their
        slots are numbered over the whole run, as all slots are, from *offset* on.
        """
        self.parts = parts
        self.noted = noted
        self.next_turn = next_turn
        self._drawings = drawings
        self._offset = offset

    def in_slot(self, number: int, worker: int, clients: PartsClients) -> MixSlot:
        return MixSlot(self, number, worker, clients)

    def call(self, kind: int, press: Press, number: int) -> Once:
        """One iteration of part *kind* in slot *number*, whose copy is *press*."""
        drawing = self._drawings.get(kind)
        call: Once = press.press
        return call if drawing is None else drawing.once(press.press, number - self._offset)


@dataclass(frozen=True, slots=True)
class StagedMix:
    """The parts of a group of slots that know whose turn it is (`hybridpress.worker.staged`)."""

    parts: Mapping[int, RunPart]

    def in_slot(self, number: int, worker: int, clients: PartsClients) -> Copies:
        return Copies(self.parts, number, worker, clients)


class Copies:
    """What one slot has of a mix: a copy of each part, by the parts' numbers. *number* is the slot's, over the run."""

    def __init__(self, parts: Mapping[int, RunPart], number: int, worker: int, clients: PartsClients) -> None:
        self.number = number
        self.presses = {kind: part.press.in_slot(number, worker, clients[part.name]) for kind, part in parts.items()}
        self._names = {kind: part.name for kind, part in parts.items()}
        self._slot: Slot | None = None
        self._views: dict[int, PartSlot] = {}

    def views(self, slot: Slot) -> dict[int, PartSlot]:
        """*slot*, which runs this, as each part's code sees it."""
        self._slot = slot
        self._views = {kind: PartSlot(slot, name) for kind, name in self._names.items()}
        return self._views

    async def start(self) -> None:
        """Each part's start(), one after another."""
        self._seat()
        for kind, press in self.presses.items():
            running_slot.set(self._views[kind])
            await press.start()

    async def stop(self) -> None:
        """Each part's stop(), also after another's error; the first of these is raised then."""
        self._seat()
        errors = []
        for kind, press in self.presses.items():
            running_slot.set(self._views[kind])
            try:
                await press.stop()
            except Exception as error:  # noqa: BLE001 (raised below)
                errors.append(error)
        if errors:
            raise errors[0]

    async def press(self) -> Any:
        """Where the slot does not run the parts by itself."""
        raise NotImplementedError

    def _seat(self) -> Slot:
        """The slot that runs this, which each slot's own context knows."""
        if self._slot is None:
            slot = running_slot.get()
            assert isinstance(slot, Slot)
            self.views(slot)
            return slot
        return self._slot


class MixSlot(Copies):
    """One slot of a mix whose parts have nothing but an async press(): one iteration is that of the part whose turn it
    is.
    """

    def __init__(self, mix: Mix, number: int, worker: int, clients: PartsClients) -> None:
        super().__init__(mix.parts, number, worker, clients)
        self._calls = {kind: mix.call(kind, press, number) for kind, press in self.presses.items()}
        self._next_turn = mix.next_turn
        self._n_started = mix.noted.n_started
        self._note_end = mix.noted.ended.append

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
