"""A run in words: what load it makes, and each second of it as one line."""

from __future__ import annotations

from dataclasses import dataclass

from hybridpress.config import RunConfig
from hybridpress.metrics.news import Moment
from hybridpress.metrics.thresholds import told_value
from hybridpress.report.safe import visible
from hybridpress.units import format_count, format_duration, format_ms

SHORT_END_S = 0.05
"""A last second shorter than this says nothing of the rate."""


def load_in_words(config: RunConfig) -> str:
    """What load is made: "5,000/s over 64 slots in 2 processes for 10s"."""
    if config.profile is None:
        rate = "unpaced" if config.slot_profile is None else f"unpaced, slots {config.slot_profile.describe()}"
    else:
        rate = config.profile.describe() if config.qps is None or config.stages else f"{format_count(config.qps)}/s"
    if config.arrivals == "poisson":
        rate += " at random"
    where = f"in {counted(config.processes, 'process', 'processes')}" if config.cluster is None else "on a cluster"
    slots = f"{counted(config.concurrent, 'slot')} {where}"
    if config.iterations is not None:
        return f"{rate} over {slots} for {counted(config.iterations, 'iteration')}"
    if config.duration_s is None:
        return f"{rate} over {slots} until all words are used"
    return f"{rate} over {slots} for {format_duration(config.duration_s)}"


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun: "1 slot", "64 slots"."""
    return f"{format_count(count)} {one if count == 1 else many or one + 's'}"


@dataclass(frozen=True, slots=True)
class Now:
    """A second of the run in the numbers that are shown."""

    elapsed_s: int
    """Seconds of the run at the interval's end."""
    qps: float | None
    """Iterations started a second; None when the load is over."""
    target_qps: float | None
    in_flight: int
    concurrent: int
    p50_ms: float | None
    p99_ms: float | None
    failed: int
    """Failed so far, as are the dropped."""
    dropped: int
    broken: tuple[str, ...] = ()
    """The thresholds that do not hold so far, with their values."""

    @classmethod
    def of(cls, config: RunConfig, moment: Moment, *, is_draining: bool) -> Now:
        """What *moment* says. A last second that is cut short counts with its own length."""
        interval, total = moment.interval, moment.total
        seconds = 1.0 if config.duration_s is None else min(1.0, config.duration_s - interval.index)
        is_over = seconds < SHORT_END_S or (is_draining and not interval.started)
        return cls(
            elapsed_s=interval.index + 1,
            qps=None if is_over else interval.started / seconds,
            target_qps=moment.target_qps,
            in_flight=interval.in_flight,
            concurrent=moment.n_slots,
            p50_ms=moment.second.p50_ms,
            p99_ms=moment.second.p99_ms,
            failed=total.failed,
            dropped=total.dropped,
            broken=tuple(
                f"{found.expression} ({told_value(found)})"
                for found in moment.thresholds
                if not found.passed and found.value is not None
            ),
        )

    def line(self) -> str:
        """The numbers in one line."""
        asked = "" if self.target_qps is None else f" of {format_count(round(self.target_qps, 1))}/s"
        parts = [
            "draining" if self.qps is None else f"{format_count(round(self.qps, 1))}/s{asked}",
            f"in flight {format_count(self.in_flight)}/{format_count(self.concurrent)}",
            f"p50 {format_ms(self.p50_ms)}",
            f"p99 {format_ms(self.p99_ms)}",
            f"failed {format_count(self.failed)}",
        ]
        if self.dropped:
            parts.append(f"dropped {format_count(self.dropped)}")
        parts += [f"✗ {visible(each)}" for each in self.broken]
        return f"{self.elapsed_s:>5,d}s  {'  '.join(parts)}"
