"""What `--until` asks for: how it is read."""

from __future__ import annotations

import pytest

from hybridpress.errors import UsageError
from hybridpress.metrics.until import parse_until


@pytest.mark.parametrize(
    ("text", "figure", "share"),
    [
        ("p99 ±5%", "p99", 0.05),
        ("p99±5%", "p99", 0.05),
        (" p99.9 +-0.5 % ", "p99.9", 0.005),
        ("mean +/- 2%", "mean", 0.02),
        ("p50(GET /a(b)) ±10%", "p50(GET /a(b))", 0.1),
        ("service.p90 ±100%", "service.p90", 1.0),
    ],
)
def test_what_is_read(text: str, figure: str, share: float) -> None:
    """A figure of times, and how near the ends of its interval are to be."""
    found = parse_until(text)
    assert (str(found.figure), found.share, found.expression) == (figure, share, text)
    assert parse_until(found) is found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("p99", "must be a percentile or the mean, and how well it is to be known"),
        ("p99 ±5ms", "must be a percentile or the mean, and how well it is to be known"),
        ("p99 +5%", "must be a percentile or the mean, and how well it is to be known"),
        ("failed ±5%", "must be about a percentile or the mean of times"),
        ("max ±5%", "must be about a percentile or the mean of times"),
        ("p0 ±5%", "must be about a percentile above 0"),
        ("speed ±5%", "must be about p50, p99.9, max, mean"),
        ("p99 ±0%", "must be known to from 0.1% to 100%"),
        ("p99 ±200%", "must be known to from 0.1% to 100%"),
        (5, "must be a percentile or the mean"),
    ],
)
def test_what_is_none(text: object, told: str) -> None:
    """Each mistake names what was given and the way out."""
    with pytest.raises(UsageError) as raised:
        parse_until(text)
    assert told in str(raised.value)
    assert f'"{text}"' in str(raised.value)
