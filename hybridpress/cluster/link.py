"""Messages between two ends over calls that may be lost, doubled or overtaken: numbered, kept until they are confirmed.

What goes over a link is cut into pieces small enough to travel with a call itself. Each piece has a number; the other
end says up to which one it has them all. A piece that is lost is sent again, one that comes twice is passed over, and
messages come out whole, in order, once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

PIECE_BYTES = 60_000
"""A call carries up to 100 KB by itself; what is more goes through Ray's object store."""
BATCH_BYTES = 90_000


class Piece(NamedTuple):
    """One piece of a message; *is_last*: the message ends with it."""

    number: int
    is_last: bool
    data: bytes


class Outbox:
    """What is to be sent, from piece 1 on, until it is confirmed."""

    def __init__(self) -> None:
        self._kept: deque[Piece] = deque()
        self._next = 1
        self._sent = 0
        """Up to this number they were sent, and may be under way."""

    def put(self, message: bytes) -> None:
        """One more message, of one byte at least."""
        for begin in range(0, len(message), PIECE_BYTES):
            is_last = begin + PIECE_BYTES >= len(message)
            self._kept.append(Piece(self._next, is_last, message[begin : begin + PIECE_BYTES]))
            self._next += 1

    def confirmed(self, number: int) -> None:
        """The other end has all up to *number*."""
        while self._kept and self._kept[0].number <= number:
            self._kept.popleft()

    def batch(self) -> list[Piece]:
        """The next pieces that were not sent yet, as many as a call carries."""
        found: list[Piece] = []
        n_bytes = 0
        for piece in self._kept:
            if piece.number <= self._sent:
                continue
            n_bytes += len(piece.data)
            if found and n_bytes > BATCH_BYTES:
                break
            found.append(piece)
        if found:
            self._sent = found[-1].number
        return found

    def again(self) -> None:
        """A call was lost: what is not confirmed is to be sent once more."""
        self._sent = self._kept[0].number - 1 if self._kept else self._next - 1

    @property
    def has_news(self) -> bool:
        """Whether there are pieces that were not sent yet."""
        return self._sent < self._next - 1

    @property
    def is_empty(self) -> bool:
        """Whether all was confirmed."""
        return not self._kept


class Inbox:
    """What comes from the other end's outbox."""

    def __init__(self) -> None:
        self._early: dict[int, Piece] = {}
        self._parts: list[bytes] = []
        self.heard = 0
        """All pieces up to this number are there."""

    def take(self, pieces: Iterable[Piece]) -> list[bytes]:
        """The messages that are whole with these *pieces*, in order."""
        for piece in pieces:
            if piece.number > self.heard:
                self._early[piece.number] = piece
        found = []
        while (next_piece := self._early.pop(self.heard + 1, None)) is not None:
            self.heard += 1
            self._parts.append(next_piece.data)
            if next_piece.is_last:
                found.append(b"".join(self._parts))
                self._parts = []
        return found
