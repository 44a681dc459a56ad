"""A profile: the rate that is wanted over the time of a run, integrated exactly: every iteration has its due time.

    ramp(0, 5000, "1m") + hold("5m") + ramp(5000, 0, "30s")

The n-th iteration, from 0, is due when the area under the rate reaches n. Where the rate is 0 the area rests, and what
would be due there is due when it rises again.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from hybridpress.errors import UsageError
from hybridpress.load.stages import Line, Reader, Stage, Wave, format_rate
from hybridpress.units import NS_PER_S, format_span

if TYPE_CHECKING:
    from hybridpress.load.stages import Floats, Integers

Rate = float | str
"""Iterations a second: 500, "2.5k", "30/m"."""
Duration = float | str
"""Seconds, or words: 90, "1m30s"."""

_FEW_STAGES = 6
_BEGIN_A_NUMBER = "0123456789.+-"


@dataclass(frozen=True)
class Profile:
    """A rate over time, stage after stage, from 0 to `duration_s`. Profiles are joined with +.

    Times are seconds from the beginning of the run, areas are iterations with fractions.
    """

    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        if not self.stages or any(math.isinf(stage.duration_s) for stage in self.stages[:-1]):
            raise UsageError("a profile must have stages, and nothing can come after one without end")

    def __add__(self, after: Profile | Hold) -> Profile:
        """First this profile, then *after*.

        Raises:
            UsageError: this one has no end, or *after* holds a rate of 0 without end.
        """
        if isinstance(after, Hold):
            after = _held(self.end_rate, after.duration_s)
        elif not isinstance(after, Profile):
            return NotImplemented
        if self.is_endless:
            raise UsageError(f'nothing can come after "{self.describe()}"; give that stage a duration')
        return Profile(self.stages + after.stages)

    @cached_property
    def duration_s(self) -> float:
        """The length of the profile; infinite for one without end."""
        return self._starts_s[-1]

    @cached_property
    def area(self) -> float:
        """All its iterations, with fractions; infinite for a profile without end."""
        return self._areas[-1]

    @cached_property
    def peak_rate(self) -> float:
        """The highest rate it comes to."""
        return max(stage.peak_per_s for stage in self.stages)

    @property
    def end_rate(self) -> float:
        """The rate at its very end: what `hold` goes on with."""
        return self.stages[-1].end_per_s

    @property
    def is_endless(self) -> bool:
        return math.isinf(self.duration_s)

    @cached_property
    def is_constant(self) -> bool:
        """Whether the rate is the same all the time."""
        rate = self.stages[0].start_per_s
        return all(stage.is_constant and stage.start_per_s == rate for stage in self.stages)

    def rate(self, t_s: float) -> float:
        """The rate at *t_s*: where it jumps, the one after the jump; at the very end the last; beyond the ends 0."""
        if not 0 <= t_s <= self.duration_s:
            return 0.0
        k = self._stage_at(t_s)
        return self.stages[k].rate(t_s - self._starts_s[k])

    def arrivals(self, t_s: float) -> float:
        """The area under the rate up to *t_s*: iterations, with fractions. It never falls; beyond the ends it rests."""
        if t_s <= 0:
            return 0.0
        if t_s >= self.duration_s:
            return self.area
        k = self._stage_at(t_s)
        return min(self._areas[k] + self.stages[k].arrivals(t_s - self._starts_s[k]), self._areas[k + 1])

    def n_arrivals(self, t_s: float) -> int:
        """How many iterations are due before *t_s*, those with lower numbers. *t_s* is finite if there is no end."""
        return math.ceil(_less_rounding(self.arrivals(t_s)))

    def due_s(self, n: float) -> float:
        """When iteration *n* is due, or an area with fractions is passed; the whole area, when the last rate ends.

        Raises:
            ValueError: the profile has no such iteration.
        """
        import numpy as np

        return float(self._times_s(np.array([n], np.float64))[0])

    def due_ns(self, first: int, last: int) -> Integers:
        """When the iterations from *first* up to, not including, *last* are due: ns from the beginning, ascending.

        Raises:
            ValueError: the profile has not so many iterations.
        """
        import numpy as np

        if self._limits[-1] <= last - 1:
            raise ValueError(f"iterations {first} to {last} asked, but the profile has {self.n_arrivals(math.inf)}")
        return self.due_ns_at(np.arange(first, last, dtype=np.float64))

    def due_ns_at(self, areas: Floats) -> Integers:
        """When the area reaches each of *areas*, which ascend from 0: ns from the beginning, to the nearest.

        Raises:
            ValueError: the profile's area does not reach so far.
        """
        import numpy as np

        times = self._times_s(areas)
        times *= NS_PER_S
        return np.rint(times, out=times).astype(np.int64)

    def checked(self) -> Profile:
        """The profile itself, when it can be run.

        Raises:
            UsageError: its rate is 0 all the time.
        """
        if self.area == 0:
            raise UsageError(f'asks for nothing: "{self.describe()}"; give it a rate above 0 somewhere')
        return self

    def describe(self) -> str:
        """The profile in words: "0 → 500/s over 10 s, 500/s for 1 min"; many stages are summed up."""
        if len(self.stages) <= _FEW_STAGES:
            return ", ".join(stage.describe() for stage in self.stages)
        lowest = min(stage.lowest_per_s for stage in self.stages)
        span = "without end" if self.is_endless else f"over {format_span(self.duration_s)}"
        return f"{len(self.stages)} stages {span}, {format_rate(lowest)} to {format_rate(self.peak_rate)}/s"

    def _times_s(self, areas: Floats) -> Floats:
        """When the area reaches each of *areas*, which ascend: stage by stage, those that end in it at once."""
        import numpy as np

        times = np.empty(len(areas))
        if not len(areas):
            return times
        if areas[0] < 0 or _less_rounding(float(areas[-1])) > self.area or self.area == 0:
            raise ValueError(f"area {areas[0]:g} to {areas[-1]:g} asked, but the profile has 0 to {self.area:g}")
        begin = 0
        for k in range(self._stage_of(areas[0]), self._stage_of(areas[-1]) + 1):
            stage = self.stages[k]
            if stage.area == 0:
                continue
            end = int(np.searchsorted(areas, self._limits[k])) if k < self._last else len(areas)
            local = np.clip(areas[begin:end] - self._areas[k], 0, stage.area)
            np.add(stage.times_s(local), self._starts_s[k], out=times[begin:end])
            begin = end
        return times

    @property
    def ends_s(self) -> list[float]:
        """When each stage ends."""
        return self._starts_s[1:]

    def stage_from(self, t_s: float) -> tuple[Stage, float]:
        """The stage that goes on after *t_s*, and how much of it is over by then."""
        k = self._stage_at(t_s)
        return self.stages[k], t_s - self._starts_s[k]

    def _stage_at(self, t_s: float) -> int:
        """The number of the stage that *t_s* is in."""
        return min(bisect_right(self._starts_s, t_s), len(self.stages)) - 1

    def _stage_of(self, area: float) -> int:
        """The number of the stage in which the area goes beyond *area*; at the end of all, the last that has any."""
        return min(bisect_right(self._limits, area), self._last)

    @cached_property
    def _starts_s(self) -> list[float]:
        """When each stage begins, and when the last ends."""
        return list(_running(stage.duration_s for stage in self.stages))

    @cached_property
    def _areas(self) -> list[float]:
        """The area at which each stage begins, and the whole."""
        return list(_running(stage.area for stage in self.stages))

    @cached_property
    def _limits(self) -> list[float]:
        """The area below which an iteration is due before the end of each stage, as `n_arrivals` counts."""
        return [_less_rounding(area) for area in self._areas[1:]]

    @cached_property
    def _last(self) -> int:
        """The number of the last stage that has a rate."""
        return max(k for k, stage in enumerate(self.stages) if stage.area)


def _less_rounding(area: float) -> float:
    """*area* less what a sum of products may be too large by: 2.2 · 25 is 55.00000000000001, not one iteration more.

    The room is for the sums of many stages.
    """
    return area if math.isinf(area) else area - 1e-9 - area * 1e-15


def _running(values: Iterable[float]) -> Iterator[float]:
    """0 and the sums so far. What each addition rounds away is carried along (Neumaier): 10,000 stages add no error."""
    total = lost = 0.0
    yield total
    for value in values:
        after = total + value
        if math.isinf(after):
            lost = 0.0
        else:
            lost += (total - after) + value if total >= value else (value - after) + total
        total = after
        yield total + lost


@dataclass(frozen=True, slots=True)
class Hold:
    """Goes on with the rate of what it is added to, for *duration_s*."""

    duration_s: float

    def __add__(self, after: object) -> Profile:
        raise UsageError("hold() has no rate before it to hold; begin with constant(rate, duration) or ramp(...)")


def hold(duration: Duration | None = None) -> Hold:
    """Go on with the rate before, for *duration* or without end: `ramp(0, 5000, "1m") + hold("5m")`.

    This, and each of the functions below, raises a UsageError that names all of its arguments that are wrong.
    """
    read = Reader("hold(): ")
    duration_s = math.inf if duration is None else read.span_s("duration", duration)
    read.finish()
    return Hold(duration_s)


def constant(rate: Rate, duration: Duration | None = None) -> Profile:
    """The same *rate* for *duration*, or without end."""
    read = Reader("constant(): ")
    per_s = read.rate("rate", rate)
    duration_s = math.inf if duration is None else read.span_s("duration", duration)
    read.finish()
    return _held(per_s, duration_s)


def ramp(start: Rate, end: Rate, duration: Duration) -> Profile:
    """Straight from *start* to *end* in *duration*."""
    read = Reader("ramp(): ")
    line = Line(read.rate("start", start), read.rate("end", end), read.span_s("duration", duration))
    read.finish()
    return Profile((line,))


def steps(start: Rate, end: Rate, n: int, duration_each: Duration) -> Profile:
    """*n* constant rates, two or more, evenly from *start* to *end*, each for *duration_each*."""
    read = Reader("steps(): ")
    first, last = read.rate("start", start), read.rate("end", end)
    n, each_s = read.count("n", n, lowest=2), read.span_s("duration_each", duration_each)
    read.finish()
    rates = [first + (last - first) * (k / (n - 1)) for k in range(n)]
    return Profile(tuple(Line(rate, rate, each_s) for rate in rates))


def spike(base: Rate, peak: Rate, before: Duration, length: Duration, after: Duration) -> Profile:
    """*base* for *before*, all at once *peak* for *length*, and *base* again for *after*. Before or after may be 0."""
    read = Reader("spike(): ")
    low, high = read.rate("base", base), read.rate("peak", peak)
    before_s, after_s = read.span_s("before", before, lowest_s=0.0), read.span_s("after", after, lowest_s=0.0)
    lengths = [(low, before_s), (high, read.span_s("length", length)), (low, after_s)]
    read.finish()
    return Profile(tuple(Line(rate, rate, length_s) for rate, length_s in lengths if length_s))


def sine(mean: Rate, amplitude: Rate, period: Duration, duration: Duration) -> Profile:
    """A wave of *amplitude*, at most the mean, up and down around *mean*; it begins at the mean, rising."""
    read = Reader("sine(): ")
    wave = Wave(
        read.rate("mean", mean),
        read.rate("amplitude", amplitude),
        read.span_s("period", period),
        read.span_s("duration", duration),
    )
    if not read.mistakes and wave.amplitude_per_s > wave.mean_per_s:
        read.mistakes.append(
            f'sine(): amplitude must be at most the mean, "{mean}", got "{amplitude}": a rate cannot be below 0'
        )
    read.finish()
    return Profile((wave,)) if wave.amplitude_per_s else _held(wave.mean_per_s, wave.duration_s)


def curve(points: Iterable[tuple[Duration, Rate]], scale: float = 1.0) -> Profile:
    """Straight from point to point of (seconds, rate), the rates times *scale*; it begins with the first point.

    Two points at the same time are a jump.
    """
    rows = ((f"curve(): point {number}", t, rate) for number, (t, rate) in enumerate(points, 1))
    return _joined("curve()", rows, scale, Reader(""))


def parse_curve(text: str, where: str, scale: float = 1.0) -> Profile:
    """The curve in the CSV *text*, a row `seconds,rate` for each point: what production saw, for example.

    A first row of words is a heading; blank rows and those that begin with # are left out. *where* is the name of the
    file in messages.

    Raises:
        UsageError: every row that is wrong, with its line number.
    """
    read = Reader("")
    return _joined(where, _rows(text, where, read), scale, read)


def _rows(text: str, where: str, read: Reader) -> Iterator[tuple[str, str, str]]:
    """Where each row of a CSV stands, and its two cells."""
    is_first = True
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        cells = [cell.strip().strip('"').strip() for cell in line.split(",")]
        here, was_first, is_first = f"{where}:{number}", is_first, False
        if was_first and not any(cell[:1] in _BEGIN_A_NUMBER for cell in cells if cell):
            continue
        if len(cells) == 2:
            yield here, cells[0], cells[1]
        else:
            read.mistakes.append(f'{here}: must be two columns, seconds and rate, such as "60,500", got "{line}"')


def _joined(where: str, rows: Iterable[tuple[str, object, object]], scale: float, read: Reader) -> Profile:
    """The profile through *rows* of (where it stands, time, rate)."""
    if not (scale > 0 and math.isfinite(scale)):
        read.mistakes.append(f'{where}: the scale must be a number above 0, such as 0.5, got "{scale}"')
    latest_s, points = 0.0, []
    for here, time, rate in rows:
        t_s = read.span_s(f"{here}: the time", time, 0.0)
        points.append((t_s, read.rate(f"{here}: the rate", rate) * scale))
        if t_s < latest_s:
            read.mistakes.append(f'{here}: must be in the order of time, got "{time}" after {latest_s:g} s')
        elif not math.isnan(t_s):
            latest_s = t_s
    read.finish()
    spans = [(begin, end) for begin, end in pairwise(points) if end[0] > begin[0]]
    if not spans:
        raise UsageError(f"{where}: must have two points or more, at different times, got {len(points)}")
    return Profile(tuple(Line(first, last, end_s - begin_s) for (begin_s, first), (end_s, last) in spans))


def parse_stages(texts: Sequence[str], first_rate: Rate | None = None) -> Profile:
    """The stages of a command line, each `DURATION:RATE`: over the duration, straight from the rate before to the rate.

    The first begins at *first_rate*, or 0. A duration of 0 is a jump. `["10s:500", "1m:500"]` climbs, then holds.

    Raises:
        UsageError: every stage that is wrong by itself, quoted; or all together they ask for nothing.
    """
    read = Reader("")
    before = 0.0 if first_rate is None else read.rate("the rate before the first stage", first_rate)
    stages = []
    for text in texts:
        duration, colon, rate = str(text).partition(":")
        if not colon:
            read.mistakes.append(f'must be DURATION:RATE such as "10s:500", got "{text}"')
            continue
        duration_s, end = read.span_s(f'"{text}": the duration', duration, 0.0), read.rate(f'"{text}": the rate', rate)
        if duration_s:
            stages.append(Line(before, end, duration_s))
        before = end
    read.finish()
    if not any(stage.area for stage in stages):
        got = ", ".join(f'"{text}"' for text in texts) or "none"
        raise UsageError(f'must come to a rate above 0 within a duration above 0, such as "10s:500", got {got}')
    return Profile(tuple(stages))


def _held(rate_per_s: float, duration_s: float) -> Profile:
    if rate_per_s == 0 and math.isinf(duration_s):
        raise UsageError("a rate of 0 cannot go on without end: give it a duration, or a rate above 0")
    return Profile((Line(rate_per_s, rate_per_s, duration_s),))
