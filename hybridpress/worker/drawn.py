"""A scenario whose words are drawn in another way than at random: what its slots run instead of it.

The slot's turn draws words at random by itself, which costs it the least. Every other way is a press() without a word
around the scenario's own, so that the turn need not know of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from hybridpress.clients.kit import Clients
from hybridpress.hot import NoWordError
from hybridpress.press import Press
from hybridpress.vocab.supply import Supply

Once = Callable[[], Coroutine[Any, Any, Any]]
"""One iteration, from the draw of its word on."""


class Drawing:
    """One press's words as the slots of one worker draw them. *ran_out* is called when there are no more."""

    def __init__(self, supply: Supply, worker: int, ran_out: Callable[[], None]) -> None:
        self.table = supply.table
        self._draw = supply.draw(worker)
        self._ran_out = ran_out

    def once(self, call: Callable[[Any], Awaitable[Any]], number: int) -> Once:
        """What slot *number* runs: *call* with the next word, which raises `NoWordError` where there is none."""
        draw, table, ran_out = self._draw, self.table, self._ran_out
        next_index = draw.next

        async def plain() -> Any:
            index = next_index(number)
            if index < 0:
                ran_out()
                raise NoWordError
            return await call(table[index])

        async def noted() -> Any:
            index = next_index(number)
            if index < 0:
                ran_out()
                raise NoWordError
            try:
                return await call(table[index])
            finally:
                draw.done(number)

        return noted if draw.is_noted else plain


class DrawnPress:
    """Stands for *press*: what `Slots` ask of a scenario, with the words of *drawing*."""

    def __init__(self, press: Press, drawing: Drawing) -> None:
        self._press = press
        self._drawing = drawing

    def in_slot(self, number: int, worker: int, clients: Clients) -> DrawnSlot:
        mine = self._press.in_slot(number, worker, clients)
        return DrawnSlot(mine, self._drawing.once(mine.press, number))


class DrawnSlot:
    """One slot's copy of the scenario; its `press` needs no word."""

    __slots__ = ("press", "start", "stop")

    def __init__(self, mine: Press, press: Once) -> None:
        self.press = press
        self.start = mine.start
        self.stop = mine.stop
