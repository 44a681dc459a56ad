"""How words are to be drawn, as its author says it: in which order, whose each is, and what follows the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, get_args

from hybridpress.errors import UsageError
from hybridpress.load.split import deal
from hybridpress.units import format_count

Name = Literal["random", "sequential", "shuffle", "partitioned", "per_slot", "once"]
Exhausted = Literal["recycle", "stop", "fail"]
InFlight = Literal["report", "again"]

_ENDLESS = ("random", "per_slot")


@dataclass(frozen=True, slots=True)
class Policy:
    """How words are drawn.

    - "random": any word, each time.
    - "sequential": in the table's order, over all workers.
    - "shuffle": in a random order, a new one for each pass.
    - "partitioned": a word belongs to one worker, which goes through its part in the table's order.
    - "per_slot": word i belongs to slot i, for good.
    - "once": each word once, over all workers, even when one is killed; a part of the table for each worker.
    """

    name: Name = "random"
    exhausted: Exhausted | None = None
    """After the last word: "recycle" (begin again), "stop" (start no more iterations), "fail" (and say so). As it
    comes, "stop" for "once" and "recycle" for the others."""
    in_flight: InFlight = "report"
    """The words that a worker had drawn and not done with when it was killed: only reported, as the server may have
    seen them, or drawn again. Where words are recycled it makes no difference."""

    def __post_init__(self) -> None:
        """
        Raises:
            UsageError: no such policy, or one that cannot be.
        """
        mistakes = [
            f'{what} must be one of {", ".join(choices)}, got "{given}"'
            for what, given, choices in (
                ("how words are drawn", self.name, get_args(Name)),
                ("what follows the last word", self.exhausted or "recycle", get_args(Exhausted)),
                ("what becomes of words in flight", self.in_flight, get_args(InFlight)),
            )
            if given not in choices
        ]
        if self.name in _ENDLESS and self.exhausted in {"stop", "fail"}:
            mistakes.append(f'words drawn "{self.name}" have no last one that "{self.exhausted}" could follow')
        if self.name == "once" and self.exhausted == "recycle":
            mistakes.append('words drawn "once" cannot recycle; draw them "partitioned"')
        if mistakes:
            raise UsageError(mistakes)

    @property
    def is_default(self) -> bool:
        """Whether words are drawn at random, each time anew."""
        return self.name == "random"

    @property
    def is_endless(self) -> bool:
        """Whether there always is a next word."""
        return self.name in _ENDLESS or (self.name != "once" and self.exhausted in {None, "recycle"})

    @property
    def must_fail(self) -> bool:
        """Whether a run that asks for a word after the last one is broken, instead of over."""
        return self.exhausted == "fail"

    def mistakes(self, n_words: int, slots_by_worker: Sequence[int]) -> list[str]:
        """Why a table of so many words cannot be drawn like this; a sentence each."""
        n_slots, n_workers = sum(slots_by_worker), len(slots_by_worker)
        if self.name == "per_slot" and n_words < n_slots:
            wanted = f"{format_count(n_slots)} slots need a word each, but the word table has {format_count(n_words)}"
            return [f'{wanted}; draw words at "random", or lower --concurrent']
        if self.name == "partitioned" and not all(
            part or not n_slots
            for part, n_slots in zip(parts_of(n_words, slots_by_worker), slots_by_worker, strict=True)
        ):
            many = f"a table of {format_count(n_words)} words cannot be parted among {n_workers} workers"
            return [f"{many} by their slots; lower --processes, or --concurrent"]
        return []


def parts_of(n_words: int, weights: Sequence[int]) -> list[range]:
    """A part of the words for each worker, in proportion to *weights*: by largest remainder, as iterations are."""
    sizes = deal(n_words, weights)
    ends = list(accumulate(sizes))
    return [range(end - size, end) for size, end in zip(sizes, ends, strict=True)]
