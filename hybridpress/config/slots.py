"""Who starts it: slots, and the processes that they live in."""

from __future__ import annotations

from dataclasses import dataclass

from hybridpress.config.knob import Knob, knob
from hybridpress.load.words import parse_words
from hybridpress.settings import AUTO, parse_cpu_timeout, parse_cpu_workers, parse_pin_cpus
from hybridpress.units import parse_count, parse_duration_s, parse_share


@dataclass(frozen=True, kw_only=True)
class SlotSettings:
    """Who starts it: slots, and the processes that they live in."""

    concurrent: int = knob(10, Knob("concurrent", parse_count, "Slots (virtual users) over all processes.", "N", "10"))
    slot_stages: tuple[str, ...] = knob(
        (),
        Knob(
            "slot_stage",
            parse_words,
            "Unpaced: over TIME go from the number of slots before to N; may be repeated. The first begins at "
            "--concurrent, or at 0.",
            "TIME:N",
            is_repeated=True,
        ),
    )
    processes: int = knob(0, Knob("processes", parse_count, "Worker processes.", "P", "one a CPU, at most one a slot"))
    cpu_workers: int = knob(
        AUTO,
        Knob(
            "cpu_workers",
            parse_cpu_workers,
            "Processes for prepare() and verify(); 0: they run inside the worker processes and hold up their loops.",
            "K|auto",
            "auto: by what prepare() costs and the QPS",
        ),
    )
    cpu_timeout_s: float = knob(
        30.0,
        Knob(
            "cpu_timeout",
            parse_cpu_timeout,
            "Longest time for one prepare() or verify(): a CPU worker that hangs is killed, and its work done again.",
            "TIME",
            "30s",
        ),
    )
    verify_sample: float = knob(
        1.0,
        Knob(
            "verify_sample", parse_share, "Share of the replies that verify() gets, drawn at random.", "SHARE", "100%"
        ),
    )
    pin_cpus: bool = knob(
        False,
        Knob(
            "pin_cpus",
            parse_pin_cpus,
            "Linux: keep each worker process on a CPU, in turn; the coordinator on those that are left.",
            is_flag=True,
        ),
    )
    start_timeout_s: float = knob(
        60.0, Knob("start_timeout", parse_duration_s, "Longest time until all slots have started.", "TIME", "60s")
    )
