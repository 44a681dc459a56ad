"""The clocks that a run compares: read in turn, in a process that may lose its CPU between two readings."""

from __future__ import annotations

import time

import pytest

from hybridpress import clock


def test_the_clocks_of_this_machine() -> None:
    """How far one clock is ahead of another stays the same while nobody sets or suspends anything."""
    assert abs(clock.suspended_ns() - clock.suspended_ns()) < 5_000_000
    assert clock.suspended_ns() > -5_000_000
    assert abs(clock.wall_ahead_ns() - clock.wall_ahead_ns()) < 50_000_000


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="the time since the boot is told on Linux only")
def test_a_pause_between_two_readings_is_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stood still between two readings reads again, and takes those that were nearest to one another."""
    monotonic_ns = iter([0, 400_000_000, 400_100_000, 400_200_000])
    boot_ns = iter([7_000_000_000, 7_400_150_000])
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(monotonic_ns))
    monkeypatch.setattr(time, "clock_gettime_ns", lambda _: next(boot_ns))
    assert clock.suspended_ns() == 7_000_000_000


def test_without_a_clock_that_counts_a_suspend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not tell, nothing was suspended."""
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert clock.suspended_ns() == 0
