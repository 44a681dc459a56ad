"""Where in the area under the rate the iterations of the box lie, and whose they are: uniform, or by Poisson.

The iterations of all workers together are numbered from 0. Each has its point in the area: it is due when the area
under the rate reaches that. Who starts it follows from its number and the workers' weights alone, so that every worker
finds its own without asking anybody, and whoever looks at a number again finds the same.

Uniform: number n has the point n, and the workers take turns. Poisson: by time rescaling, a Poisson process of any rate
is one of rate 1 in the area under that rate (Daley and Vere-Jones, An Introduction to the Theory of Point Processes,
7.4): gaps between points are exponential with mean 1. Each point is given to a worker by lot, which makes every
worker's arrivals a Poisson process of their own (thinning).

Over several machines the numbers are dealt twice: to the machines, and what each has to its workers. Who deals on says
so by `above`; everything else is the same.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, Protocol

from hybridpress.load.split import turns

if TYPE_CHECKING:
    from hybridpress.load.stages import Floats, Integers

_CHUNK = 4096


class Own(NamedTuple):
    """A worker's iterations: their numbers, ascending, and their points. All below `seen` were looked at."""

    numbers: Integers
    points: Floats
    seen: int


class Mark(NamedTuple):
    """Where the drawing of points may be taken up without those before: a number, and the area before its point."""

    number: int
    area: float


Above = tuple[tuple[int, tuple[int, ...]], ...]
"""Who dealt before the workers were dealt to, the first one first: a place, and the weights of all places there."""


class Arrivals(Protocol):
    """Points in the area, by number. Without *above* all of them are dealt to the workers."""

    def n_before(self, area: float) -> int:
        """How many points lie before *area*: the number of the first one at it or beyond."""

    def own(
        self, worker: int, weights: tuple[int, ...], first: int, end: int | None, at_most: int, above: Above = ()
    ) -> Own:
        """*worker*'s from number *first* up to, not including, *end*; about *at_most* of them."""

    def n_own(self, worker: int, weights: tuple[int, ...], first: int, end: int, above: Above = ()) -> int:
        """How many those are."""

    def mark(self) -> Mark:
        """Where another process may take up the drawing: at the last point that was asked about, or before."""

    def take_up(self, mark: Mark) -> None:
        """Nothing before *mark* will be asked for."""


class Uniform:
    """Number n has the point n, and the workers take turns."""

    def n_before(self, area: float) -> int:
        # What is off by a rounding error is not one more, as in Profile.n_arrivals.
        return max(math.ceil(area - 1e-9 - area * 1e-15), 0)

    def own(
        self, worker: int, weights: tuple[int, ...], first: int, end: int | None, at_most: int, above: Above = ()
    ) -> Own:
        import numpy as np

        path = [_mine(place, among) for place, among in (*above, (worker, weights))]
        begin = _n_below(first, path)
        last = begin + at_most if end is None else min(begin + at_most, _n_below(end, path))
        if last <= begin or not all(mine for mine, _ in path):
            return Own(np.empty(0, np.int64), np.empty(0), first if end is None else end)
        numbers = np.arange(begin, last)
        for mine, n_turns in reversed(path):
            rounds, turn = np.divmod(numbers, len(mine))
            numbers = rounds * n_turns + np.array(mine)[turn]
        seen = end if end is not None and last - begin < at_most else int(numbers[-1]) + 1
        return Own(numbers, numbers.astype(np.float64), seen)

    def n_own(self, worker: int, weights: tuple[int, ...], first: int, end: int, above: Above = ()) -> int:
        path = [_mine(place, among) for place, among in (*above, (worker, weights))]
        return max(_n_below(end, path) - _n_below(first, path), 0)

    def mark(self) -> Mark:
        return Mark(0, 0.0)

    def take_up(self, mark: Mark) -> None:
        """Nothing is drawn."""


