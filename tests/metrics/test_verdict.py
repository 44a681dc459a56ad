"""What the generator says of itself: a reason for each trouble, and the worst of them as the verdict."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hybridpress.metrics.cpu import CpuCounts
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import Health, Interval
from hybridpress.metrics.surroundings import Box
from hybridpress.metrics.verdict import Conditions, CpuTier, judge

FINE = Conditions(paced=True, n_unstarted=0, n_workers_lost=0, busiest_worker_cpu_pct=94.9, slots_were_exhausted=False)


def histogram_of(times_ms: list[float]) -> Histogram:
    histogram = Histogram()
    histogram.add((np.array(times_ms) * 1e6).astype(np.int64))
    return histogram


def run(*, late_ms: float = 0.1, lag_ms: float = 0.1) -> Interval:
    """A run whose p99 of lateness and loop lag are as given."""
    return Interval(
        0, lateness=histogram_of([0.0] * 90 + [late_ms] * 10), health=Health(histogram_of([0.0] * 90 + [lag_ms] * 10))
    )


def test_nothing_wrong() -> None:
    """A run without trouble is valid, without reasons; so is one in which nothing was measured."""
    assert judge(run(), FINE) == ("valid", [])
    assert judge(Interval(0), FINE) == ("valid", [])


@pytest.mark.parametrize(
    ("lag_ms", "verdict", "codes"),
    [
        (9.9, "valid", []),
        (10.0, "degraded", ["event_loop_blocked"]),
        (99.0, "degraded", ["event_loop_blocked"]),
        (100.0, "invalid", ["event_loop_blocked"]),
    ],
)
def test_a_blocked_loop(lag_ms: float, verdict: str, codes: list[str]) -> None:
    """A loop that is late by 10 ms at p99 degrades, by 100 ms invalidates, paced or not."""
    for conditions in (FINE, replace(FINE, paced=False)):
        found, reasons = judge(run(lag_ms=lag_ms), conditions)
        assert (found, [reason.code for reason in reasons]) == (verdict, codes)


@pytest.mark.parametrize(
    ("late_ms", "verdict", "codes"),
    [
        (9.9, "valid", []),
        (10.0, "degraded", ["late_starts"]),
        (99.0, "degraded", ["late_starts"]),
        (100.0, "invalid", ["late_starts"]),
    ],
)
def test_late_starts(late_ms: float, verdict: str, codes: list[str]) -> None:
    """Starts late by 10 ms at p99 with slots free are the generator's fault; an unpaced run knows no lateness."""
    found, reasons = judge(run(late_ms=late_ms), FINE)
    assert (found, [reason.code for reason in reasons]) == (verdict, codes)
    assert judge(run(late_ms=late_ms), replace(FINE, paced=False)) == ("valid", [])


def test_exhausted_slots() -> None:
    """With all slots busy late starts are the plan's or the server's doing: degraded, with the way out."""
    verdict, reasons = judge(run(late_ms=5_000), replace(FINE, slots_were_exhausted=True, n_unstarted=1_234))
    assert (verdict, [reason.code for reason in reasons]) == ("degraded", ["slots_exhausted"])
    assert "lateness p99 5.00 s; 1,234 never started" in reasons[0].text
    assert "--concurrent" in reasons[0].text
    _, reasons = judge(Interval(0), replace(FINE, slots_were_exhausted=True))
    assert "lateness p99 unknown)" in reasons[0].text
    assert judge(run(), replace(FINE, slots_were_exhausted=True, paced=False)) == ("valid", [])


def test_saturated_cpu() -> None:
    """A worker at 95 % of a core degrades; the text says what that means for the sort of run."""
    paced = judge(run(), replace(FINE, busiest_worker_cpu_pct=95.0))
    assert (paced[0], [reason.code for reason in paced[1]]) == ("degraded", ["cpu_saturated"])
    assert "95 % of a core: the QPS may be beyond" in paced[1][0].text
    unpaced = judge(run(), replace(FINE, busiest_worker_cpu_pct=99.9, paced=False))
    assert "100 % of a core: the throughput may be its limit" in unpaced[1][0].text


