"""The sum of profiles: at every time the sum of their rates, and every iteration at its due time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridpress.load.overlay import together
from hybridpress.load.profile import Profile, constant, hold, ramp, sine
from hybridpress.load.stages import Line

rates = st.sampled_from([0, 1, 7.5, 100])
spans = st.sampled_from([0.5, 1, 3.7, 10])
above = st.sampled_from([1, 7.5, 100])
lines = st.one_of(
    st.builds(constant, above),
    st.builds(constant, above, spans),
    st.builds(ramp, rates, above, spans),
    st.builds(lambda a, b, s: ramp(a, b, s) + hold(2 * s) + ramp(b, 0, s), rates, above, spans),
)
waves = st.builds(
    lambda mean, part, period, span: sine(mean, mean * part, period, span),
    above,
    st.sampled_from([0.5, 1]),
    spans,
    spans,
)
profiles = st.lists(st.one_of(lines, waves), min_size=1, max_size=4)


@given(profiles, st.floats(0, 60))
def test_rates_and_areas_add_up(parts: list[Profile], t_s: float) -> None:
    """At any time; one that is over adds nothing more. It lasts as long as the longest."""
    whole = together(parts)
    assert whole.duration_s == max(part.duration_s for part in parts)
    assert whole.arrivals(t_s) == pytest.approx(sum(part.arrivals(t_s) for part in parts), rel=1e-9, abs=1e-6)
    if all(abs(t_s - end) > 1e-6 for part in parts for end in part.ends_s):  # at a jump it is the one or the other
        assert whole.rate(t_s) == pytest.approx(sum(part.rate(t_s) for part in parts), rel=1e-6, abs=1e-4)


@settings(deadline=None)
@given(profiles)
def test_due_times_are_those_of_the_area(parts: list[Profile]) -> None:
    """Iteration n is due when the area reaches n, to the nanosecond; where the rate comes near 0, by the area."""
    whole = together(parts)
    n = min(whole.n_arrivals(min(whole.duration_s, 20.0)), 1_000)
    dues = whole.due_ns(0, n) / 1e9
    assert np.all(np.diff(dues) >= 0)
    for number, due_s in enumerate(dues.tolist()):
        slack = 2e-9 * (whole.peak_rate + 1) + 1e-6
        assert abs(whole.arrivals(due_s) - number) <= slack


def test_lines_stay_lines() -> None:
    """Without waves the sum is of lines alone, and as quick as they are."""
    whole = together([ramp(0, 10, "10s"), constant(5), ramp(20, 0, "4s") + hold("1s")])
    assert whole.stages == (Line(25, 9, 4), Line(9, 10, 1), Line(10, 15, 5), Line(5, 5, math.inf))


def test_waves_in_words() -> None:
    """What a wave is added to is told beside it."""
    whole = together([sine(50, 25, "2s", "4s"), ramp(0, 8, "4s")])
    assert whole.describe() == "50 ± 25/s every 2 s for 4 s + 0 → 8/s over 4 s"
    assert 0 < whole.stages[0].lowest_per_s < whole.stages[0].peak_per_s < 83