def _mine(worker: int, weights: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """The worker's turns, and how many there are in a round."""
    found = turns(weights)
    return found[worker], sum(map(len, found))


def _n_below(number: int, path: Sequence[tuple[tuple[int, ...], int]]) -> int:
    """How many of the numbers from 0 up to *number* are of these turns, each of what the ones before leave."""
    for mine, n_turns in path:
        rounds, turn = divmod(number, n_turns)
        number = rounds * len(mine) + bisect_left(mine, turn)
    return number


def _lots(path: Above) -> tuple[float, float]:
    """From which lot on, up to which, a point is of who is at the end of *path*; neighbours share their bounds."""
    low, high = 0.0, 1.0
    for place, weights in path:
        bounds = [0, *accumulate(weights)]
        edges = [
            low if not bound else high if bound == bounds[-1] else low + (high - low) * bound / bounds[-1]
            for bound in bounds[place : place + 2]
        ]
        low, high = edges
    return low, high


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some thousand arrivals: their points, and the lot of each, from 0 to 1."""

    points: Floats
    lots: Floats


class Poisson:
    """Random points, and random owners. The same *seed* draws the same (with the same numpy), in every process."""

    def __init__(self, seed: int) -> None:
        # Seeds must not be negative here, but on the command line they may.
        self._entropy = seed % 2**128
        self._first = 0
        """The chunk that the first of `_begins` is about."""
        self._begins = [0.0]
        """The area at which each chunk begins, as far as they were drawn."""
        self._chunks: dict[int, _Chunk] = {}

    def n_before(self, area: float) -> int:
        while self._begins[-1] <= area:
            self._chunk(self._first + len(self._begins) - 1)
        k = max(bisect_right(self._begins, area) - 1, 0)
        points = self._chunk(self._first + k).points
        return (self._first + k) * _CHUNK + int(points.searchsorted(area))

    def own(
        self, worker: int, weights: tuple[int, ...], first: int, end: int | None, at_most: int, above: Above = ()
    ) -> Own:
        import numpy as np

        low, high = _lots((*above, (worker, weights)))
        numbers, points = [np.empty(0, np.int64)], [np.empty(0)]
        n_found, seen = 0, first
        while low < high and n_found < at_most and (end is None or seen < end):
            number, begin = divmod(seen, _CHUNK)
            stop = _CHUNK if end is None else min(end - number * _CHUNK, _CHUNK)
            chunk = self._chunk(number)
            lots = chunk.lots[begin:stop]
            places = np.flatnonzero((low <= lots) & (lots < high)) + begin
            numbers.append(places + number * _CHUNK)
            points.append(chunk.points[places])
            n_found += len(places)
            seen = number * _CHUNK + stop
        if low >= high and end is not None:
            seen = end
        return Own(np.concatenate(numbers), np.concatenate(points), seen)

    def n_own(self, worker: int, weights: tuple[int, ...], first: int, end: int, above: Above = ()) -> int:
        return len(self.own(worker, weights, first, end, max(end - first, 0), above).numbers)

    def mark(self) -> Mark:
        k = max(len(self._begins) - 3, 0)
        return Mark((self._first + k) * _CHUNK, self._begins[k])

    def take_up(self, mark: Mark) -> None:
        number = mark.number // _CHUNK
        if number > self._first + len(self._begins) - 1:
            self._first, self._begins = number, [mark.area]
            self._chunks.clear()

    def _chunk(self, number: int) -> _Chunk:
        """The chunk of this number; those before it, too, must be drawn for where it begins."""
        if (found := self._chunks.get(number)) is not None:
            return found
        while self._first + len(self._begins) - 1 < number:
            self._chunk(self._first + len(self._begins) - 1)
        import numpy as np

        seed = np.random.SeedSequence(self._entropy, spawn_key=(number,))
        random = np.random.Generator(np.random.PCG64(seed))
        points = random.standard_exponential(_CHUNK)
        points[0] += self._begins[number - self._first]
        np.cumsum(points, out=points)
        found = _Chunk(points, random.random(_CHUNK))
        if number == self._first + len(self._begins) - 1:
            self._begins.append(float(points[-1]))
        if len(self._chunks) >= 8:
            del self._chunks[next(iter(self._chunks))]
        self._chunks[number] = found
        return found
