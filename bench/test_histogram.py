"""What a histogram costs: a time counted in bulk, a merge, percentiles, a text, a pickle."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from harness import ROUNDS_UNDER_PYTEST, Bench, Measured, main, measure

from hybridpress.metrics.histogram import HIGHEST_NS, Histogram, Times

N_TIMES = 10_000


def _times(count: int = N_TIMES) -> Times:
    """Response times as servers have them: around 1 ms, with a long tail."""
    drawn = np.random.default_rng(1).lognormal(np.log(1e6), 0.8, count)
    return np.minimum(drawn, HIGHEST_NS).astype(np.int64)


def _filled() -> Histogram:
    histogram = Histogram()
    histogram.add(_times())
    return histogram


def add_in_bulk(n_rounds: int) -> Measured:
    """A time, when 10,000 are added at once: a second of a busy worker."""
    times = _times()

    def check(histogram: Histogram) -> None:
        assert (histogram.count, histogram.sum_ns) == (N_TIMES, int(times.sum()))

    return measure("add, per time of 10,000", n_rounds, N_TIMES, lambda h: h.add(times), _filled_places, check)


def _filled_places() -> Histogram:
    """An empty histogram whose places are there already, as in every second but the first."""
    histogram = Histogram()
    histogram._places()
    return histogram


def add_few(n_rounds: int) -> Measured:
    """One call with 10 times: a step that is seldom taken."""
    times = _times(10)

    def run(histogram: Histogram) -> None:
        for _ in range(1_000):
            histogram.add(times)

    def check(histogram: Histogram) -> None:
        assert histogram.count == 10_000

    return measure("add, per call with 10 times", n_rounds, 1_000, run, _filled_places, check)


def merge(n_rounds: int) -> Measured:
    """A merge of two filled histograms."""
    other = _filled()

    def run(histogram: Histogram) -> None:
        for _ in range(200):
            histogram.merge(other)

    def check(histogram: Histogram) -> None:
        assert histogram.count == 201 * N_TIMES

    return measure("merge", n_rounds, 200, run, _filled, check)


def percentiles(n_rounds: int) -> Measured:
    """Seven percentiles of a filled histogram."""

    def run(histogram: Histogram) -> None:
        for _ in range(200):
            histogram.percentiles_ns(50, 75, 90, 95, 99, 99.9, 99.99)

    def check(histogram: Histogram) -> None:
        assert histogram.percentiles_ns(100) == [histogram.max_ns]

    return measure("percentiles, seven at once", n_rounds, 200, run, _filled, check)


def percentiles_of_full(n_rounds: int) -> Measured:
    """Seven percentiles of a histogram all of whose places are filled."""
    times = np.concatenate([np.arange(0, 10**8, 1_000), np.geomspace(10**8, HIGHEST_NS, 200_000)]).astype(np.int64)

    def full() -> Histogram:
        histogram = Histogram()
        histogram.add(times)
        return histogram

    def run(histogram: Histogram) -> None:
        for _ in range(200):
            histogram.percentiles_ns(50, 75, 90, 95, 99, 99.9, 99.99)

    def check(histogram: Histogram) -> None:
        assert len(histogram.places()[0]) > 20_000

    return measure("percentiles of a full one, seven at once", n_rounds, 200, run, full, check)


def encoded(n_rounds: int) -> Measured:
    """A second's histogram as the text that the result keeps: what it costs the coordinator, once a second."""

    def run(histogram: Histogram) -> None:
        for _ in range(20):
            histogram.encode(600)

    def check(histogram: Histogram) -> None:
        assert Histogram.decode(histogram.encode(600)).count == N_TIMES

    return measure("encode in 600 characters", n_rounds, 20, run, _filled, check)


def pickled(n_rounds: int) -> Measured:
    """There and back: what the way to the coordinator costs."""

    def run(histogram: Histogram) -> None:
        for _ in range(200):
            pickle.loads(pickle.dumps(histogram, -1))  # noqa: S301  # our own bytes

    def check(histogram: Histogram) -> None:
        assert pickle.loads(pickle.dumps(histogram, -1)) == histogram  # noqa: S301  # our own bytes

    return measure("pickle and back", n_rounds, 200, run, _filled, check)


BENCHES = [add_in_bulk, add_few, merge, percentiles, percentiles_of_full, encoded, pickled]


@pytest.mark.parametrize("bench", BENCHES)
def test_histogram(bench: Bench) -> None:
    """The bench runs and counts right."""
    assert bench(ROUNDS_UNDER_PYTEST).median_ns > 0


if __name__ == "__main__":
    main(BENCHES)
