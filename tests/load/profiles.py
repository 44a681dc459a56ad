"""Profiles of all kinds for Hypothesis, and the plain way to integrate them that tests compare with."""

from __future__ import annotations

from hypothesis import strategies as st

from hybridpress.load.profile import Profile
from hybridpress.load.stages import Line, Stage, Wave

rates = st.one_of(st.just(0.0), st.integers(1, 50_000).map(float), st.floats(0.01, 50_000))
durations = st.one_of(st.integers(1, 300).map(float), st.floats(0.001, 300))


@st.composite
def waves(draw: st.DrawFn) -> Wave:
    """Waves of up to 3 periods, a third of them down to 0."""
    mean = draw(st.floats(0.1, 50_000))
    depth = draw(st.one_of(st.just(1.0), st.floats(0.01, 1.0)))
    period_s = draw(st.floats(0.1, 600))
    return Wave(mean, min(mean * depth, mean), period_s, period_s * draw(st.floats(0.01, 3.0)))


constant_lines = st.builds(lambda rate, duration_s: Line(rate, rate, duration_s), rates, durations)
stages: st.SearchStrategy[Stage] = st.one_of(constant_lines, st.builds(Line, rates, rates, durations), waves())
profiles = (
    st.lists(stages, min_size=1, max_size=5)
    .map(lambda drawn: Profile(tuple(drawn)))
    .filter(lambda profile: 1e-3 < profile.area < 5e6)
)


def integral(profile: Profile, t_s: float, n_steps: int = 2_000) -> float:
    """The area under `profile.rate` up to *t_s* by Simpson's rule, stage by stage: the rate may jump between them."""
    area = begin_s = 0.0
    for stage in profile.stages:
        width_s = min(stage.duration_s, t_s - begin_s) / n_steps
        if width_s <= 0:
            break
        heights = [stage.rate(k * width_s) for k in range(n_steps + 1)]
        area += width_s / 3 * (heights[0] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2]) + heights[-1])
        begin_s += stage.duration_s
    return area
