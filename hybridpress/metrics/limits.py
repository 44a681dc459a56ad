"""How much a figure may change from one run to the next: "p99 +10%", and whether it did."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hybridpress.errors import UsageError
from hybridpress.metrics.compare import PERCENTS, TOTAL, Change, Comparison
from hybridpress.units import parse_duration_s

_LIMIT = re.compile(
    r"\s*(?P<what>[a-z][a-z0-9.]*)\s*(?:\((?P<step>.+)\))?\s*(?P<sign>[+-])\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>%|[a-zµ]*)\s*"
)
_WHATS = ("qps", "failed", "mean", *PERCENTS)
_EXAMPLE = '"p99 +10%", "p50(GET /) +2ms", "failed +0.5%" or "qps -5%"'


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so much more, or less, where `most` is negative, of one figure.

    `most` is a part of what was before; with `is_absolute` it is in ms, of failures in percentage points.
    """

    expression: str
    what: str
    step: str
    most: float
    is_absolute: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """A limit, and whether it was kept; `why` where it was not, or could not be told."""

    limit: Limit
    is_kept: bool
    why: str = ""


def parse_limit(text: str) -> Limit:
    """A limit from "p99 +10%", "p99(GET /) +20ms", "failed +0.5%" (percentage points), "qps -5%".

    Raises:
        UsageError: it is not one.
    """
    match = _LIMIT.fullmatch(text)
    if match is None:
        raise UsageError(f'must be a change such as {_EXAMPLE}, got "{text}"')
    what, step, unit = match["what"], match["step"] or TOTAL, match["unit"]
    if what not in _WHATS:
        raise UsageError(f'must be about one of {", ".join(_WHATS)}, such as {_EXAMPLE}, got "{text}"')
    if what == "qps" and step:
        raise UsageError(f'must be about the QPS of the whole run: steps have none of their own; got "{text}"')
    sign = -1 if match["sign"] == "-" else 1
    if unit == "%":
        is_points = what == "failed"
        return Limit(text, what, step, sign * float(match["number"]) / (1 if is_points else 100), is_points)
    if what in {"qps", "failed"}:
        raise UsageError(f'must have a percentage, such as "{what} {match["sign"]}5%", got "{text}"')
    if not unit:
        raise UsageError(f'must have a unit, such as "{text.strip()}%" or "{text.strip()}ms", got "{text}"')
    try:
        most_ms = 1e3 * parse_duration_s(match["number"] + unit)
    except UsageError:
        raise UsageError(f'must have a percentage or a duration, such as {_EXAMPLE}, got "{text}"') from None
    return Limit(text, what, step, sign * most_ms, is_absolute=True)


def judge(limit: Limit, comparison: Comparison) -> Judged:
    """Whether *limit* was kept. What is within the 95 % interval of no change at all does not break one."""
    subject = comparison.subject(limit.step)
    change = None if subject is None else subject.change(limit.what)
    difference = None if change is None else change.difference
    if change is None or difference is None:
        where = f" of the step '{limit.step}'" if limit.step else ""
        return Judged(limit, is_kept=False, why=f"{limit.what}{where} was not measured in both")
    size = difference if limit.is_absolute else _part(change, difference)
    is_beyond = size >= limit.most if limit.most > 0 else size <= limit.most
    is_noise = change.margin is not None and abs(difference) <= change.margin
    if not is_beyond or not difference:
        return Judged(limit, is_kept=True)
    if is_noise:
        return Judged(limit, is_kept=True, why="the change is within the noise")
    return Judged(limit, is_kept=False)


def _part(change: Change, difference: float) -> float:
    if change.part is not None:
        return change.part
    return float("inf") if difference > 0 else 0.0
