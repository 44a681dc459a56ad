"""What must hold of what is measured, and whether the run ends before its time because of it."""

from __future__ import annotations

from dataclasses import dataclass

from hybridpress.config.knob import Knob, knob
from hybridpress.metrics.thresholds import Threshold, parse_thresholds
from hybridpress.metrics.until import Until, parse_until
from hybridpress.settings import parse_flag
from hybridpress.units import parse_duration_s

ABORT_GRACE_S = 10.0
UNTIL_MIN_S = 10.0
UNTIL_MAX_S = 300.0
"""How long a run with --until goes at most, where nothing else ends it."""


@dataclass(frozen=True, kw_only=True)
class ObjectiveSettings:
    """What must hold of what is measured, and whether the run ends before its time because of it."""

    thresholds: tuple[Threshold, ...] = knob(
        (),
        Knob(
            "threshold",
            parse_thresholds,
            "What must hold at the end, or the exit code is 99: 'p99<200ms', 'failed(GET /) < 1%'; may be repeated.",
            "OBJECTIVE",
            is_repeated=True,
        ),
    )
    abort_on_fail: bool = knob(
        False, Knob("abort_on_fail", parse_flag, "End the run as soon as a threshold does not hold.", is_flag=True)
    )
    abort_grace_s: float | None = knob(
        None, Knob("abort_grace", parse_duration_s, "But not in the first TIME of the load.", "TIME", "10s")
    )
    until: Until | None = knob(
        None,
        Knob(
            "until",
            parse_until,
            "End the run once the 95 % confidence interval of a percentile or the mean is that narrow: 'p99 ±5%'. "
            "--duration is then the longest it goes, 5m if left out.",
            "PRECISION",
        ),
    )
    until_min_s: float | None = knob(
        None, Knob("until_min", parse_duration_s, "But not in the first TIME of the load.", "TIME", "10s")
    )
