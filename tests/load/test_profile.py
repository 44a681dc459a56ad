"""A profile: its area is the integral of its rate, and its due times are the area's inverse."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybridpress.errors import UsageError
from hybridpress.load.profile import (
    Profile,
    constant,
    curve,
    hold,
    parse_curve,
    parse_stages,
    ramp,
    sine,
    spike,
    steps,
)
from hybridpress.load.stages import Line
from hybridpress.units import NS_PER_S
from tests.load.profiles import durations, integral, profiles, rates

parts_of_time = st.floats(0, 1)


@given(profiles, parts_of_time)
def test_arrivals_are_the_integral_of_the_rate(profile: Profile, part: float) -> None:
    """The area is what adding up the rate in small steps gives."""
    t_s = profile.duration_s * part
    assert profile.arrivals(t_s) == pytest.approx(integral(profile, t_s), rel=1e-7, abs=1e-9 * profile.area)


@given(profiles, st.lists(parts_of_time, max_size=20))
def test_arrivals_never_fall(profile: Profile, parts: list[float]) -> None:
    """Area and count grow with time, from 0 to the whole; beyond the ends they rest, and the rate is 0."""
    times = [-1.0, 0.0, *sorted(part * profile.duration_s for part in parts), profile.duration_s, 1e9]
    areas = [profile.arrivals(t_s) for t_s in times]
    counts = [profile.n_arrivals(t_s) for t_s in times]
    assert areas[:2] == [0, 0]
    assert areas[-2:] == [profile.area, profile.area]
    assert all(before <= after for before, after in pairwise(areas))
    assert all(before <= after for before, after in pairwise(counts))
    assert profile.rate(-1e-9) == profile.rate(1e9) == 0


@given(profiles, parts_of_time)
def test_due_times_are_the_inverse(profile: Profile, part: float) -> None:
    """Less than 1 ns before an area's time it is not passed, less than 1 ns after it is."""
    area = profile.area * part * 0.999
    t_s = profile.due_s(area)
    # What floats leave open of an area, and of a time.
    slack = 2e-9 + 1e-14 * profile.area
    near_s = 1e-9 + 1e-15 * profile.duration_s
    assert profile.arrivals(t_s - near_s) <= area + slack
    assert profile.arrivals(t_s + near_s) >= area - slack


@given(profiles, st.floats(0, 1))
def test_due_before(profile: Profile, part: float) -> None:
    """With n arrivals before t: iteration n - 1 is due before t, and iteration n is not; both to the ns."""
    t_s = profile.duration_s * part
    n = profile.n_arrivals(t_s)
    n_all = profile.n_arrivals(profile.duration_s)
    if n > 0:
        assert profile.due_s(n - 1) <= t_s + 1e-9
    if n < n_all:
        # Rates close to 0 leave open when exactly: there the area says it.
        assert profile.due_s(n) >= t_s - 1e-9 or profile.arrivals(t_s) == pytest.approx(n, rel=1e-14, abs=1e-8)


