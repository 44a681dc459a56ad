"""What is wrong with a table's file, gathered so that all of it is told at once, and not more than can be read."""

from __future__ import annotations

from hybridpress.errors import UsageError
from hybridpress.units import format_count

MAX_TOLD = 10


class Mistakes:
    """The mistakes of one file. The first ten are kept; the others are counted."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._told: list[str] = []
        self._n_untold = 0

    def add(self, line: int, what: str) -> None:
        """Note that line number *line*, from 1, is wrong: *what* goes on the sentence that its place begins."""
        if self.n_more:
            self._told.append(f"{self._name}:{line}: {what}")
        else:
            self._n_untold += 1

    def add_untold(self, n: int) -> None:
        """Note *n* more that nobody needs to read."""
        self._n_untold += n

    @property
    def n_more(self) -> int:
        """How many more are told; further ones are only counted."""
        return MAX_TOLD - len(self._told)

    def check(self) -> None:
        """Do nothing when nothing is wrong.

        Raises:
            UsageError: all mistakes.
        """
        if self._told:
            more = [f"{self._name}: {format_count(self._n_untold)} more such mistakes"] if self._n_untold else []
            raise UsageError([*self._told, *more])
