"""How far a run's figures would have come out otherwise: standard errors by block bootstrap over its seconds.

Seconds are not independent of one another: a server that is slow in one is likely to be slow in the next. So whole
blocks of seconds that follow one another are drawn, from a circle (Politis and Romano, "A circular block-resampling
procedure for stationary data", 1992), as long as the correlation of the seconds asks for (Andrews, "Heteroskedasticity
and autocorrelation consistent covariance matrix estimation", Econometrica 59, 1991: the bandwidth of Bartlett's kernel,
by which the variance of a block bootstrap goes). How much another run, on another day, would differ, one run cannot
tell: that is not in these errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from hybridpress.metrics.histogram import Histogram, place_of, read_text, spans_us

N_DRAWS = 500
"""How often a run is drawn anew: that alone leaves a standard error uncertain by 3 %, the number of blocks by more."""
FEWEST_SECONDS = 10
"""With fewer there are not enough blocks to draw from."""
FEWEST_BEYOND = 10
"""So many times must lie beyond a percentile for its error to be known."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seconds:
    """The distributions of successive seconds, or of longer spans of one length: how many times fell into each place of
    a common layout, a row each.

    `lower_ms` and `upper_ms` are where the places begin and end. Within a place times are taken to lie evenly.
    """

    lower_ms: Floats
    upper_ms: Floats
    counts: Floats

    @classmethod
    def of(cls, texts_by_row: Sequence[Sequence[str | None]]) -> Seconds:
        """From the texts of histograms, whose sum is a row, in the layout of the coarsest; None: nothing ended."""
        told = [(i, read_text(text)) for i, texts in enumerate(texts_by_row) for text in texts if text is not None]
        bits = min((each.bits for _, each in told), default=11)
        found = [(i, place_of(spans_us(each.places, each.bits)[0], bits), each.counts) for i, each in told]
        filled = np.unique(np.concatenate([places for _, places, _ in found] or [np.zeros(0, np.int64)]))
        counts = np.zeros((len(texts_by_row), len(filled)))
        for i, places, its in found:
            np.add.at(counts[i], np.searchsorted(filled, places), its)
        lower_us, upper_us = spans_us(filled, bits)
        return cls(lower_us / 1e3, upper_us / 1e3, counts)

    @cached_property
    def total(self) -> int:
        return int(self.counts.sum())

    @cached_property
    def block_length(self) -> int:
        """How many seconds a block should have, by what the seconds' counts above the median and above p90 are like."""
        n = len(self.counts)
        longest = max(n // 5, 1)
        per_second = self.counts.sum(axis=1)
        needed = n ** (1 / 3)
        for percent in (50.0, 90.0):
            (edge,) = self.percentiles(np.ones((1, n)), [percent])[0]
            above = self.counts[:, self.lower_ms >= edge].sum(axis=1)
            share = np.divide(above, per_second, out=np.zeros(n), where=per_second > 0)
            needed = max(needed, _block_length(share))
        return int(min(math.ceil(needed), longest))

    def percentiles(self, weights: Floats, percents: Sequence[float]) -> Floats:
        """The percentiles, ms, of seconds taken as often as *weights* says, a row of them for each row of weights."""
        return self.figures(weights, percents)[0]

    def figures(self, weights: Floats, percents: Sequence[float]) -> tuple[Floats, Floats]:
        """The same, and the means."""
        drawn = weights @ self.counts
        below = np.cumsum(drawn, axis=1)
        rows = np.arange(len(drawn))
        found = np.empty((len(drawn), len(percents)))
        for k, percent in enumerate(percents):
            rank = percent / 100 * below[:, -1]
            place = np.minimum((below < rank[:, None]).sum(axis=1), below.shape[1] - 1)
            inside = np.maximum(drawn[rows, place], 1.0)
            part = np.clip((rank - (below[rows, place] - drawn[rows, place])) / inside, 0.0, 1.0)
            found[:, k] = self.lower_ms[place] + part * (self.upper_ms[place] - self.lower_ms[place])
        means: Floats = drawn @ ((self.lower_ms + self.upper_ms) / 2) / np.maximum(below[:, -1], 1.0)
        return found, means


def _block_length(series: Floats) -> float:
    """Andrews' bandwidth for Bartlett's kernel, from the correlation of neighbours."""
    centred = series - series.mean()
    variance = float(centred @ centred)
    if not variance:
        return 1.0
    correlation = min(max(float(centred[1:] @ centred[:-1]) / variance, 0.0), 0.97)
    alpha = 4 * correlation**2 / (1 - correlation**2) ** 2
    return 1.1447 * float((alpha * len(series)) ** (1 / 3))


def weights(n_seconds: int, block_length: int, n_draws: int = N_DRAWS, seed: int = 1) -> Floats:
    """How often each of *n_seconds* is in each of *n_draws* runs drawn anew. The same for the same arguments."""
    rng = np.random.default_rng(seed)
    n_blocks = math.ceil(n_seconds / block_length)
    starts = rng.integers(0, n_seconds, (n_draws, n_blocks))
    taken = ((starts[:, :, None] + np.arange(block_length)) % n_seconds).reshape(n_draws, -1)[:, :n_seconds]
    flat = (taken + n_seconds * np.arange(n_draws)[:, None]).ravel()
    return np.bincount(flat, minlength=n_draws * n_seconds).reshape(n_draws, n_seconds).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Error:
    """The standard error of a figure, and from how many independent pieces it was found."""

    size: float
    n_pieces: float


def block_error(drawn: Floats, n_seconds: int, block_length: int) -> Error:
    """From the figure's value in each run drawn anew. Between blocks there is less variance than there was in truth."""
    n_blocks = n_seconds / block_length
    spread = float(drawn.std(ddof=1)) if len(drawn) > 1 else 0.0
    return Error(spread * math.sqrt(n_blocks / (n_blocks - 1)) if n_blocks > 1 else spread, n_blocks)


def order_error_ms(times: Histogram, percent: float) -> Error | None:
    """The error of a percentile if all times were independent: from the order statistics around it. None: too few."""
    if not knows(times.count, percent):
        return None
    off = 100 * math.sqrt(percent / 100 * (1 - percent / 100) / times.count)
    found = times.percentiles_ns(percent - off, min(percent + off, 100.0))
    assert found is not None
    return Error((found[1] - found[0]) / 2e6, times.count)


def share_error(n_of: int, n_all: int) -> Error:
    """The error of a share if all were independent. Never 0: none of n is not yet none ever (Agresti and Coull)."""
    share = (n_of + 2) / (n_all + 4)
    return Error(math.sqrt(share * (1 - share) / (n_all + 4)), n_all)


def knows(count: int, percent: float) -> bool:
    """Whether enough of *count* times lie on either side of the percentile."""
    return count * min(percent, 100 - percent) / 100 >= FEWEST_BEYOND


def joint(a: Error, b: Error) -> Error:
    """The error of the difference of two independent figures, with Welch's degrees of freedom (+ 1)."""
    square_a, square_b = a.size**2, b.size**2
    below = square_a**2 / max(a.n_pieces - 1, 1) + square_b**2 / max(b.n_pieces - 1, 1)
    freedom = (square_a + square_b) ** 2 / below if below else min(a.n_pieces, b.n_pieces) - 1
    return Error(math.sqrt(square_a + square_b), max(freedom, 1.0) + 1)


def width(error: Error, confidence: float) -> float:
    """Half the width of the interval that holds the truth with *confidence*, by Student's t.

    Its quantile is the normal one's expansion in 1 / n (Abramowitz and Stegun 26.7.5): within 1 % from 5 degrees on.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    n = max(error.n_pieces - 1, 1.0)
    t = z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    return t * error.size
