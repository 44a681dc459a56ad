"""What `--until` asks for, in words such as "p99 ±5%": to go on until a figure is known that well."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hybridpress.errors import UsageError
from hybridpress.metrics.figures import Figure, parse_figure

_EXPRESSION = re.compile(
    r"\s*(?P<what>[^±()+\s]+)\s*(?:\(\s*(?P<name>.+?)\s*\))?\s*(?:±|\+/?-)\s*(?P<percent>\d+(?:\.\d+)?)\s*%\s*"
)
_EXAMPLE = '"p99 ±5%" or "mean(GET /) +-2%"'


@dataclass(frozen=True, slots=True)
class Until:
    """A figure of times, and how far from it the ends of its 95 % confidence interval may be, as a share of it."""

    expression: str
    figure: Figure
    share: float


def parse_until(text: object) -> Until:
    """From "p99 ±5%", "p99(GET /) +-5%", "service.mean +/-2%".

    Raises:
        UsageError: it is nothing of the kind.
    """
    if isinstance(text, Until):
        return text
    match = _EXPRESSION.fullmatch(str(text))
    if match is None:
        raise UsageError(f'must be a percentile or the mean, and how well it is to be known: {_EXAMPLE}, got "{text}"')
    figure = parse_figure(match["what"], match["name"])
    if isinstance(figure, str):
        raise UsageError(f'must {figure}, got "{text}"; such as {_EXAMPLE}')
    if not figure.times or figure.which == "max":
        raise UsageError(f'must be about a percentile or the mean of times, such as {_EXAMPLE}, got "{text}"')
    if figure.percent == 0:
        raise UsageError(f'must be about a percentile above 0, such as {_EXAMPLE}, got "{text}"')
    share = float(match["percent"]) / 100
    if not 0.001 <= share <= 1:
        raise UsageError(f'must be known to from 0.1% to 100%, such as {_EXAMPLE}, got "{text}"')
    return Until(str(text), figure, share)