def test_lost_workers_and_clock_jumps() -> None:
    """A lost worker degrades, a machine that stood still invalidates."""
    verdict, reasons = judge(run(), replace(FINE, n_workers_lost=2))
    assert (verdict, reasons[0].code, reasons[0].text[:2]) == ("degraded", "worker_lost", "2 ")
    verdict, reasons = judge(run(), replace(FINE, suspended_s=12.34))
    assert (verdict, reasons[0].code) == ("invalid", "clock_jump")
    assert "12.3 s" in reasons[0].text


def test_the_worst_counts() -> None:
    """All reasons are given; the verdict is that of the worst, whichever comes first."""
    conditions = replace(FINE, n_workers_lost=1, busiest_worker_cpu_pct=99.0)
    verdict, reasons = judge(run(lag_ms=500, late_ms=20), conditions)
    assert verdict == "invalid"
    assert [(reason.code, reason.verdict) for reason in reasons] == [
        ("worker_lost", "degraded"),
        ("event_loop_blocked", "invalid"),
        ("late_starts", "degraded"),
        ("cpu_saturated", "degraded"),
    ]


# CPU work

TIER = CpuTier(n_workers=1, n_loops=2, lasted_s=10.0, n_cpus=4, target_qps=900.0)


def worked(n: int, each_ms: float, *, waits: int = 0) -> Interval:
    """10 s in which prepare() was called so many times."""
    found = run()
    found.started = n
    found.cpu = CpuCounts(prepare=histogram_of([each_ms] * n), waits=waits)
    return found


def test_cpu_workers_are_the_limit() -> None:
    """They are, when they work all the time and iterations wait: then it is said how many more would do."""
    verdict, [reason] = judge(worked(1_000, 9.0, waits=900), replace(FINE, cpu_tier=TIER))
    assert (verdict, reason.code) == ("degraded", "cpu_saturated")
    # 900/s of 9 ms each are 8.1 cores of work; at 80 % that is 11 workers
    assert reason.text == (
        "CPU workers are the limit: 10 more would hold this QPS, on a machine with more than 4 CPUs; "
        "900 iterations waited for them"
    )


@pytest.mark.parametrize(
    ("interval", "tier"),
    [
        (worked(1_000, 9.0, waits=5), TIER),  # busy, but in time
        (worked(1_000, 1.0, waits=900), TIER),  # waits, but not for want of CPU workers
        (worked(1_000, 9.0, waits=900), None),
    ],
)
def test_cpu_workers_that_are_not_the_limit(interval: Interval, tier: CpuTier | None) -> None:
    """Work alone is no trouble, nor are waits alone."""
    assert judge(interval, replace(FINE, cpu_tier=tier)) == ("valid", [])


def test_an_unpaced_limit() -> None:
    """Without a QPS there is no number that would hold it."""
    _, [reason] = judge(worked(1_000, 9.0, waits=900), replace(FINE, cpu_tier=replace(TIER, target_qps=None)))
    assert reason.text.startswith("CPU workers are the limit; 900 iterations")


@pytest.mark.parametrize(("each_ms", "codes"), [(0.9, []), (1.1, ["event_loop_blocked"])])
def test_work_in_line(each_ms: float, codes: list[str]) -> None:
    """Work on the event loops is told from a twentieth of their time on."""
    _, reasons = judge(worked(1_000, each_ms), replace(FINE, cpu_tier=replace(TIER, n_workers=0)))
    assert [reason.code for reason in reasons] == codes
    assert all("see --cpu-workers" in reason.text for reason in reasons)


def test_who_blocks_the_loop() -> None:
    """The line at which the loop stood longest is named; of two workers, the longer one's."""
    found = run(lag_ms=50)
    found.health.blocker = (40_000_000, "slow.py:3 in press()")
    found.health.merge(Health(blocker=(70_000_000, "slow.py:9 in press()")))
    found.health.merge(Health())
    _, [reason] = judge(found, FINE)
    assert "longest, 70.0 ms, by slow.py:9 in press()" in reason.text


def test_what_was_never_started() -> None:
    """Iterations that never started though slots were not in flight are a reason, if they are more than a few."""
    found = run()
    found.started = 1_000
    assert judge(found, replace(FINE, n_unstarted=5)) == ("valid", [])
    verdict, [reason] = judge(found, replace(FINE, n_unstarted=500))
    assert (verdict, reason.code) == ("degraded", "late_starts")
    assert "500 iterations were due and never started" in reason.text


