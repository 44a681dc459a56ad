"""The stages that a profile is made of, a line and a wave: how each is read, integrated and inverted.

A stage counts time and area from its own beginning. It knows neither what comes before it nor whole iterations: that is
the profile's (hybridpress/load/profile.py).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from hybridpress.errors import UsageError
from hybridpress.units import format_count, format_span, parse_count, parse_duration_s, parse_rate_per_s

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

# numpy is imported where arrays are made, not here: the command line reads profiles, and its help need not wait 0.1 s.


@dataclass(frozen=True, slots=True)
class Line:
    """The rate goes straight from *start_per_s* to *end_per_s* in *duration_s*; neither is negative.

    A constant rate (both the same) may go on without end: *duration_s* is then infinite.
    """

    start_per_s: float
    end_per_s: float
    duration_s: float

    @property
    def is_constant(self) -> bool:
        return self.start_per_s == self.end_per_s

    @property
    def peak_per_s(self) -> float:
        return max(self.start_per_s, self.end_per_s)

    @property
    def lowest_per_s(self) -> float:
        return min(self.start_per_s, self.end_per_s)

    @property
    def area(self) -> float:
        """The iterations of the whole stage, with fractions."""
        return (self.start_per_s + self.end_per_s) / 2 * self.duration_s

    def rate(self, t_s: float) -> float:
        """The rate at *t_s*, from 0 to the duration."""
        if t_s >= self.duration_s or self.is_constant:
            return self.end_per_s
        return self.start_per_s + (self.end_per_s - self.start_per_s) * (t_s / self.duration_s)

    def arrivals(self, t_s: float) -> float:
        """The area under the rate from 0 to *t_s*, which is from 0 to the duration; it never falls, not by a rounding.

        With the slope s = (end - start) / duration: start·t + s·t²/2. Where the rate falls, that has a falling term and
        could step back by a rounding, so it is taken from the end: area - (end·u + |s|·u²/2), u = duration - t.
        """
        if t_s <= 0:
            return 0.0
        if self.is_constant:
            return self.start_per_s * t_s
        slope = abs(self.end_per_s - self.start_per_s) / self.duration_s
        if self.start_per_s < self.end_per_s:
            return min(t_s * (self.start_per_s + slope * t_s / 2), self.area)
        left_s = self.duration_s - t_s
        return max(self.area - left_s * (self.end_per_s + slope * left_s / 2), 0.0)

    def times_s(self, areas: Floats) -> Floats:
        """When the area reaches each of *areas*, from 0 to the stage's own; the stage must have one.

        The root of start·t + s·t²/2 = a, as 2a / (start + √(start² + 2·s·a)), which takes no difference of nearly equal
        numbers (Higham, Accuracy and Stability of Numerical Algorithms, 1.8).
        """
        import numpy as np

        if self.is_constant:
            return np.minimum(areas / self.start_per_s, self.duration_s)
        slope = (self.end_per_s - self.start_per_s) / self.duration_s
        squares = areas * (2 * slope)
        squares += self.start_per_s**2
        # Below 0 by a rounding at the end of a ramp down to 0.
        divisors = np.sqrt(np.maximum(squares, 0.0, out=squares), out=squares)
        divisors += self.start_per_s
        if self.start_per_s == 0:
            # At the foot of a ramp from 0 both are 0; the time is 0 whatever the divisor.
            divisors[divisors == 0] = 1.0
        times = areas * 2
        times /= divisors
        return np.minimum(times, self.duration_s, out=times)

    def describe(self) -> str:
        """The stage in words: "0 → 500/s over 10 s", "500/s for 1 min"."""
        if math.isinf(self.duration_s):
            return f"{format_rate(self.end_per_s)}/s without end"
        if self.is_constant:
            return f"{format_rate(self.end_per_s)}/s for {format_span(self.duration_s)}"
        ends = f"{format_rate(self.start_per_s)} → {format_rate(self.end_per_s)}/s"
        return f"{ends} over {format_span(self.duration_s)}"


@dataclass(frozen=True, slots=True)
class Wave:
    """The rate swings around *mean_per_s*: mean + amplitude · sin(2π·t / period).

    The amplitude is at most the mean. It begins at the mean, on its way up.
    """

    mean_per_s: float
    amplitude_per_s: float
    period_s: float
    duration_s: float

    @property
    def is_constant(self) -> bool:
        return self.amplitude_per_s == 0

    @property
    def start_per_s(self) -> float:
        return self.mean_per_s

    @property
    def end_per_s(self) -> float:
        return self.rate(self.duration_s)

    @property
    def peak_per_s(self) -> float:
        return self.rate(min(self.duration_s, self.period_s / 4))

    @property
    def lowest_per_s(self) -> float:
        return min(self.mean_per_s, self.rate(min(self.duration_s, self.period_s * 3 / 4)))

    @property
    def area(self) -> float:
        """The iterations of the whole stage, with fractions."""
        return self.arrivals(self.duration_s)

    def rate(self, t_s: float) -> float:
        """The rate at *t_s*, from 0 to the duration."""
        angle = 2 * math.pi * (math.fmod(t_s, self.period_s) / self.period_s)
        return max(self.mean_per_s + self.amplitude_per_s * math.sin(angle), 0.0)

    def arrivals(self, t_s: float) -> float:
        """The area under the rate from 0 to *t_s*, which is from 0 to the duration.

        mean·t + amplitude·period/2π · (1 - cos(2π·t / period)), with 1 - cos x = 2·sin²(x/2): no term is negative.
        """
        half_angle = math.pi * (math.fmod(t_s, self.period_s) / self.period_s)
        swing = self.amplitude_per_s * self.period_s / math.pi * math.sin(half_angle) ** 2
        return self.mean_per_s * t_s + swing

    def times_s(self, areas: Floats) -> Floats:
        """When the area reaches each of *areas*, from 0 to the stage's own; the stage must have one."""
        import numpy as np

        # Whole periods have whole areas; what is left lies in one period, where an angle stands for the time.
        area_of_angle = self.mean_per_s * self.period_s / (2 * math.pi)
        scaled = areas / area_of_angle
        periods = np.floor(scaled / (2 * math.pi))
        scaled -= periods * (2 * math.pi)
        times = _angles(np.maximum(scaled, 0.0, out=scaled), self.amplitude_per_s / self.mean_per_s)
        times *= self.period_s / (2 * math.pi)
        times += periods * self.period_s
        return np.minimum(times, self.duration_s, out=times)

    def describe(self) -> str:
        """The stage in words: "1,000 ± 500/s every 1 min for 1 h"."""
        swing = f"{format_rate(self.mean_per_s)} ± {format_rate(self.amplitude_per_s)}/s"
        return f"{swing} every {format_span(self.period_s)} for {format_span(self.duration_s)}"


