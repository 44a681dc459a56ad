"""Hands batches to the CPU workers, and sees to it that each comes back: done, or given up for a reason.

Each CPU worker has at most `PIPELINE` batches of ours: one that it works on, one so that it need not wait for us. The
batches of one that died are done again by the next. Knows nothing of stock and pace.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hybridpress.worker.cpu.batch import (
    PREPARE_FAILED,
    VERIFY_FAILED,
    Ask,
    Prepared,
    Spoiled,
    ToPrepare,
    ToVerify,
    Verified,
    dump,
    load,
    why_not_picklable,
)
from hybridpress.worker.cpu.link import Link
from hybridpress.worker.cpu.process import Door
from hybridpress.worker.notes import Error, error_of

PIPELINE = 2
MAX_DEATHS = 2
"""A batch over which so many CPU workers died is done again item by item; an item that killed as many more, never."""

Item = tuple[int, Any, bool]
"""To be verified: the number of the word, the reply, whether the iteration has failed already."""


@dataclass(slots=True)
class Batch:
    """A batch, from when it is put together until its answer has come: *numbers* of words to prepare, or *items* to
    verify. *first* is the place of its first one among all words drawn, or all replies handed over.
    """

    numbers: array[int] | None = None
    items: list[Item] | None = None
    first: int = 0
    n_deaths: int = 0
    n_bytes: int = 0
    asked_by: list[asyncio.Future[Any]] | None = None
    """Who waits for which of these words, where they were asked for by number."""

    def __len__(self) -> int:
        return len(self.numbers if self.numbers is not None else self.items or ())

    @property
    def kind(self) -> str:
        """How its errors are called."""
        return PREPARE_FAILED if self.numbers is not None else VERIFY_FAILED

    def ask(self, number: int) -> Ask:
        if self.numbers is not None:
            return ToPrepare(number, self.numbers)
        return ToVerify(number, self.items or [])

    def split(self) -> list[Batch]:
        """The same in batches of one."""
        if self.numbers is not None:
            askers = self.asked_by or []
            return [
                Batch(array("q", [number]), None, self.first + k, self.n_deaths, asked_by=askers[k : k + 1] or None)
                for k, number in enumerate(self.numbers)
            ]
        return [Batch(None, [item], self.first, self.n_deaths) for item in self.items or []]


class Dispatcher:
    """*next_batch* is asked for work on press number *kind* while a CPU worker has time for it. Each batch comes back
    once, by *answered* or by *given_up*, be it in parts.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        doors: Sequence[Door],
        next_batch: Callable[[], Batch | None],
        answered: Callable[[Batch, Prepared | Verified, int], None],
        given_up: Callable[[Batch, Error], None],
        kind: int = 0,
    ) -> None:
        self._next_batch = next_batch
        self._answered = answered
        self._given_up = given_up
        self._links = [Link(loop, door, kind, self._heard, self._lost) for door in doors]
        self._loads = dict.fromkeys(self._links, 0)
        """How many batches each CPU worker has of ours."""
        self._out: dict[int, tuple[Link, Batch]] = {}
        self._again: deque[Batch] = deque()
        self._n_batches = 0

    def open(self) -> None:
        """Connect to the CPU workers.

        Raises:
            OSError: it cannot be done.
        """
        for link in self._links:
            link.open()

    def close(self) -> None:
        for link in self._links:
            link.close()

    def pending(self) -> list[Batch]:
        """The batches that have not come back."""
        return [*(batch for _, batch in self._out.values()), *self._again]

    def dispatch(self) -> None:
        """Give each CPU worker that has time its next batch."""
        loads = self._loads
        while loads[link := min(self._links, key=loads.__getitem__)] < PIPELINE:
            batch = self._again.popleft() if self._again else self._next_batch()
            if batch is None:
                return
            self._give(link, batch)

    def _give(self, link: Link, batch: Batch) -> None:
        self._n_batches += 1
        try:
            body = dump(batch.ask(self._n_batches))
        except Exception:  # noqa: BLE001 (the user's objects raise what they like)
            self._leave_out_unpicklable(batch)
            return
        batch.n_bytes = len(body)
        self._out[self._n_batches] = link, batch
        self._loads[link] += 1
        link.send(body)

    def _leave_out_unpicklable(self, batch: Batch) -> None:
        """Replies that cannot go to another process are not verified, and that is their error."""
        good = []
        for item in batch.items or []:
            if (error := why_not_picklable(item[1])) is None:
                good.append(item)
            else:
                self._given_up(Batch(None, [item], batch.first), error_of(error, VERIFY_FAILED))
        if good:
            self._again.append(Batch(None, good, batch.first))

    def _heard(self, _: Link, body: bytes) -> None:
        answer = load(body, PREPARE_FAILED)
        link, batch = self._out.pop(answer.batch)
        self._loads[link] -= 1
        if not isinstance(answer, Spoiled):
            self._answered(batch, answer, len(body))
        elif len(batch) > 1:
            self._again.extend(batch.split())
        else:
            self._given_up(batch, answer.error)
        self.dispatch()

    def _lost(self, link: Link) -> None:
        """A CPU worker died: open the way to the next, and have it do again what this one had."""
        link.open()
        mine = [number for number, (whose, _) in self._out.items() if whose is link]
        self._loads[link] = 0
        for place, number in enumerate(mine):
            _, batch = self._out.pop(number)
            batch.n_deaths += place == 0  # it was working on this one, if on any of ours
            if batch.n_deaths < MAX_DEATHS or (len(batch) == 1 and batch.n_deaths < 2 * MAX_DEATHS):
                self._again.append(batch)
            elif len(batch) > 1:
                self._again.extend(batch.split())
            else:
                self._given_up(batch, (batch.kind, f"{batch.n_deaths} CPU workers died over it", ""))
        self.dispatch()
