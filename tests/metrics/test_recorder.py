"""Samples in, intervals out: nothing is lost or counted twice, whenever a flush comes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, Health, Interval, StepCounts
from hybridpress.metrics.recorder import (
    MAX_ERROR_KINDS,
    MAX_STEPS,
    OTHER_MESSAGES,
    OTHER_STEPS,
    Recorder,
    times_of,
)
from hybridpress.units import NEVER_NS


@dataclass(frozen=True)
class Iteration:
    due_ns: int
    start_ns: int
    end_ns: int
    failed: bool


iterations = st.builds(
    lambda due, late, took, failed: Iteration(due, due + late, due + late + took, failed),
    st.integers(0, 1_000),
    st.integers(0, 300),
    st.integers(0, 600),
    st.booleans(),
)


def note(recorder: Recorder, iteration: Iteration) -> None:
    """What an iteration's code does, and then its slot when it has ended."""
    step = recorder.step("GET /")
    (step.failed if iteration.failed else step.done)(iteration.end_ns - iteration.start_ns, 10, 100)
    recorder.check("status is 200", ok=not iteration.failed)
    if iteration.failed:
        recorder.error("StatusError", "status 500", iteration.end_ns, lambda: "an example")
    if iteration.end_ns >= recorder.until_ns:
        recorder.cut(iteration.end_ns)
    recorder.service_ns.append(iteration.end_ns - iteration.start_ns)
    if recorder.paced:
        recorder.lateness_ns.append(iteration.start_ns - iteration.due_ns)
    recorder.last_end_ns = iteration.end_ns
    recorder.n_failed += iteration.failed


def play(recorder: Recorder, run: list[Iteration], flushes: list[tuple[int | None, int]]) -> list[Interval]:
    """Run *run* through *recorder*; each flush is (the instant at which its interval ends, the instant at which the
    timer comes for it), unless an iteration that ends in between cut there before. None, for the last: all the rest.
    """
    told: list[Interval] = []
    to_note = sorted(run, key=lambda iteration: iteration.end_ns)
    boundaries_ns = [until_ns for until_ns, _ in flushes if until_ns is not None] + [NEVER_NS]

    def flush(until_ns: int | None, at_ns: int) -> None:
        running = [iteration.start_ns for iteration in to_note if iteration.start_ns <= at_ns]
        told.append(recorder.flush(len(told), until_ns, running, Health()))

    def cut(at_ns: int) -> None:
        while at_ns >= recorder.until_ns:
            flush(recorder.until_ns, at_ns)
            recorder.until_ns = boundaries_ns[len(told)]

    recorder.until_ns, recorder.cut = boundaries_ns[0], cut
    for until_ns, at_ns in flushes:
        while to_note and to_note[0].end_ns <= at_ns:
            note(recorder, to_note[0])  # while it cuts, it still runs
            del to_note[0]
        cut(at_ns)
        if until_ns is None:
            flush(None, at_ns)
    return told


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.lists(iterations, max_size=40),
    st.lists(st.tuples(st.integers(1, 700), st.integers(0, 400)), max_size=8),
    st.booleans(),
)
def test_counts_hold_after_every_flush(run: list[Iteration], plan: list[tuple[int, int]], paced: bool) -> None:
    """After each flush started = completed + failed + in flight, whatever the boundaries, and however late the timer
    comes. An interval holds its first instant and not its last.
    """
    recorder = Recorder(paced=paced)
    flushes: list[tuple[int | None, int]] = []
    until_ns = at_ns = 0
    for gap_ns, late_ns in plan:
        until_ns += gap_ns
        at_ns = max(at_ns, until_ns + late_ns)
        flushes.append((until_ns, at_ns))
    told = play(recorder, run, [*flushes, (None, 10_000)])
    assert len(told) == len(flushes) + 1
    so_far = Interval(0)
    from_ns = 0
    for (until, _), interval in zip(flushes, told, strict=False):
        so_far.extend(interval)
        assert until is not None
        assert so_far.started == sum(iteration.start_ns < until for iteration in run)
        assert so_far.completed == sum(iteration.end_ns < until and not iteration.failed for iteration in run)
        assert so_far.failed == sum(iteration.end_ns < until and iteration.failed for iteration in run)
        assert so_far.in_flight == sum(iteration.start_ns < until <= iteration.end_ns for iteration in run)
        assert so_far.started == so_far.completed + so_far.failed + so_far.in_flight
        ended = [iteration for iteration in run if from_ns <= iteration.end_ns < until]
        assert interval.service == _histogram(iteration.end_ns - iteration.start_ns for iteration in ended)
        from_ns = until
    assert all(count >= 0 for i in told for count in (i.started, i.completed, i.failed, i.in_flight))

    at_once = Recorder(paced=paced)
    (whole,) = play(at_once, run, [(None, 10_000)])
    total = Interval(0)
    for interval in told:
        total.extend(interval)
    assert total == whole
    assert recorder.n_ended == at_once.n_ended == len(run) == whole.started
    assert recorder.last_end_ns == at_once.last_end_ns == max((iteration.end_ns for iteration in run), default=0)


