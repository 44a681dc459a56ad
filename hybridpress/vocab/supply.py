"""One press's words in one run, as all its processes see them: the table, how it is drawn from, how far that came."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hybridpress.errors import UsageError
from hybridpress.units import format_count
from hybridpress.vocab.draw import Draw
from hybridpress.vocab.order import Order
from hybridpress.vocab.policy import Policy
from hybridpress.vocab.progress import Progress
from hybridpress.vocab.table import Table

MAX_LISTED = 100_000
"""Of so many words of each worker the numbers are worked out, …"""
MAX_RUNS = 1_000
"""… and told in so many runs of consecutive ones; the others are only counted."""


class Supply:
    """Made before any process is forked. The one that builds the table gives it to `fill`; its children have it then,
    the others know its length.
    """

    def __init__(
        self, policy: Policy, slots_by_worker: Sequence[int], seed: int, owner: str = "", workers: range | None = None
    ) -> None:
        """*owner* is whose words these are, where a message must tell. *workers* are those of this machine, where there
        are more: of the others' words nothing is known here.
        """
        self.policy = policy
        self.table: Table = []
        self._slots_by_worker = list(slots_by_worker)
        self._seed = seed
        self.owner = owner
        self._workers = range(len(self._slots_by_worker)) if workers is None else workers
        self._progress = Progress(slots_by_worker)

    def fill(self, table: Table) -> None:
        """These are the words.

        Raises:
            UsageError: they cannot be drawn as they are to be.
        """
        self.table = table
        self._progress.n_words = len(table)
        if len(table) and (mistakes := self.policy.mistakes(len(table), self._slots_by_worker)):
            raise UsageError([f"{self.owner}: {mistake}" if self.owner else mistake for mistake in mistakes])

    @property
    def n_words(self) -> int:
        """The length of the table, in whichever process; 0 until it stands."""
        return self._progress.n_words

    @property
    def n_left(self) -> int | None:
        """How many words were not drawn yet; None where they have no end, or there are none."""
        if not self.n_words:
            return None
        left = [self._order().n_left(self._progress, worker) for worker in self._workers]
        return None if None in left else sum(n or 0 for n in left)

    def draw(self, worker: int) -> Draw:
        """What the slots of *worker* draw by. A process that replaces a dead one goes on where that was."""
        return self._order().draw(worker, self._progress)

    def told_exhausted(self) -> str:
        """The end of the words, in a sentence."""
        return self._prefixed(self._order().told_exhausted())

    def told_lost(self) -> list[str]:
        """After the run, a sentence for each worker that was killed and had words that nobody else drew."""
        return self._told_by_worker(self._lost)

    def told_unused(self) -> list[str]:
        """After a run that was to use all words, a sentence for each worker that left some unused."""
        return self._told_by_worker(self._unused)

    def _told_by_worker(self, tell: Callable[[Order, int], str]) -> list[str]:
        if not self.n_words or self.policy.is_endless:
            return []
        order = self._order()
        told = [tell(order, worker) for worker in self._workers]
        return [self._prefixed(text) for text in told if text]

    def _lost(self, order: Order, worker: int) -> str:
        if not (lost := order.lost(worker, self._progress)):
            return ""
        were = "was" if len(lost) == 1 else "were"
        return (
            f"{_so_many(len(lost))} in flight when worker {worker} was killed, used or not, {were} not drawn again: "
            f"{_numbers(lost)}"
        )

    def _unused(self, order: Order, worker: int) -> str:
        if not (n_left := order.n_left(self._progress, worker)):
            return ""
        first = order.left(worker, self._progress, MAX_LISTED)
        return f"{_so_many(n_left)} of worker {worker} not drawn: {_numbers(first, n_left)}"

    def _order(self) -> Order:
        return Order(self.policy, self.n_words, self._slots_by_worker, self._seed)

    def _prefixed(self, text: str) -> str:
        return f"{self.owner}: {text}" if self.owner else text


def _so_many(n_words: int) -> str:
    return f"{format_count(n_words)} {'word' if n_words == 1 else 'words'}"


def _numbers(words: list[int], n_all: int = 0) -> str:
    """The numbers of *words* as "3, 7-9"; of more than can be told, how many more there are."""
    runs: list[list[int]] = []
    for number in words:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        elif len(runs) < MAX_RUNS:
            runs.append([number, number])
        else:
            break
    told = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
    n_more = max(n_all, len(words)) - sum(last - first + 1 for first, last in runs)
    return f"numbers {told}" + (f", and {format_count(n_more)} more" if n_more else "")
