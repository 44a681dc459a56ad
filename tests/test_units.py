"""Durations, rates, counts and sizes: what people write, what is refused, what is shown."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.errors import UsageError
from hybridpress.units import (
    format_bytes,
    format_count,
    format_duration,
    format_ms,
    parse_bytes,
    parse_count,
    parse_duration_s,
    parse_rate_per_s,
    parse_share,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300ms", 0.3),
        ("250us", 0.00025),
        ("250µs", 0.00025),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1d", 86_400.0),
        ("1m1s500ms", 61.5),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("2.s", 2.0),
        (" 30s ", 30.0),
        ("30", 30.0),
        ("0", 0.0),
        (30, 30.0),
        (0.25, 0.25),
    ],
)
def test_durations(text: object, seconds: float) -> None:
    """A duration is numbers with units, one after another, or a plain number of seconds."""
    assert parse_duration_s(text) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "s", "fast", "30 s", "30x", "1h30", "-1", "-30s", -1, "nan", "inf", math.inf, math.nan, None, True]
)
def test_what_is_no_duration(text: object) -> None:
    """What is no duration of 0 or more is refused, and quoted."""
    with pytest.raises(UsageError, match="duration") as caught:
        parse_duration_s(text)
    assert f'"{text}"' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "per_s"),
    [
        ("500", 500.0),
        ("2.5k", 2_500.0),
        ("2.5K", 2_500.0),
        ("1M", 1_000_000.0),
        ("500/s", 500.0),
        ("30/m", 0.5),
        ("1.8k/h", 0.5),
        ("5/ms", 5_000.0),
        ("10_000", 10_000.0),
        ("0.5", 0.5),
        (".5", 0.5),
        (7, 7.0),
        (49_999.9, 49_999.9),
    ],
)
def test_rates(text: object, per_s: float) -> None:
    """A rate is a number, with a factor and a unit of time if wanted; without one it is a second."""
    assert parse_rate_per_s(text) == pytest.approx(per_s, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "fast", "0", "0/s", 0, -5, "-5", "5/x", "5/", "/s", "k", math.inf, math.nan, True]
)
def test_what_is_no_rate(text: object) -> None:
    """What is no rate above 0 is refused, and quoted."""
    with pytest.raises(UsageError, match="must be a rate") as caught:
        parse_rate_per_s(text)
    assert f'"{text}"' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("10000", 10_000), ("10k", 10_000), ("1.5k", 1_500), ("1M", 1_000_000), ("10_000", 10_000), (3, 3)],
)
def test_counts(text: object, count: int) -> None:
    """A count is a whole number of 1 or more."""
    assert parse_count(text) == count


@pytest.mark.parametrize("text", ["", "many", "0", 0, -1, "1.5", "0.0001k", "1e3", True, None])
def test_what_is_no_count(text: object) -> None:
    """Fractions, 0 and what is below are no counts, even True."""
    with pytest.raises(UsageError, match="whole number"):
        parse_count(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("65536", 65_536), ("64k", 65_536), ("64KB", 65_536), ("8MiB", 8 * 2**20), ("1.5 kib", 1_536), (2**20, 2**20)],
)
def test_sizes(text: object, size: int) -> None:
    """A size is a number of bytes; factors are powers of 1,024."""
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "big", "0", "-1", "5x", None, True])
def test_what_is_no_size(text: object) -> None:
    """What is no size of a byte or more is refused."""
    with pytest.raises(UsageError, match="must be a size"):
        parse_bytes(text)


@given(st.one_of(st.text(max_size=12), st.integers(), st.floats(), st.booleans(), st.none()))
def test_nothing_but_a_usage_error(value: object) -> None:
    """Whatever is given, a parser returns a number in its range or raises UsageError."""
    parsers: list[tuple[Callable[[object], float], float]] = [
        (parse_duration_s, 0.0),
        (parse_rate_per_s, 5e-324),
        (parse_count, 1),
        (parse_bytes, 1),
    ]
    for parse, least in parsers:
        try:
            number = parse(value)
        except UsageError:
            continue
        assert math.isfinite(number)
        assert number >= least


@pytest.mark.parametrize("parse", [parse_duration_s, parse_rate_per_s, parse_count, parse_bytes])
@pytest.mark.parametrize("value", ["9" * 400, 10**400], ids=["text", "int"])
def test_beyond_all_floats(parse: Callable[[object], float], value: object) -> None:
    """A number too large for a float is bad usage like any other."""
    with pytest.raises(UsageError):
        parse(value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.3, "300ms"),
        (0.0123, "12.3ms"),
        (0.9999, "1s"),
        (1, "1s"),
        (2.5, "2.5s"),
        (59.96, "1m"),
        (60, "1m"),
        (90, "1m30s"),
        (119.7, "2m"),
        (3_600, "1h"),
        (5_405, "1h30m5s"),
        (86_400, "24h"),
    ],
)
def test_durations_shown(seconds: float, text: str) -> None:
    """A duration is shown with three digits below a minute and whole seconds above."""
    assert format_duration(seconds) == text


@given(st.integers(0, 10**7))
def test_a_shown_duration_can_be_read_again(seconds: int) -> None:
    """Whole seconds survive being shown and read."""
    assert parse_duration_s(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (None, "–"),
        (0, "0.00 µs"),
        (0.0453, "45.3 µs"),
        (0.00999, "9.99 µs"),
        (0.009996, "10.0 µs"),
        (0.412, "412 µs"),
        (0.9994, "999 µs"),
        (0.9996, "1.00 ms"),
        (1.2345, "1.23 ms"),
        (99.96, "100 ms"),
        (999.6, "1.00 s"),
        (2_500, "2.50 s"),
        (3_600_000, "3600 s"),
    ],
)
def test_times_shown(milliseconds: float | None, text: str) -> None:
    """A time is shown with three digits, in the unit that makes it 1 to 999; what was not measured is a dash."""
    assert format_ms(milliseconds) == text


@given(st.floats(0.001, 3_600_000))
def test_a_shown_time_is_near(milliseconds: float) -> None:
    """Three digits are within half a percent."""
    number, unit = format_ms(milliseconds).split()
    assert float(number) * {"µs": 1e-3, "ms": 1, "s": 1e3}[unit] == pytest.approx(milliseconds, rel=0.00501)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_234_567, "1,234,567"),
        (5_000.0, "5,000"),
        (0.5, "0.5"),
        (4_999.876, "4,999.88"),
        (4_999.999, "5,000"),
        (0.001, "0"),
    ],
)
def test_counts_shown(number: float, text: str) -> None:
    """A count is shown with its thousands apart, and with two digits of a fraction at most."""
    assert format_count(number) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "0.98 KiB"),
        (1_536, "1.50 KiB"),
        (999.9 * 2**10, "0.98 MiB"),
        (9.54 * 2**20, "9.54 MiB"),
        (10 * 2**20, "10.0 MiB"),
        (512 * 2**20, "512 MiB"),
        (2**40, "1024 GiB"),
    ],
)
def test_sizes_shown(size: float, text: str) -> None:
    """A size is shown with three digits, never with an exponent."""
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    ("text", "share"), [("10%", 0.1), ("100 %", 1.0), ("0", 0.0), (0.25, 0.25), (1, 1.0), (".5%", 0.005)]
)
def test_shares(text: object, share: float) -> None:
    """A share is a percentage or a number up to 1."""
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["150%", "2", "-1%", "some", "", "%", True, "nan"])
def test_what_is_no_share(text: object) -> None:
    """Anything else is told with what was given."""
    with pytest.raises(UsageError, match="must be a share"):
        parse_share(text)
