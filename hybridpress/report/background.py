"""Outputs that send what they are told somewhere: a thread does it, and the run never waits for it.

What is to be sent waits in a queue of bounded length. When that is full, because nobody takes it or too slowly, the
oldest is dropped; how much that was is told at the end.
"""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections import deque
from typing import Generic, TypeVar

from hybridpress.metrics.news import Status
from hybridpress.report.output import Obey, Output
from hybridpress.units import format_count

MAX_WAITING = 60
"""With one piece a second, a minute's."""
LAST_WAIT_S = 3.0
"""How long the end of a run waits for what is still to be sent."""
MAX_TEXT_CHARACTERS = 300

Piece = TypeVar("Piece")


class Background(Output, Generic[Piece]):
    """Sends pieces in their order. A subclass makes them in its calls, gives them to `put`, and has `send`."""

    def __init__(self) -> None:
        self._waiting: deque[Piece] = deque()
        self._n_dropped = 0
        self._n_failed = 0
        self._trouble: str | None = None
        self._is_troubled = False
        self._is_ending = False
        self._thread: threading.Thread | None = None
        self._news = threading.Condition()

    @abstractmethod
    def send(self, pieces: list[Piece]) -> None:
        """Send what has come together, in the thread. What it raises is told once, until it goes well again; the pieces
        are then lost.
        """

    def stop(self) -> None:
        """Let go of what `send` used, in the thread."""

    def put(self, piece: Piece) -> None:
        """Send *piece* when its turn comes."""
        with self._news:
            self._waiting.append(piece)
            if len(self._waiting) > MAX_WAITING:
                self._waiting.popleft()
                self._n_dropped += 1
            self._news.notify()

    async def open(self, obey: Obey) -> None:
        self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
        self._thread.start()

    def tick(self, status: Status) -> None:
        self._tell()

    async def shut(self) -> None:
        thread = self._thread
        if thread is None:
            return
        with self._news:
            self._is_ending = True
            self._news.notify()
        await asyncio.to_thread(thread.join, LAST_WAIT_S)
        self._tell()
        n_lost = self._n_dropped + self._n_failed + len(self._waiting)
        if thread.is_alive():
            self.complain(f"still busy {LAST_WAIT_S:g} s after the end: what it had to send may be lost")
        elif n_lost:
            self.complain(f"{format_count(n_lost)} of its pieces were not sent")

    def _tell(self) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            self.complain(trouble)

    def _work(self) -> None:
        while True:
            with self._news:
                while not self._waiting and not self._is_ending:
                    self._news.wait()
                pieces = [*self._waiting]
                self._waiting.clear()
                is_ending = self._is_ending
            if pieces:
                self._try(pieces)
            if is_ending and not self._waiting:
                break
        try:
            self.stop()
        except Exception as error:  # noqa: BLE001 (told, whatever it is)
            self._trouble = _in_words(error)

    def _try(self, pieces: list[Piece]) -> None:
        try:
            self.send(pieces)
        except Exception as error:  # noqa: BLE001 (told, whatever it is)
            self._n_failed += len(pieces)
            if not self._is_troubled:
                self._is_troubled, self._trouble = True, _in_words(error)
        else:
            self._is_troubled = False


def _in_words(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[:MAX_TEXT_CHARACTERS]