class Stage(Protocol):
    """What a profile is made of."""

    @property
    def duration_s(self) -> float: ...
    @property
    def is_constant(self) -> bool: ...
    @property
    def start_per_s(self) -> float: ...
    @property
    def end_per_s(self) -> float: ...
    @property
    def peak_per_s(self) -> float: ...
    @property
    def lowest_per_s(self) -> float: ...
    @property
    def area(self) -> float: ...
    def rate(self, t_s: float) -> float: ...
    def arrivals(self, t_s: float) -> float: ...
    def times_s(self, areas: Floats) -> Floats: ...
    def describe(self) -> str: ...


_N_NODES = 16_384
_LOW = 0.05
"""A rate below this part of the mean is low."""


def _angles(areas: Floats, depth: float) -> Floats:
    """The x in [0, 2π] with x + depth · (1 - cos x) = a for each a of *areas*, in [0, 2π]; *depth* is from 0 to 1.

    This is Kepler's equation, a quarter turn on. A table brings x to within 10⁻⁷, and one step of Newton's method,
    which squares the error, to 10⁻¹³ at worst: 1 ns of a day. Where the rate is low, as only in waves that nearly
    touch 0, it changes too fast for a table; but there it is nearly a parabola.
    """
    import numpy as np

    nodes, node_areas, node_rates = _table(depth)
    x = np.interp(areas, node_areas, nodes)
    # Read off the table as well: a part in 10⁷ of a step so small is nothing, and a sine costs twice as much.
    rates = np.interp(areas, node_areas, node_rates)
    if 1 - depth >= _LOW:
        return x - (x + depth * (1 - np.cos(x)) - areas) / rates
    is_low = rates < _LOW
    rates[is_low] = 1.0
    x -= (x + depth * (1 - np.cos(x)) - areas) / rates
    if is_low.any():
        bottom = 1.5 * math.pi
        x[is_low] = bottom + _from_bottom(areas[is_low] - (bottom + depth), depth)
    return x