def test_seconds_without_cpu() -> None:
    """A worker that is out of CPU in a tenth of its seconds is told, though its average is not; in two of them it is
    not.
    """
    assert judge(run(), replace(FINE, n_saturated_s=2, n_seconds=3)) == ("valid", [])
    assert judge(run(), replace(FINE, n_saturated_s=5, n_seconds=51)) == ("valid", [])
    verdict, [reason] = judge(run(), replace(FINE, n_saturated_s=5, n_seconds=50))
    assert (verdict, reason.code) == ("degraded", "cpu_saturated")
    assert reason.text.startswith("a worker used 95 % of a core or more in 5 of 50 seconds: ")


@pytest.mark.parametrize(
    ("gc_pct", "longest_ms", "verdict"),
    [
        (0.9, 500.0, "valid"),
        (5.0, 9.9, "valid"),
        (1.0, 10.0, "degraded"),
        (1.0, 99.0, "degraded"),
        (1.0, 100.0, "invalid"),
    ],
)
def test_pauses_of_the_collector(gc_pct: float, longest_ms: float, verdict: str) -> None:
    """Seldom ones and short ones do no harm; else they are told as what they are."""
    found, reasons = judge(run(), replace(FINE, gc_pct=gc_pct, longest_gc_ms=longest_ms))
    assert (found, [reason.code for reason in reasons]) == (verdict, ["gc_pauses"] * (verdict != "valid"))


# from outside


@pytest.mark.parametrize(
    ("box", "verdict", "codes", "told"),
    [
        (Box(), "valid", [], ""),
        (Box(throttled_pct=0.9), "valid", [], ""),
        (Box(throttled_pct=1.0, throttled_s=2.5), "degraded", ["cpu_throttled"], "used up in 1 % of its periods"),
        (Box(throttled_pct=10.0, throttled_s=25.0), "invalid", ["cpu_throttled"], "stood still for 25.0 s of CPU time"),
        (Box(2, cpu_pct=94.9), "valid", [], ""),
        (Box(2, cpu_pct=95.0), "degraded", ["box_saturated"], "2 CPUs were 95 % busy, 60 % with the workers: end what"),
        (Box(2, cpu_pct=99.0, cpu_waited_pct=80.0), "degraded", ["box_saturated"], "waited for one 80 % of the time"),
        (Box(2, stolen_pct=4.9), "valid", [], ""),
        (Box(2, stolen_pct=5.0), "degraded", ["cpu_stolen"], "gave 5 % of its CPU time to others"),
        (Box(swapped_mib_per_s=0.09), "valid", [], ""),
        (Box(swapped_mib_per_s=0.1), "degraded", ["swapped"], "swapped 0.1 MiB/s: free memory"),
        (Box(swapped_mib_per_s=30.0, memory_waited_pct=12.0), "degraded", ["swapped"], "waited for memory 12 % of the"),
    ],
)  # fmt: skip
def test_the_box(box: Box, verdict: str, codes: list[str], told: str) -> None:
    """What the machine did to the run, each from its limit on, with its number and the way out."""
    found, reasons = judge(run(lag_ms=5.0), replace(FINE, box=box, workers_cpu_pct=120.0))
    assert (found, [reason.code for reason in reasons]) == (verdict, codes)
    assert all(told in reason.text for reason in reasons), reasons


def test_a_busy_box_does_no_harm_to_who_is_on_time() -> None:
    """All CPUs in use are a reason where the loop or the starts show it."""
    busy = replace(FINE, box=Box(2, cpu_pct=100.0))
    assert judge(run(lag_ms=4.9, late_ms=4.9), busy) == ("valid", [])
    for late in (run(lag_ms=5.0), run(late_ms=5.0)):
        assert [reason.code for reason in judge(late, busy)[1]] == ["box_saturated"]
    assert judge(run(late_ms=5.0), replace(busy, paced=False)) == ("valid", [])


def test_the_readme_has_every_reason() -> None:
    """Each code that the verdict may name stands in the README's table, with its limits and what to do."""
    root = Path(__file__).parents[2]
    source = "".join((root / "hybridpress/metrics" / name).read_text() for name in ("verdict.py", "surroundings.py"))
    codes = set(re.findall(r'Reason\("(\w+)"', source))
    section = (root / "README.md").read_text().partition("## The verdict")[2].partition("\n## ")[0]
    assert codes == set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