@given(st.lists(iterations, max_size=40), st.booleans())
def test_times(run: list[Iteration], paced: bool) -> None:
    """Response time is from due to end, service time from start to end, lateness from due to start."""
    recorder = Recorder(paced=paced)
    (interval,) = play(recorder, run, [(None, 10_000)])
    service = _histogram(i.end_ns - i.start_ns for i in run)
    assert interval.service == service
    assert interval.response == (_histogram(i.end_ns - i.due_ns for i in run) if paced else service)
    assert interval.lateness == _histogram(i.start_ns - i.due_ns if paced else 0 for i in run)


def _histogram(times_ns: Iterable[int]) -> Histogram:
    histogram = Histogram()
    histogram.add(times_of(array("q", times_ns)))
    return histogram


def test_a_late_flush_ends_its_interval_at_the_right_instant() -> None:
    """What ended after the boundary, though before the timer came, belongs to the next interval."""
    recorder = Recorder(paced=True)
    run = [
        Iteration(0, 10, 90, failed=False),
        Iteration(0, 20, 120, failed=True),
        Iteration(110, 110, 130, failed=False),
    ]
    first, second = play(recorder, run, [(100, 150), (None, 200)])
    assert (first.started, first.completed, first.failed, first.in_flight) == (2, 1, 0, 1)
    assert (second.started, second.completed, second.failed, second.in_flight) == (1, 1, 1, 0)
    assert first.response.max_ns == 90
    assert (second.response.min_ns, second.response.max_ns) == (20, 120)


def test_an_iteration_cuts_where_the_timer_does_not_come() -> None:
    """One that ends at a boundary or after it ends all the intervals before it, and is in flight at their ends; one
    that ends right before it is of the old interval.
    """
    recorder = Recorder(paced=False)
    run = [
        Iteration(0, 0, 99, failed=False),
        Iteration(0, 40, 100, failed=True),
        Iteration(0, 150, 420, failed=False),
        Iteration(0, 310, 430, failed=False),
    ]
    told = play(recorder, run, [(100, 500), (200, 500), (300, 500), (400, 500), (None, 500)])
    assert [(i.index, i.started, i.completed, i.failed, i.in_flight) for i in told] == [
        (0, 2, 1, 0, 1),
        (1, 1, 0, 1, 1),
        (2, 0, 0, 0, 1),
        (3, 1, 0, 0, 2),
        (4, 0, 2, 0, 0),
    ]
    assert [i.service.count for i in told] == [1, 1, 0, 0, 2]


def test_on_the_boundary() -> None:
    """An interval holds its first instant and not its last."""
    recorder = Recorder(paced=False)
    run = [Iteration(0, 0, 100, failed=False), Iteration(100, 100, 100, failed=True)]
    first, second = play(recorder, run, [(100, 100), (200, 200)])
    assert (first.started, first.completed, first.failed, first.in_flight) == (1, 0, 0, 1)
    assert (second.started, second.completed, second.failed, second.in_flight) == (1, 1, 1, 0)


def test_in_flight_at_the_end() -> None:
    """What still runs at the last flush is started and in flight, not completed."""
    recorder = Recorder(paced=False)
    note(recorder, Iteration(0, 0, 5, failed=False))
    interval = recorder.flush(0, None, [3, 4], Health(cpu_ns=7))
    assert (interval.started, interval.completed, interval.in_flight, interval.health.cpu_ns) == (3, 1, 2, 7)


def test_steps() -> None:
    """A step's samples go out with the next flush, once; a step without any is not told."""
    recorder = Recorder(paced=False)
    step = recorder.step("GET /")
    assert recorder.step("GET /") is step
    step.done(2_000, 10, 100)
    step.failed(4_000, 1, 0)
    told = recorder.flush(0, None, [], Health()).steps
    assert list(told) == ["GET /"]
    counts = told["GET /"]
    assert (counts.count, counts.failed, counts.bytes_out, counts.bytes_in) == (2, 1, 11, 100)
    assert (counts.times.min_ns, counts.times.max_ns) == (2_000, 4_000)
    assert recorder.flush(1, None, [], Health()).steps == {}
    step.done(1_000, 1, 1)
    assert recorder.flush(2, None, [], Health()).steps["GET /"].count == 1
    assert counts.count == 2
    assert step.take() == StepCounts()


