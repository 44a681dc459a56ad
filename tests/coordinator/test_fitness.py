"""How the generator fares, from what is seen of it: the conditions that the verdict rests on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hybridpress.config import Layer, RunConfig
from hybridpress.coordinator.fitness import Fitness
from hybridpress.machine import BoxCounts
from hybridpress.metrics.interval import Health
from hybridpress.metrics.summary import WorkerTotals
from hybridpress.metrics.surroundings import Box
from hybridpress.metrics.verdict import Conditions
from hybridpress.units import NS_PER_S

S = NS_PER_S


def fitness() -> Fitness:
    return Fitness(RunConfig.build("made.py:Made", [Layer({"qps": 10}, str)]))


def conditions(found: Fitness, *healths: Health) -> Conditions:
    return found.conditions(0, 0, [WorkerTotals(number, 1, health=health) for number, health in enumerate(healths)])


BEFORE = BoxCounts(
    n_cpus=2, cpu_s=100.0, busy_s=50.0, stolen_s=1.0, n_periods=10, n_throttled=5, throttled_s=1.0, swapped_pages=7,
    cpu_waited_s=3.0, memory_waited_s=1.0,
)  # fmt: skip
AFTER = BoxCounts(
    n_cpus=2, cpu_s=120.0, busy_s=65.0, stolen_s=3.0, n_periods=110, n_throttled=30, throttled_s=3.5,
    swapped_pages=7 + 2560, cpu_waited_s=8.0, memory_waited_s=1.1,
)  # fmt: skip


def test_the_box_between_the_first_look_and_the_last() -> None:
    """Shares are of what passed during the load, not since the boot."""
    found = fitness()
    assert conditions(found).box == Box()
    found.saw_box(5 * S, BEFORE)
    assert conditions(found).box == Box()
    found.saw_box(10 * S, replace(BEFORE, busy_s=51.0))
    found.saw_box(15 * S, AFTER)
    box = conditions(found).box
    assert (box.n_cpus, box.cpu_pct, box.stolen_pct, box.throttled_pct) == (2, 75.0, 10.0, 25.0)
    assert (box.throttled_s, box.swapped_mib_per_s, box.cpu_waited_pct) == (2.5, 1.0, 50.0)
    assert box.memory_waited_pct == pytest.approx(1.0)


def test_what_the_kernel_does_not_tell_is_not_known() -> None:
    """None stays None, and a quota that was not in force is no share of anything."""
    found = fitness()
    found.saw_box(0, BoxCounts())
    found.saw_box(S, BoxCounts())
    assert conditions(found).box == Box()
    found.saw_box(2 * S, BEFORE)
    assert conditions(found).box == Box(n_cpus=2)


def test_the_workers() -> None:
    """The busiest by its CPU, the one that lost most by its collector; the seconds in which anybody was out of CPU."""
    found = fitness()
    for index in range(10):
        found.measured(index, Health(cpu_ns=int(0.5 * S), span_ns=S))
        found.measured(index, Health(cpu_ns=int((0.99 if index in (3, 4, 8) else 0.1) * S), span_ns=S))
    found.measured(10, Health(cpu_ns=int(0.1 * S), span_ns=int(0.1 * S)))
    calm = Health(cpu_ns=5 * S, span_ns=10 * S, gc_pause_ns=1_000_000, longest_gc_pause_ns=900_000)
    messy = Health(cpu_ns=4 * S, span_ns=10 * S, gc_pause_ns=S // 5, longest_gc_pause_ns=30_000_000)
    seen = conditions(found, calm, messy)
    assert (seen.busiest_worker_cpu_pct, seen.workers_cpu_pct) == (50.0, 90.0)
    assert (seen.n_saturated_s, seen.n_seconds) == (3, 11)
    assert (seen.gc_pct, seen.longest_gc_ms) == (2.0, 30.0)


def test_a_wall_clock_that_is_set_is_told() -> None:
    """By how much, and which way; the slow corrections of a clock that is kept right are not, nor is a suspend."""
    found = fitness()
    assert found.clocks(0, 5 * S) is None
    assert found.clocks(0, 5 * S + 500_000) is None
    assert found.clocks(3 * S, 5 * S + 1_000_000) is None
    text = found.clocks(3 * S, 8 * S + 1_000_000)
    assert text == "the wall clock was set forward by 3 s; only the run's started_at is taken from it"
    assert found.clocks(3 * S, 8 * S + 1_000_000) is None
    assert "set back by 1 min 30 s" in str(found.clocks(3 * S, 8 * S - 90 * S))
    assert found.clocks(3 * S, None) is None
    assert conditions(found).suspended_s == 3.0


def test_memory_is_told_once() -> None:
    """When nine tenths are in use, whoever has them; without figures nothing is told."""
    found = fitness()
    counts = BoxCounts(memory_bytes=800 * 2**20, memory_limit_bytes=2**30, is_memory_of_group=True)
    assert found.saw_box(0, BoxCounts()) is None
    assert found.saw_box(S, counts) is None
    told = found.saw_box(2 * S, replace(counts, memory_bytes=950 * 2**20))
    assert told is not None
    assert told.startswith("memory is short: 950 MiB of the 1.00 GiB that this cgroup may have are in use")
    assert found.saw_box(3 * S, replace(counts, memory_bytes=960 * 2**20)) is None
