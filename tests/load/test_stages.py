"""Lines and waves: times are found to the ns, the bottom of a wave included."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.load.stages import Line, Stage, Wave, format_rate
from hybridpress.units import format_span


@pytest.mark.parametrize(
    "stage",
    [
        Line(0, 100_000, 60),
        Line(100_000, 0, 60),
        Line(1_000, 1_000.001, 86_400),
        Line(1e-3, 100_000, 1),
        Wave(100_000, 1_000, 60, 120),
        Wave(50_000, 40_000, 0.1, 60),
        Wave(10_000, 9_600, 3_600, 7_200),
        Wave(10_000, 10_000, 60, 600),
        Wave(10_000, 10_000 * (1 - 1e-9), 60, 600),
        Wave(1_000, 1_000, 3_600, 1_900),
        Wave(1_000, 1_000, 43_200, 43_200),
    ],
    ids=repr,
)
def test_to_the_ns(stage: Stage) -> None:
    """From a time to its area and back is less than 1 ns, but where the rate is so low that an area leaves it open."""
    times = np.random.default_rng(1).uniform(0, stage.duration_s, 20_000)
    areas = np.array([stage.arrivals(t_s) for t_s in times.tolist()])
    rates = np.array([stage.rate(t_s) for t_s in times.tolist()])
    off_s = np.abs(stage.times_s(areas) - times)
    open_s = 4e-16 * stage.area / np.maximum(rates, 1e-300)
    assert (off_s <= 1e-9 + open_s).all()
    assert (off_s[rates > stage.peak_per_s / 50] < 1e-9).all()


@given(st.floats(0.9, 1), st.floats(1, 1e6), st.floats(0.01, 86_400))
def test_the_bottom_of_a_wave(depth: float, mean: float, period_s: float) -> None:
    """Down at the bottom times ascend and stay in their order, to either side of the lowest point and on it."""
    wave = Wave(mean, mean * depth, period_s, period_s)
    bottom = wave.arrivals(0.75 * period_s)
    areas = bottom + np.linspace(-1e-3, 1e-3, 1_001) * wave.area
    times = wave.times_s(areas)
    assert (np.diff(times) >= 0).all()
    assert times[500] == pytest.approx(0.75 * period_s, rel=1e-4)
    back = np.array([wave.arrivals(t_s) for t_s in times.tolist()])
    assert np.abs(back - areas).max() <= 1e-14 * wave.area


@pytest.mark.parametrize(
    ("stage", "start", "end", "peak", "lowest", "area"),
    [
        (Line(5, 10, 4), 5, 10, 10, 5, 30),
        (Line(10, 5, 4), 10, 5, 10, 5, 30),
        (Line(7, 7, math.inf), 7, 7, 7, 7, math.inf),
        (Wave(10, 5, 4, 4), 10, 10, 15, 5, 40),
        (Wave(10, 5, 4, 0.5), 10, 10 + 5 / math.sqrt(2), 10 + 5 / math.sqrt(2), 10, 5 + 20 / math.pi * 0.1464466),
        (Wave(10, 5, 4, 2.5), 10, 10 - 5 / math.sqrt(2), 15, 10 - 5 / math.sqrt(2), 25 + 20 / math.pi * 0.8535534),
    ],
)
def test_figures(stage: Stage, start: float, end: float, peak: float, lowest: float, area: float) -> None:
    """Where a stage begins and ends, how high and how low it comes, and how much it is."""
    found = (stage.start_per_s, stage.end_per_s, stage.peak_per_s, stage.lowest_per_s, stage.area)
    assert found == pytest.approx((start, end, peak, lowest, area))


@pytest.mark.parametrize(
    ("rate", "words"), [(0, "0"), (0.0042, "0.0042"), (1 / 3, "0.333"), (1234.5, "1,234.5"), (50_000.0, "50,000")]
)
def test_rates_in_words(rate: float, words: str) -> None:
    """Thousands apart, small rates with three digits."""
    assert format_rate(rate) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "250 ms"), (2.5, "2.5 s"), (59.99, "1 min"), (90, "1 min 30 s"), (5400, "1 h 30 min"), (90_000, "25 h")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    """Whole words with their units, the ones that are 0 left out."""
    assert format_span(seconds) == words
