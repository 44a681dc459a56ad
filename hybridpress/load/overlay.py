"""The sum of profiles: at every time the sum of their rates. For a mix of which parts have plans of their own.

Lines add up to lines. Where a wave is among them the sum has no formula that could be inverted, and is inverted by
search, in numpy, to the nanosecond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from hybridpress.load.profile import Profile
from hybridpress.load.stages import Line, Stage, Wave

if TYPE_CHECKING:
    from hybridpress.load.stages import Floats

_NODES_PER_PERIOD = 64
_FEWEST_NODES, _MOST_NODES = 1 << 10, 1 << 18
_N_NEWTON, _N_HALVINGS = 3, 60
_EXACT_S = 1e-10


@dataclass(frozen=True, slots=True)
class Overlay:
    """Several stages at once: the sum of *terms*, each a stage and how far into it this one begins."""

    terms: tuple[tuple[Stage, float], ...]
    duration_s: float

    @property
    def is_constant(self) -> bool:
        return all(stage.is_constant for stage, _ in self.terms)

    @property
    def start_per_s(self) -> float:
        return self.rate(0.0)

    @property
    def end_per_s(self) -> float:
        return self.rate(self.duration_s)

    @property
    def peak_per_s(self) -> float:
        """As far as some thousand looks at it tell."""
        return float(_table(self)[2].max())

    @property
    def lowest_per_s(self) -> float:
        return float(_table(self)[2].min())

    @property
    def area(self) -> float:
        """The iterations of the whole stage, with fractions."""
        return sum(stage.arrivals(begin + self.duration_s) - stage.arrivals(begin) for stage, begin in self.terms)

    def rate(self, t_s: float) -> float:
        """The rate at *t_s*, from 0 to the duration."""
        return sum(stage.rate(begin + t_s) for stage, begin in self.terms)

    def arrivals(self, t_s: float) -> float:
        """The area under the rate from 0 to *t_s*, which is from 0 to the duration."""
        return sum(stage.arrivals(begin + t_s) - stage.arrivals(begin) for stage, begin in self.terms)

    def times_s(self, areas: Floats) -> Floats:
        """When the area reaches each of *areas*, from 0 to the stage's own; the stage must have one."""
        import numpy as np

        nodes, node_areas, _ = _table(self)
        k = np.clip(np.searchsorted(node_areas, areas, side="right") - 1, 0, len(nodes) - 2)
        low, high = nodes[k], nodes[k + 1]
        times = np.clip(np.interp(areas, node_areas, nodes), low, high)
        for _ in range(_N_NEWTON):
            rates = np.maximum(_rates(self, times), 1e-12)
            steps = (_areas(self, times) - areas) / rates
            times = np.clip(times - steps, low, high)
        # Where the rate comes near 0 it changes too fast for that, but the area still grows.
        slow = np.abs(steps) > _EXACT_S
        if slow.any():
            low, high, wanted = low[slow], high[slow], areas[slow]
            for _ in range(_N_HALVINGS):
                middle = (low + high) / 2
                is_before = _areas(self, middle) < wanted
                low, high = np.where(is_before, middle, low), np.where(is_before, high, middle)
            times[slow] = high
        return np.minimum(times, self.duration_s)

    def describe(self) -> str:
        """The stage in words."""
        return " + ".join(stage.describe() for stage, _ in self.terms)


def together(profiles: Sequence[Profile]) -> Profile:
    """The profile whose rate is, at every time, the sum of those of *profiles*; one that is over adds nothing more."""
    ends = sorted({end for profile in profiles for end in profile.ends_s})
    stages: list[Stage] = []
    for begin, end in zip([0.0, *ends], ends, strict=False):
        terms = [profile.stage_from(begin) for profile in profiles if profile.duration_s > begin]
        if all(isinstance(stage, Line) for stage, _ in terms):
            first = sum(stage.rate(at) for stage, at in terms)
            last = sum(stage.rate(at + (end - begin)) for stage, at in terms)
            stages.append(Line(first, last, end - begin))
        else:
            stages.append(Overlay(tuple(terms), end - begin))
    return Profile(tuple(stages))


@lru_cache(maxsize=64)
def _table(stage: Overlay) -> tuple[Floats, Floats, Floats]:
    """Times evenly over the stage, the areas up to them and the rates at them."""
    import numpy as np

    n_periods = sum(stage.duration_s / term.period_s for term, _ in stage.terms if isinstance(term, Wave))
    n_nodes = min(max(math.ceil(_NODES_PER_PERIOD * n_periods), _FEWEST_NODES), _MOST_NODES)
    nodes = np.linspace(0.0, stage.duration_s, n_nodes + 1)
    return nodes, np.maximum.accumulate(_areas(stage, nodes)), _rates(stage, nodes)


def _areas(stage: Overlay, times: Floats) -> Floats:
    import numpy as np

    total = np.zeros(len(times))
    for term, begin in stage.terms:
        total += _areas_of(term, times + begin) - term.arrivals(begin)
    return total


def _areas_of(term: Stage, times: Floats) -> Floats:
    """`arrivals` of many times at once."""
    import numpy as np

    if isinstance(term, Line):
        return times * (term.start_per_s + _slope(term) / 2 * times)
    assert isinstance(term, Wave)
    angles = math.pi / term.period_s * np.fmod(times, term.period_s)
    swing = term.amplitude_per_s * term.period_s / math.pi
    return term.mean_per_s * times + swing * np.sin(angles) ** 2


def _rates(stage: Overlay, times: Floats) -> Floats:
    import numpy as np

    total = np.zeros(len(times))
    for term, begin in stage.terms:
        local = times + begin
        if isinstance(term, Line):
            total += term.start_per_s + _slope(term) * local
        else:
            assert isinstance(term, Wave)
            angles = 2 * math.pi / term.period_s * np.fmod(local, term.period_s)
            total += term.mean_per_s + term.amplitude_per_s * np.sin(angles)
    return total


def _slope(line: Line) -> float:
    return 0.0 if line.is_constant else (line.end_per_s - line.start_per_s) / line.duration_s
