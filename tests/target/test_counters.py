"""Counts that many processes write, as arithmetic."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.target.counters import ABANDONED, ACCEPTED, OPEN, PID, WAITING, Counters

ANSWERS = [("/", 200), ("/", 404), ("/b", 200)]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(ANSWERS)), max_size=60))
def test_sums_are_those_of_all_processes(events: list[tuple[int, tuple[str, int]]]) -> None:
    """Whichever process counted, paths and statuses add up to the events."""
    counters = Counters(3, ANSWERS)
    for process, (path, status) in events:
        counters.row(process)[counters.slots(path)[status]] += 1
    stats = counters.stats()
    assert stats["requests"] == len(events)
    for path, status in ANSWERS:
        seen = stats["paths"].get(path, {}).get(str(status), 0)
        assert seen == sum(answer == (path, status) for _, answer in events)
    assert [p["requests"] for p in stats["processes"]] == [sum(e[0] == i for e in events) for i in range(3)]


def test_a_reset_loses_nothing_that_is_counted_after() -> None:
    """After a reset only what follows counts, and what is open stays open."""
    counters = Counters(2, ANSWERS)
    row = counters.row(1)
    slot = counters.slots("/")[200]
    row[slot], row[ACCEPTED], row[OPEN] = 7, 4, 3
    counters.reset()
    row[slot] += 2
    stats = counters.stats()
    assert (stats["requests"], stats["connections"]) == (2, {"accepted": 0, "open": 3})


def test_a_dead_process_has_nothing_open() -> None:
    """What a process answered stays counted after its death; its connections are gone and its waiters abandoned."""
    counters = Counters(2, ANSWERS)
    for process in (0, 1):
        row = counters.row(process)
        row[OPEN], row[WAITING], row[ABANDONED], row[counters.slots("/b")[200]] = 5, 2, 1, 10
    counters.forget_process(0)
    stats = counters.stats()
    assert (stats["connections"]["open"], stats["waiting"], stats["abandoned"]) == (5, 2, 4)
    assert stats["paths"] == {"/b": {"200": 20}}


# pytest-xdist runs threads, of which Python 3.12 warns; the child below touches nothing of theirs.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_fork_counts_in_the_same_memory() -> None:
    """A forked process's counts are seen by its parent."""
    counters = Counters(1, ANSWERS)
    pid = os.fork()
    if pid == 0:
        counters.row(0)[PID] = os.getpid()
        counters.row(0)[counters.slots("/b")[200]] += 3
        os._exit(0)
    os.waitpid(pid, 0)
    stats = counters.stats()
    assert (stats["requests"], stats["processes"][0]["pid"]) == (3, pid)