def test_start_is_not_measured() -> None:
    """Steps and checks noted while slots start are forgotten; the names stay usable."""
    recorder = Recorder(paced=False)
    step = recorder.step("login")
    step.failed(2_000, 10, 100)
    recorder.check("ok", ok=True)
    recorder.forget_steps()
    step.done(3_000, 1, 1)
    interval = recorder.flush(0, None, [], Health())
    assert interval.steps == {"login": StepCounts(1, 0, 1, 1, _histogram([3_000]))}
    assert interval.checks == {}


def test_what_is_known_between_flushes() -> None:
    """The latest end and how many ended, of all; how many failed, since the last flush."""
    recorder = Recorder(paced=True)
    assert (recorder.last_end_ns, recorder.n_ended, recorder.n_failed) == (0, 0, 0)
    run = [Iteration(0, 10, 90, failed=True), Iteration(0, 20, 120, failed=True)]
    (first,) = play(recorder, run, [(100, 150)])
    assert (recorder.last_end_ns, recorder.n_ended, recorder.n_failed, first.failed) == (120, 2, 1, 1)
    recorder.flush(1, None, [], Health())
    assert (recorder.last_end_ns, recorder.n_ended, recorder.n_failed) == (120, 2, 0)


def test_before_a_run_nothing_is_cut() -> None:
    """Until somebody says where the first interval ends, no iteration ends one."""
    recorder = Recorder(paced=False)
    for end_ns in (5, NEVER_NS - 1):
        note(recorder, Iteration(0, 5, end_ns, failed=False))
    assert recorder.flush(0, None, [], Health()).completed == 2


def test_checks_and_errors() -> None:
    """Checks and errors go out with the next flush, once; the first error alike is the example."""
    recorder = Recorder(paced=False)
    recorder.check("ok", ok=True)
    recorder.check("ok", ok=False)
    recorder.error("ConnectError", "refused", 5, lambda: "refused by a")
    recorder.error("ConnectError", "refused", 9, lambda: "refused by b")
    recorder.error("ConnectError", "reset", 7, lambda: "reset by a")
    interval = recorder.flush(0, None, [], Health())
    assert interval.checks == {"ok": CheckCounts(1, 1)}
    assert interval.errors == {
        ("ConnectError", "refused"): ErrorCounts(2, 5, "refused by a"),
        ("ConnectError", "reset"): ErrorCounts(1, 7, "reset by a"),
    }
    empty = recorder.flush(1, None, [], Health())
    assert (empty.checks, empty.errors) == ({}, {})


def test_a_check_after_a_flush() -> None:
    """It lands in the new interval, also by way of `checks`, which is the same dict from one flush to the next; what
    was told before stays as it was.
    """
    recorder = Recorder(paced=False)
    checks = recorder.checks
    recorder.check("ok", ok=True)
    checks["ok"].passed += 1
    first = recorder.flush(0, None, [], Health())
    assert checks == {}
    recorder.check("ok", ok=True)
    recorder.forget_steps()
    assert checks == {}
    recorder.check("ok", ok=False)
    checks["ok"].passed += 2
    second = recorder.flush(1, None, [], Health())
    assert recorder.checks is checks
    assert [first.checks, second.checks] == [{"ok": CheckCounts(2, 0)}, {"ok": CheckCounts(2, 1)}]


def test_errors_without_end() -> None:
    """Messages that never repeat are counted under their kind once there are too many; none is lost."""
    recorder = Recorder(paced=False)
    n_errors = MAX_ERROR_KINDS * 3
    for i in range(n_errors):
        recorder.error(f"Kind{i % 2}", f"message {i}", i, str)
    recorder.error("Kind0", "message 0", n_errors, str)
    errors = recorder.flush(0, None, [], Health()).errors
    assert len(errors) == MAX_ERROR_KINDS + 2
    assert sum(error.count for error in errors.values()) == n_errors + 1
    assert errors["Kind0", "message 0"].count == 2
    assert errors["Kind1", OTHER_MESSAGES].count == MAX_ERROR_KINDS
    recorder.error("Kind1", "new in the next second", n_errors, str)
    assert list(recorder.flush(1, None, [], Health()).errors) == [("Kind1", OTHER_MESSAGES)]


def test_steps_without_end() -> None:
    """Names that never repeat become one step once there are too many."""
    recorder = Recorder(paced=False)
    steps = [recorder.step(f"GET /{i}") for i in range(MAX_STEPS + 5)]
    assert steps[MAX_STEPS] is steps[-1] is recorder.step(OTHER_STEPS)
    assert all(one is not other for one, other in pairwise(steps[: MAX_STEPS + 1]))
    assert recorder.step("GET /0") is steps[0]


@pytest.mark.parametrize("paced", [True, False])
def test_an_empty_flush(paced: bool) -> None:
    """A second in which nothing happened is an interval of zeros."""
    assert Recorder(paced=paced).flush(4, 100, [], Health()) == Interval(4)