@given(profiles)
def test_due_times_ascend(profile: Profile) -> None:
    """The due times of all iterations ascend, within the profile, and are those of one at a time to the nearest ns."""
    n_all = min(profile.n_arrivals(profile.duration_s), 5_000)
    due_ns = profile.due_ns(0, n_all)
    assert due_ns.dtype == np.int64
    assert len(due_ns) == n_all
    assert (np.diff(due_ns) >= 0).all()
    assert due_ns[0] >= 0
    assert due_ns[-1] <= math.ceil(profile.duration_s * NS_PER_S)
    for n in range(0, n_all, max(n_all // 10, 1)):
        assert due_ns[n] == round(profile.due_s(n) * NS_PER_S)


@given(profiles, st.lists(parts_of_time, max_size=30))
def test_windows_lose_and_double_none(profile: Profile, parts: list[float]) -> None:
    """Window after window, what is due in each is all that is due, once, and by the same times."""
    cuts_s = [0.0, *sorted(profile.duration_s * part for part in parts), profile.duration_s]
    numbers = [profile.n_arrivals(t_s) for t_s in cuts_s]
    assert numbers[0] == 0
    n_all = numbers[-1]
    assert math.floor(profile.area - 1e-6) <= n_all <= math.ceil(profile.area)
    if n_all > 20_000:
        numbers = [n for n in numbers if n <= 20_000]
    windows = [profile.due_ns(first, last) for first, last in pairwise(numbers)]
    assert np.array_equal(np.concatenate([np.empty(0, np.int64), *windows]), profile.due_ns(0, numbers[-1]))


@given(st.integers(1, 500_000), st.integers(1, 36_000))
def test_a_constant_rate(tenths_per_s: int, tenths_s: int) -> None:
    """A profile of one rate has an iteration whenever rate times time reaches a whole number, each due at n / rate."""
    profile = constant(tenths_per_s / 10, 3_600)
    n = math.ceil(Fraction(tenths_per_s, 10) * Fraction(tenths_s, 10))
    assert profile.n_arrivals(tenths_s / 10) == n
    assert profile.due_s(n - 1) == (n - 1) / (tenths_per_s / 10)


@given(st.integers(1, 500_000), st.integers(1, 30 * 86_400))
@example(50_936, 12_080)
def test_a_constant_rate_for_long(tenths_per_s: int, elapsed_s: int) -> None:
    """No rounding error adds or takes an iteration, in a month of load either."""
    exact = math.ceil(Fraction(tenths_per_s, 10) * elapsed_s)
    assert constant(tenths_per_s / 10).n_arrivals(elapsed_s) == exact


tenths = st.integers(0, 500_000)


@given(st.lists(st.tuples(tenths, tenths, st.integers(1, 36_000)), min_size=1, max_size=20))
def test_the_whole_is_exact(lines: list[tuple[int, int, int]]) -> None:
    """Ramps with rates and durations in tenths have their iterations to the last one, hours of them."""
    exact = sum(Fraction(first + last, 20) * Fraction(length, 10) for first, last, length in lines)
    profile = Profile(tuple(Line(first / 10, last / 10, length / 10) for first, last, length in lines))
    assert profile.n_arrivals(profile.duration_s) == math.ceil(exact)


def test_many_stages_are_exact() -> None:
    """10,000 stages of 0.1 s at 0.1/s more each time: no error adds up."""
    profile = Profile(tuple(Line(k / 10, k / 10, 0.1) for k in range(10_001)))
    assert profile.duration_s == 1000.1
    assert profile.area == sum(range(10_001)) / 100
    assert profile.n_arrivals(1000.1) == 500_050


@given(profiles, profiles, profiles, parts_of_time)
def test_joining(first: Profile, second: Profile, third: Profile, part: float) -> None:
    """After the first profile comes the second; how three are bracketed makes no difference."""
    both = first + second
    t_s = second.duration_s * part
    assert both.arrivals(first.duration_s + t_s) == pytest.approx(first.area + second.arrivals(t_s), rel=1e-9, abs=1e-6)
    assert both.duration_s == pytest.approx(first.duration_s + second.duration_s)
    assert both.peak_rate == max(first.peak_rate, second.peak_rate)
    assert (first + second) + third == first + (second + third)


@given(rates, rates, durations, durations)
def test_hold(start: float, end: float, ramp_s: float, hold_s: float) -> None:
    """Hold goes on with the rate before it."""
    assert ramp(start, end, ramp_s) + hold(hold_s) == ramp(start, end, ramp_s) + constant(end, hold_s)


@given(profiles)
def test_pickle(profile: Profile) -> None:
    """A profile that has been to another process, used or not, is equal to the one here."""
    copy = copied(profile)
    assert copy == profile
    assert hash(copy) == hash(profile)
    profile.due_s(0)
    assert copied(profile) == copy


def copied(profile: Profile) -> object:
    return pickle.loads(pickle.dumps(profile))  # noqa: S301  # our own bytes


@pytest.mark.parametrize(
    ("profile", "t_s", "rate", "arrivals", "n_arrivals"),
    [
        (ramp(0, 500, 10), 0, 0, 0, 0),
        (ramp(0, 500, 10), 5, 250, 625, 625),
        (ramp(0, 500, 10), 10, 500, 2500, 2500),
        (ramp(500, 0, 10), 5, 250, 1875, 1875),
        (ramp(500, 0, 10), 10, 0, 2500, 2500),
        (ramp("0", "2.5k", "1m") + hold("5m"), 360, 2500, 825_000, 825_000),
        (steps(100, 300, 3, 10), 9.99, 100, 999, 999),
        (steps(100, 300, 3, 10), 10, 200, 1000, 1000),
        (steps(100, 300, 3, 10), 30, 300, 6000, 6000),
        (spike(10, 1000, 10, 1, 10), 10, 1000, 100, 100),
        (spike(10, 1000, 10, 1, 10), 21, 10, 1200, 1200),
        (spike(0, 1000, 0, 1, 0), 0.5, 1000, 500, 500),
        (sine(100, 50, 60, 120), 15, 150, 1500 + 50 * 60 / (2 * math.pi), 1978),
        (sine(100, 50, 60, 120), 45, 50, 4500 + 50 * 60 / (2 * math.pi), 4978),
        (sine(100, 50, 60, 120), 120, 100, 12_000, 12_000),
        (sine(100, 0, 60, 120), 60, 100, 6000, 6000),
        (curve([(0, 10), (10, 20), (10, 0), ("20s", "20")], scale=2), 5, 30, 125, 125),
        (curve([(0, 10), (10, 20), (10, 0), ("20s", "20")], scale=2), 10, 0, 300, 300),
        (curve([(7, 10), (17, 20)]), 10, 20, 150, 150),
        (constant("30/m"), 7200, 0.5, 3600, 3600),
        (constant(2.2, 100), 25, 2.2, 55, 55),
        (constant(5, 10) + constant(8.3, 30), 40, 8.3, 299, 299),
    ],
)
def test_shapes(profile: Profile, t_s: float, rate: float, arrivals: float, n_arrivals: int) -> None:
    """Each kind of profile has its rate, area and count."""
    assert profile.rate(t_s) == pytest.approx(rate)
    assert profile.arrivals(t_s) == pytest.approx(arrivals)
    assert profile.n_arrivals(t_s) == n_arrivals


def test_roundings_before_a_pause() -> None:
    """Where an area comes out a rounding above 55, iteration 55 is due after the pause all the same."""
    assert (constant(2.2, 25) + constant(0, 5) + constant(1, 9)).due_s(55) == 30


def test_a_rate_of_zero() -> None:
    """What would be due in a stretch without a rate is due at its end; nothing is after the last rate."""
    profile = constant(0, 10) + constant(0.7, 10) + constant(0, 5) + constant(1, 2) + constant(0, 100)
    assert [profile.due_s(n) for n in (0, 1, 6, 7, 8)] == pytest.approx([10, 10 + 1 / 0.7, 10 + 6 / 0.7, 25, 26])
    assert [profile.n_arrivals(t_s) for t_s in (5, 10, 20, 25, 25.5, 27, 127)] == [0, 0, 7, 7, 8, 9, 9]
    assert profile.due_s(profile.area) == 27
    with pytest.raises(ValueError, match="but the profile has 9"):
        profile.due_ns(0, 10)


@pytest.mark.parametrize("first", [ramp(100, 0, 10), sine(50, 50, 40, 30)], ids=["ramp", "sine"])
def test_through_zero(first: Profile) -> None:
    """A rate that comes down to 0 and rises again leaves no gap in the counts."""
    profile = first + ramp(0, 100, 10)
    due_s = profile.due_ns(0, math.floor(profile.area)) / 1e9
    for n in range(0, len(due_s), 7):
        assert profile.arrivals(due_s[n]) == pytest.approx(n, abs=1e-4)


@pytest.mark.parametrize(("first", "last"), [(-1, 3), (0, 101), (101, 102)])
def test_more_than_there_is(first: int, last: int) -> None:
    """Iterations that the profile does not have cannot be asked for; none at all can."""
    with pytest.raises(ValueError, match="the profile has"):
        constant(10, 10).due_ns(first, last)
    assert len(constant(10, 10).due_ns(50, 50)) == 0


@pytest.mark.parametrize("area", [-1e-9, 100.1, math.inf])
def test_areas_beyond(area: float) -> None:
    """An area below 0 or beyond the whole has no time; the whole has the end."""
    profile = constant(10, 10)
    assert profile.due_s(100) == 10
    with pytest.raises(ValueError, match="the profile has 0 to 100"):
        profile.due_s(area)


def test_without_end() -> None:
    """A constant profile may have no end: it has due times for any number, and nothing comes after it."""
    for profile in (constant("2.5k"), constant("2.5k", None), constant(2500, 5) + hold()):
        assert profile.is_endless
        assert profile.is_constant
        assert profile.duration_s == profile.area == math.inf
        assert profile.peak_rate == profile.rate(1e6) == 2500
        assert profile.n_arrivals(86_400) == 216_000_000
        assert profile.due_s(1_000_000) == 400
        assert profile.due_ns(216_000_000, 216_000_002).tolist() == [86_400_000_000_000, 86_400_000_400_000]
        assert copied(profile) == profile


@pytest.mark.parametrize(
    ("profile", "is_constant", "peak"),
    [
        (constant(5, 10), True, 5),
        (constant(5, 10) + hold(5) + constant("5", "1s"), True, 5),
        (constant(5, 10) + constant(6, 10), False, 6),
        (ramp(5, 5, 10), True, 5),
        (ramp(7, 5, 10), False, 7),
        (sine(5, 0, 1, 10), True, 5),
        (sine(5, 2, 1, 10), False, 7),
        (sine(100, 10, 60, 5), False, 105),
    ],
)
def test_peak(profile: Profile, peak: float, *, is_constant: bool) -> None:
    """The highest rate that it comes to, and whether it has but one."""
    assert profile.is_constant is is_constant
    assert profile.peak_rate == pytest.approx(peak)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (ramp(0, 500, "10s") + hold("1m"), "0 → 500/s over 10 s, 500/s for 1 min"),
        (constant(0.25, "1h30m"), "0.25/s for 1 h 30 min"),
        (constant("50k"), "50,000/s without end"),
        (sine(1000, 500, "1m", "1h"), "1,000 ± 500/s every 1 min for 1 h"),
        (spike(10, "1k", "250ms", 2.5, 0), "10/s for 250 ms, 1,000/s for 2.5 s"),
        (steps(100, 1000, 10, "30s"), "10 stages over 5 min, 100 to 1,000/s"),
        (steps(100, 1000, 10, "30s") + hold(), "11 stages without end, 100 to 1,000/s"),
    ],
)
def test_describe(profile: Profile, words: str) -> None:
    """A profile in words: stage by stage while they are few."""
    assert profile.describe() == words


