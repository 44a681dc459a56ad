"""Durations, rates and counts: from the words a person writes, and back."""

from __future__ import annotations

import math
import re

from hybridpress.errors import UsageError

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000
NEVER_NS = 2**63 - 1
"""An instant that does not come: later than any clock, and still a machine's whole number."""

_SECONDS_PER_UNIT = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FACTORS = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6}
_BYTES_PER_UNIT = {"": 1, "b": 1, "k": 2**10, "kb": 2**10, "kib": 2**10, "m": 2**20, "mb": 2**20, "mib": 2**20}
_BYTES_PER_UNIT |= {"g": 2**30, "gb": 2**30, "gib": 2**30}

_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(us|µs|ms|s|m|h|d)")
_NUMBER = re.compile(r"(\d[\d_]*(?:\.\d*)?|\.\d+)([kKM]?)")
_SIZE = re.compile(r"(\d+(?:\.\d*)?)\s*([a-z]*)")


def parse_duration_s(text: object) -> float:
    """Seconds from "300ms", "30s", "5m", "1h30m", or from a plain number of seconds.

    Raises:
        UsageError: not a duration, negative, or not finite.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        seconds = _float(text)
    else:
        word = str(text).strip()
        if _is_number(word):
            seconds = float(word)
        else:
            parts = _DURATION_PART.findall(word)
            if not parts or "".join(number + unit for number, unit in parts) != word:
                raise UsageError(f'must be a duration such as "300ms", "30s" or "1h30m", got "{text}"')
            seconds = sum(float(number) * _SECONDS_PER_UNIT[unit] for number, unit in parts)
    if not math.isfinite(seconds) or seconds < 0:
        raise UsageError(f'must be a duration of 0 or more, got "{text}"')
    return seconds


def parse_rate_per_s(text: object) -> float:
    """A rate a second from "500", "2.5k", "500/s", "30/m", or from a plain number.

    Raises:
        UsageError: not a rate, zero, negative, or not finite.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        rate = _float(text)
    else:
        number, slash, unit = str(text).strip().partition("/")
        match = _NUMBER.fullmatch(number)
        if match is None or (slash and unit not in _SECONDS_PER_UNIT):
            raise UsageError(f'must be a rate such as "500", "2.5k" or "500/s", got "{text}"')
        per_s = _SECONDS_PER_UNIT[unit] if slash else 1.0
        rate = float(match[1].replace("_", "")) * _FACTORS[match[2]] / per_s
    if not math.isfinite(rate) or rate <= 0:
        raise UsageError(f'must be a rate above 0, got "{text}"; leave it out for an unpaced run')
    return rate


def parse_count(text: object) -> int:
    """A whole number of 1 or more, from "10000", "10k", "1M" or an int.

    Raises:
        UsageError: not a whole number, or below 1.
    """
    if isinstance(text, bool):
        raise UsageError(f"must be a whole number, got {text}")
    if isinstance(text, int):
        count = _float(text)
    else:
        match = _NUMBER.fullmatch(str(text).strip())
        if match is None:
            raise UsageError(f'must be a whole number of 1 or more, got "{text}"')
        count = float(match[1].replace("_", "")) * _FACTORS[match[2]]
    if not math.isfinite(count) or count < 1 or count != int(count):
        raise UsageError(f'must be a whole number of 1 or more, got "{text}"')
    return int(count)


def parse_bytes(text: object) -> int:
    """A number of bytes from "65536", "64k", "8MiB", or an int.

    Raises:
        UsageError: not a size, or below 1.
    """
    match = _SIZE.fullmatch(str(text).strip().lower())
    if match is None or match[2] not in _BYTES_PER_UNIT:
        raise UsageError(f'must be a size such as "65536", "64k" or "8MiB", got "{text}"')
    size = float(match[1]) * _BYTES_PER_UNIT[match[2]]
    if not math.isfinite(size) or size < 1:
        raise UsageError(f'must be a size of 1 byte or more, got "{text}"')
    return int(size)


def parse_share(text: object) -> float:
    """A share from 0 to 1, from "10%", "0.1" or a number of that range.

    Raises:
        UsageError: not a share, or not within 0 and 1.
    """
    word = str(text).strip()
    number = word.removesuffix("%").strip()
    share = float(number) / (100 if word.endswith("%") else 1) if _is_number(number) else math.nan
    if isinstance(text, bool) or not 0 <= share <= 1:
        raise UsageError(f'must be a share such as "10%" or 0.1, at most 100%, got "{text}"')
    return share


def format_duration(seconds: float) -> str:
    """Short words for a duration: 0.3 → "300ms", 90 → "1m30s", 2.5 → "2.5s"."""
    return "".join(_duration_words(seconds, "", "m"))


def format_span(seconds: float) -> str:
    """The same in spaced words, for sentences: 0.25 → "250 ms", 90 → "1 min 30 s"."""
    return " ".join(_duration_words(seconds, " ", "min"))


def _duration_words(seconds: float, gap: str, minute: str) -> list[str]:
    if seconds < 0.9995:
        return [f"{seconds * 1e3:.3g}{gap}ms"]
    if seconds < 59.95:
        return [f"{seconds:.3g}{gap}s"]
    minutes, seconds_left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    words = [(hours, "h"), (minutes, minute), (seconds_left, "s")]
    return [f"{number}{gap}{unit}" for number, unit in words if number]


def format_ms(milliseconds: float | None) -> str:
    """A time with three digits and its unit: 0.0453 → "45.3 µs", 1.2345 → "1.23 ms", 2500 → "2.50 s"; None → "–"."""
    if milliseconds is None:
        return "–"
    for factor, unit in ((1e3, "µs"), (1.0, "ms"), (1e-3, "s")):
        value = milliseconds * factor
        if value < 999.5 or unit == "s":
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f} {unit}"
    raise AssertionError


def format_count(number: float) -> str:
    """A count with its thousands apart: 1234567 → "1,234,567"; fractions keep up to two digits."""
    if float(number).is_integer():
        return f"{int(number):,}"
    return f"{number:,.2f}".rstrip("0").rstrip(".")


def format_bytes(size: float) -> str:
    """A size with three digits: 1536 → "1.50 KiB"."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 999.5 or unit == "GiB":
            digits = 0 if unit == "B" else 2 if size < 9.995 else 1 if size < 99.95 else 0
            return f"{size:.{digits}f} {unit}"
        size /= 1024
    raise AssertionError


def _float(number: float) -> float:
    """*number* as a float; what is too large for one is infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
