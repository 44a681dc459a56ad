"""A histogram of times in HDR layout: 1 µs to 1 h, 3 significant digits, constant memory, merged by adding.

The layout is HdrHistogram's (http://hdrhistogram.org) with a unit of 1 µs: values below 2,048 µs have a place each;
above, every power of two is divided into 1,024 places, so that a value is known to better than 0.1 %.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hybridpress.metrics import varint

HIGHEST_NS = 3_600 * 1_000_000_000
_UNIT_NS = 1_000
_SUB_PLACES_LOG2 = 11  # 2 ** 11 ≥ 2 · 10 ** 3: what 3 significant digits need
_HALF = 1 << (_SUB_PLACES_LOG2 - 1)
_N_PLACES = (math.ceil(math.log2(HIGHEST_NS / _UNIT_NS)) - _SUB_PLACES_LOG2 + 2) * _HALF

_FEWEST_BITS = 2
"""The coarsest text of a histogram tells two values apart for each power of two."""

Times = NDArray[np.int64]
Places = NDArray[np.uint16]
Numbers = NDArray[np.integer[Any]]
_KINDS = ("B", "H", "I", "q")
"""Of whole numbers from 1 to 8 bytes: counts are pickled in the shortest that has room for them."""


def place_of(values_us: Times, sub_places_log2: int = _SUB_PLACES_LOG2) -> Times:
    """The index of each value's place. Values are whole µs from 0 to the highest.

    *sub_places_log2*: how many of a value's leading bits are told apart; with fewer, places are whole unions of these.
    """
    # frexp's exponent is exact for whole numbers below 2 ** 53: the bit length of the value.
    _, bits = np.frexp(values_us)
    shift = np.maximum(bits.astype(np.int64) - sub_places_log2, 0)
    places: Times = (shift << (sub_places_log2 - 1)) + (values_us >> shift)
    return places


def highest_us(place: int, sub_places_log2: int = _SUB_PLACES_LOG2) -> int:
    """The highest value, in whole µs, that falls into *place*."""
    shift = max((place >> (sub_places_log2 - 1)) - 1, 0)
    return ((place - (shift << (sub_places_log2 - 1)) + 1) << shift) - 1


def spans_us(places: Times, sub_places_log2: int = _SUB_PLACES_LOG2) -> tuple[Times, Times]:
    """The lowest value of each of *places*, in whole µs, and the first one above it."""
    shift = np.maximum((places >> (sub_places_log2 - 1)) - 1, 0)
    leading = places - (shift << (sub_places_log2 - 1))
    return leading << shift, (leading + 1) << shift


@cache
def coarse_places(sub_places_log2: int) -> Times:
    """For each place of the histogram the one that it falls into where fewer bits are told apart. Ascending."""
    lowest, _ = spans_us(np.arange(_N_PLACES, dtype=np.int64))
    return place_of(lowest, sub_places_log2)


class HistogramText(NamedTuple):
    """What the text of a histogram says: the leading bits that its places tell apart, these, and their counts."""

    bits: int
    places: Times
    counts: Times
    n_above: int
    min_ns: int
    max_ns: int
    sum_ns: int
    squares: float


def read_text(text: str) -> HistogramText:
    """What `Histogram.encode` put into *text*.

    Raises:
        ValueError: it made no such thing.
    """
    try:
        return _read(zlib.decompress(base64.b64decode(text, validate=True)))
    except (ValueError, zlib.error) as error:
        raise ValueError(f"not a histogram: {error}") from error


def _read(data: bytes) -> HistogramText:
    head, _, rest = data.partition(b"\n")
    version, bits, n_above, min_ns, max_ns, sum_ns, squares = head.split(b",")
    numbers = varint.unpack(rest)
    n_filled, is_odd = divmod(len(numbers), 2)
    places, counts = np.cumsum(numbers[:n_filled]), numbers[n_filled:]
    if version != b"1" or not _FEWEST_BITS <= int(bits) <= _SUB_PLACES_LOG2 or is_odd:
        raise ValueError("of another form")
    if n_filled and places[-1] > coarse_places(int(bits))[-1]:
        raise ValueError("it has a place beyond the last")
    return HistogramText(int(bits), places, counts, int(n_above), int(min_ns), int(max_ns), int(sum_ns), float(squares))


class Histogram:
    """Times in ns, counted. Negative times count as 0; those above an hour as an hour, and in `n_above`.

    Pickles to its non-empty places alone, and stays like that until more is counted in it: what comes from a worker or
    a node is merged once, and has some hundred places of 23,552. Two histograms are equal when all they counted is.
    """

    __slots__ = ("_counts", "_filled", "_squares", "count", "max_ns", "min_ns", "n_above", "sum_ns")

    def __init__(self) -> None:
        self._counts: Times | None = None
        """By place; None: as in `_filled`."""
        self._filled: tuple[Places, Numbers] | None = None
        """The places that are not empty, and their counts; None: as in `_counts`, or nothing was counted."""
        self.count = 0
        self.n_above = 0
        self.min_ns = 0
        self.max_ns = 0
        self.sum_ns = 0
        self._squares = 0.0

    def add(self, times_ns: Times) -> None:
        """Count many times at once: about 10 ns each in bulk (bench/test_histogram.py)."""
        if not len(times_ns):
            return
        lowest, highest = int(times_ns.min()), int(times_ns.max())
        if lowest < 0 or highest > HIGHEST_NS:
            self.n_above += int(np.count_nonzero(times_ns > HIGHEST_NS))
            times_ns = np.clip(times_ns, 0, HIGHEST_NS)
            lowest, highest = min(max(lowest, 0), HIGHEST_NS), min(highest, HIGHEST_NS)
        places = place_of(times_ns // _UNIT_NS)
        counts = self._places()
        first = int(places.min())
        found = np.bincount(places - first)
        counts[first : first + len(found)] += found
        self.min_ns = min(self.min_ns, lowest) if self.count else lowest
        self.max_ns = max(self.max_ns, highest)
        self.count += len(times_ns)
        self.sum_ns += int(times_ns.sum())
        as_floats = times_ns.astype(np.float64)
        self._squares += float(np.dot(as_floats, as_floats))

    def add_zeros(self, count: int) -> None:
        """Count *count* times of 0: what unpaced iterations are late."""
        if count:
            self._places()[0] += count
            self.min_ns = 0
            self.count += count

    def merge(self, other: Histogram) -> None:
        """Add all that *other* counted. Associative and commutative; sums of squares up to rounding."""
        if not other.count:
            return
        counts = self._places()
        if other._filled is not None:
            places, found = other._filled
            counts[places.astype(np.intp)] += found  # by any other kind of index it takes twice as long
        else:
            assert other._counts is not None
            counts += other._counts
        self.min_ns = min(self.min_ns, other.min_ns) if self.count else other.min_ns
        self.max_ns = max(self.max_ns, other.max_ns)
        self.count += other.count
        self.n_above += other.n_above
        self.sum_ns += other.sum_ns
        self._squares += other._squares

    def percentiles_ns(self, *percents: float) -> list[int] | None:
        """The times that *percents* of all counted times do not exceed; None when nothing was counted.

        Each is the upper end of its place, at most the highest time seen: never lower than the truth.
        """
        if not self.count:
            return None
        ranks = [max(math.ceil(percent / 100 * self.count - 1e-9), 1) for percent in percents]
        places = np.searchsorted(np.cumsum(self._places()), ranks)
        return [min(highest_us(int(place)) * _UNIT_NS + _UNIT_NS - 1, self.max_ns) for place in places]

    def counts_up_to(self, bounds_ns: Sequence[int]) -> list[int]:
        """How many times are at most each of *bounds_ns*; those in the place that a bound falls into count as such."""
        if self._counts is None:
            return [0] * len(bounds_ns)
        sums = np.cumsum(self._counts)
        found: list[int] = sums[place_of(np.array(bounds_ns, dtype=np.int64) // _UNIT_NS)].tolist()
        return found

    @property
    def mean_ns(self) -> float | None:
        return self.sum_ns / self.count if self.count else None

    @property
    def stddev_ns(self) -> float | None:
        """The standard deviation of all counted times, from their exact values."""
        if not self.count:
            return None
        mean = self.sum_ns / self.count
        return math.sqrt(max(self._squares / self.count - mean * mean, 0.0))

    def places(self) -> tuple[Times, Times]:
        """Indices of the places that are not empty, and their counts."""
        if self._filled is not None:
            return self._filled[0].astype(np.int64), self._filled[1].astype(np.int64)
        if self._counts is None:
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty
        filled = np.flatnonzero(self._counts)
        return filled, self._counts[filled]

    def encode(self, most_chars: int | None = None) -> str:
        """All that was counted, as text that `decode` reads.

        With *most_chars*, as coarse as it takes to be no longer than that: then a time is known to one of 2 to 1,024
        places for each power of two, the finest that fit. Count, minimum, maximum, mean and deviation stay exact.

        The text is base64 of zlib of: a line "1,BITS,ABOVE,MIN,MAX,SUM,SQUARES" (the form's version, leading bits told
        apart, times above the range, ns, ns², the last a float), then two numbers for each place that is not empty, all
        of the first before all of the second: its distance from the one before (the first: from 0), and its count, as
        varints.
        """
        filled, counts = self.places()
        for bits in range(_SUB_PLACES_LOG2, _FEWEST_BITS - 1, -1):
            places = filled if bits == _SUB_PLACES_LOG2 else coarse_places(bits)[filled]
            if most_chars is not None and bits > _FEWEST_BITS and np.count_nonzero(np.diff(places)) > most_chars:
                continue
            text = self._text(bits, places, counts)
            if most_chars is None or len(text) <= most_chars:
                break
        return text

    def _text(self, bits: int, places: Times, counts: Times) -> str:
        starts = np.flatnonzero(np.diff(places, prepend=-1))
        gaps = np.diff(places[starts], prepend=0)
        head = f"1,{bits},{self.n_above},{self.min_ns},{self.max_ns},{self.sum_ns},{self._squares!r}\n".encode()
        sums = np.add.reduceat(counts, starts) if len(starts) else counts
        return base64.b64encode(zlib.compress(head + varint.pack(gaps) + varint.pack(sums), 9)).decode()

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """What `encode` made *text* of. Where it was coarse, each time is the highest of its place.

        Raises:
            ValueError: it made no such thing.
        """
        told = read_text(text)
        found = cls()
        places = told.places
        if len(places):
            if told.bits < _SUB_PLACES_LOG2:
                places = np.searchsorted(coarse_places(told.bits), places, side="right") - 1
            found._places()[places] = told.counts
        found.count = int(told.counts.sum())
        found.n_above, found.min_ns, found.max_ns = told.n_above, told.min_ns, told.max_ns
        found.sum_ns, found._squares = told.sum_ns, told.squares
        return found

    def _places(self) -> Times:
        if self._counts is None:
            self._counts = np.zeros(_N_PLACES, dtype=np.int64)
            if self._filled is not None:
                places, counts = self._filled
                self._counts[places] = counts
                self._filled = None
        return self._counts

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        mine, theirs = self.places(), other.places()
        return (
            (self.count, self.n_above, self.min_ns, self.max_ns, self.sum_ns)
            == (other.count, other.n_above, other.min_ns, other.max_ns, other.sum_ns)
            and np.array_equal(mine[0], theirs[0])
            and np.array_equal(mine[1], theirs[1])
        )

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        found = self.percentiles_ns(50, 99)
        if found is None:
            return "<Histogram empty>"
        return f"<Histogram {self.count} times, p50 {found[0]} ns, p99 {found[1]} ns, max {self.max_ns} ns>"

    def __getstate__(self) -> tuple[Any, ...]:
        filled, counts = self.places()
        most = int(counts.max()) if len(counts) else 0
        kind = next(kind for kind in _KINDS if most <= np.iinfo(kind).max)
        numbers = (self.count, self.n_above, self.min_ns, self.max_ns, self.sum_ns, self._squares)
        return (filled.astype(np.uint16).tobytes(), counts.astype(kind).tobytes(), kind, numbers)

    def __setstate__(self, state: tuple[bytes, bytes, str, tuple[Any, ...]]) -> None:
        filled, counts, kind, numbers = state
        self.count, self.n_above, self.min_ns, self.max_ns, self.sum_ns, self._squares = numbers
        self._counts = self._filled = None
        if self.count:
            self._filled = np.frombuffer(filled, dtype=np.uint16), np.frombuffer(counts, dtype=kind)