@pytest.mark.parametrize(
    ("texts", "first_rate", "profile"),
    [
        (["10s:500", "1m:2k"], None, ramp(0, 500, 10) + ramp(500, 2000, 60)),
        (["10s:500", "1m:500"], 0, ramp(0, 500, 10) + hold(60)),
        (["10s:500"], "2k", ramp(2000, 500, 10)),
        (["0s:2k", "1m:2k", "0:10/m", "1h30m:0"], 7, constant(2000, 60) + ramp(1 / 6, 0, 5400)),
    ],
)
def test_stages(texts: list[str], first_rate: str | None, profile: Profile) -> None:
    """Each stage goes from the rate before to its own; one of no length is a jump."""
    assert parse_stages(texts, first_rate) == profile


def test_a_curve_of_a_file() -> None:
    """Rows of seconds and rate; a heading, remarks and blank rows are left out, the scale is on the rates."""
    text = '\ufeff"time (s)","p99 rate"\r\n0,100\r\n\r\n# lunch\r\n 60 , 200\n"1m30s","0"\n'
    assert parse_curve(text, "day.csv") == ramp(100, 200, 60) + ramp(200, 0, 30)
    assert parse_curve(text, "day.csv", scale=0.1) == ramp(10, 20, 60) + ramp(20, 0, 30)