def _from_bottom(areas: Floats, depth: float) -> Floats:
    """The u, up to a third from 0, with u - depth · sin u = a for each a of *areas*, of either sign.

    For small u that is u³ + 3·p·u = 2·q with p = 2·(1 - depth) / depth and q = 3·a / depth, which Cardano's formula
    solves. The root is right to 1 in 200; Newton's method squares that, and three steps bring it to the last bits.
    """
    import numpy as np

    tiny = 1e-20
    p = 2 * (1 - depth) / depth
    q = 3 * np.abs(areas) / depth
    w = np.maximum(np.cbrt(q + np.sqrt(q * q + p**3)), tiny)
    u = np.copysign(w - p / w, areas)
    for _ in range(3):
        excess = u - depth * np.sin(u) - areas
        u -= excess / np.maximum(1 - depth * np.cos(u), tiny)
    return u


@lru_cache(maxsize=16)
def _table(depth: float) -> tuple[Floats, Floats, Floats]:
    """Angles evenly over a turn, the areas up to them and the rates at them."""
    import numpy as np

    nodes = np.linspace(0, 2 * math.pi, _N_NODES + 1)
    return nodes, nodes + depth * (1 - np.cos(nodes)), 1 + depth * np.sin(nodes)


def format_rate(rate_per_s: float) -> str:
    """A rate for people: 1234.5 → "1,234.5", 0.0042 → "0.0042"."""
    return format_count(rate_per_s) if rate_per_s >= 1 or rate_per_s == 0 else f"{rate_per_s:.3g}"


_ZERO = re.compile(r"0+(\.0*)?[kKM]?(/\w+)?")


class Reader:
    """Reads what a profile is made of, and keeps every mistake; what could not be read is nan."""

    def __init__(self, prefix: str) -> None:
        self.mistakes: list[str] = []
        self._prefix = prefix

    def rate(self, name: str, value: object) -> float:
        """A rate a second; unlike that of a whole run it may be 0."""
        try:
            return 0.0 if _ZERO.fullmatch(str(value).strip()) else parse_rate_per_s(value)
        except UsageError:
            self.mistakes.append(
                f'{self._prefix}{name} must be a rate of 0 or more such as "500", "2.5k" or "30/m", got "{value}"'
            )
            return math.nan

    def span_s(self, name: str, value: object, lowest_s: float = 1e-9) -> float:
        """Seconds, at least *lowest_s*."""
        try:
            seconds = parse_duration_s(value)
        except UsageError as error:
            self.mistakes.append(f"{self._prefix}{name} {error}")
            return math.nan
        if seconds < lowest_s:
            self.mistakes.append(f'{self._prefix}{name} must be a duration above 0 such as "30s", got "{value}"')
        return seconds

    def count(self, name: str, value: object, lowest: int) -> int:
        """A whole number, at least *lowest*."""
        try:
            found = parse_count(value)
        except UsageError as error:
            self.mistakes.append(f"{self._prefix}{name} {error}")
            return lowest
        if found < lowest:
            self.mistakes.append(f'{self._prefix}{name} must be {lowest} or more, got "{value}"')
        return found

    def finish(self) -> None:
        """Raise a UsageError when there were mistakes."""
        if self.mistakes:
            raise UsageError(self.mistakes)