RATE = 'must be a rate of 0 or more such as "500", "2.5k" or "30/m"'
DURATION = 'must be a duration such as "300ms", "30s" or "1h30m"'


@pytest.mark.parametrize(
    ("make", "mistakes"),
    [
        (
            lambda: ramp("fast", -1, "soon"),
            [
                f'ramp(): start {RATE}, got "fast"',
                f'ramp(): end {RATE}, got "-1"',
                f'ramp(): duration {DURATION}, got "soon"',
            ],
        ),
        (lambda: ramp(1, 2, 0), ['ramp(): duration must be a duration above 0 such as "30s", got "0"']),
        (lambda: hold("x"), [f'hold(): duration {DURATION}, got "x"']),
        (lambda: constant(math.nan, 1), [f'constant(): rate {RATE}, got "nan"']),
        (lambda: constant(0), ["a rate of 0 cannot go on without end: give it a duration, or a rate above 0"]),
        (
            lambda: ramp(1, 0, 1) + hold(),
            ["a rate of 0 cannot go on without end: give it a duration, or a rate above 0"],
        ),
        (
            lambda: constant("2k") + hold(1),
            ['nothing can come after "2,000/s without end"; give that stage a duration'],
        ),
        (
            lambda: hold(1) + ramp(1, 2, 3),
            ["hold() has no rate before it to hold; begin with constant(rate, duration) or ramp(...)"],
        ),
        (lambda: Profile(()), ["a profile must have stages, and nothing can come after one without end"]),
        (
            lambda: steps(1, 2, 1, -1),
            [
                'steps(): n must be 2 or more, got "1"',
                'steps(): duration_each must be a duration of 0 or more, got "-1"',
            ],
        ),
        (lambda: steps(1, 2, 2.5, 1), ['steps(): n must be a whole number of 1 or more, got "2.5"']),  # type: ignore[arg-type]
        (
            lambda: sine("1k", "2k", 1, 1),
            ['sine(): amplitude must be at most the mean, "1k", got "2k": a rate cannot be below 0'],
        ),
        (
            (constant(0, 1) + ramp(0, 0, "1m")).checked,
            ['asks for nothing: "0/s for 1 s, 0/s for 1 min"; give it a rate above 0 somewhere'],
        ),
        (
            lambda: curve([(0, 1), (5, "x"), (3, 1)], scale=0),
            [
                'curve(): the scale must be a number above 0, such as 0.5, got "0"',
                f'curve(): point 2: the rate {RATE}, got "x"',
                'curve(): point 3: must be in the order of time, got "3" after 5 s',
            ],
        ),
        (lambda: curve([(1, 5), (1, 6)]), ["curve(): must have two points or more, at different times, got 2"]),
        (
            lambda: parse_curve("0,5\n5,x\n4\n3,2,1\n10,4\n7,3\nfoo,4\n", "a.csv"),
            [
                f'a.csv:2: the rate {RATE}, got "x"',
                'a.csv:3: must be two columns, seconds and rate, such as "60,500", got "4"',
                'a.csv:4: must be two columns, seconds and rate, such as "60,500", got "3,2,1"',
                'a.csv:6: must be in the order of time, got "7" after 10 s',
                f'a.csv:7: the time {DURATION}, got "foo"',
            ],
        ),
        (lambda: parse_curve("", "a.csv"), ["a.csv: must have two points or more, at different times, got 0"]),
        (lambda: parse_curve("x,5\n1,2\n2,3", "a.csv"), [f'a.csv:1: the time {DURATION}, got "x"']),
        (
            lambda: parse_stages(["1m2k", "x:5", "1m:y", "1m:5"], "z"),
            [
                f'the rate before the first stage {RATE}, got "z"',
                'must be DURATION:RATE such as "10s:500", got "1m2k"',
                f'"x:5": the duration {DURATION}, got "x"',
                f'"1m:y": the rate {RATE}, got "y"',
            ],
        ),
        (
            lambda: parse_stages(["1m:0", "0s:5"]),
            ['must come to a rate above 0 within a duration above 0, such as "10s:500", got "1m:0", "0s:5"'],
        ),
        (
            lambda: parse_stages([]),
            ['must come to a rate above 0 within a duration above 0, such as "10s:500", got none'],
        ),
    ],
)
def test_mistakes(make: Callable[[], object], mistakes: list[str]) -> None:
    """All mistakes at once, each with the thing, the value and the way out."""
    with pytest.raises(UsageError) as caught:
        make()
    assert caught.value.mistakes == mistakes
