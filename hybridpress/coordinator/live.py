"""What its user may change of a run while it runs, and where it is. Each change is an event in the result."""

from __future__ import annotations

from hybridpress.coordinator.actions import Action
from hybridpress.coordinator.course import AHEAD_NS
from hybridpress.coordinator.phase import Phase
from hybridpress.coordinator.state import RunState
from hybridpress.errors import UsageError
from hybridpress.metrics.interval import Interval
from hybridpress.metrics.news import Moment, Status
from hybridpress.metrics.result import ReasonResult
from hybridpress.metrics.verdict import judge
from hybridpress.units import NS_PER_S, format_count


def set_qps(state: RunState, rate_per_s: float, now_ns: int) -> list[Action]:
    """Start *rate_per_s* iterations a second from now on.

    This, and each of the functions below, raises a UsageError where it cannot be done.
    """
    _must_go_on(state, now_ns)
    course = state.dealer.course
    if course is None:
        raise UsageError("the run is unpaced: it has a number of slots, but no rate; start it with --qps")
    if state.seeker is not None:
        raise UsageError("a search sets the rate by itself")
    text = f"qps {format_count(round(course.rate_at(now_ns + AHEAD_NS), 3))} → {format_count(rate_per_s)}"
    return [*state.dealer.set_rate(rate_per_s, now_ns), state.note(now_ns, "control", text)]


def set_slots(state: RunState, n: int, now_ns: int) -> list[Action]:
    """Have *n* slots press from now on."""
    _must_go_on(state, now_ns)
    if state.config.slot_profile is not None:
        raise UsageError("the number of slots follows --slot-stage")
    text = f"slots {format_count(state.dealer.n_slots)} → {format_count(n)}"
    return [*state.dealer.set_slots(n, now_ns), state.note(now_ns, "control", text)]


def pause(state: RunState, now_ns: int) -> list[Action]:
    """Start nothing, until `resume`; what is in flight goes on, and the plan's time stands still."""
    _must_go_on(state, now_ns)
    if state.dealer.is_paused:
        raise UsageError("the run is paused already")
    if state.seeker is not None or state.config.slot_profile is not None:
        raise UsageError("a search, or a run with --slot-stage, cannot be paused")
    return [*state.dealer.pause(now_ns), state.note(now_ns, "control", "paused")]


def resume(state: RunState, now_ns: int) -> list[Action]:
    """Go on after `pause`."""
    _must_go_on(state, now_ns)
    if not state.dealer.is_paused:
        raise UsageError("the run is not paused")
    return [*state.dealer.resume(now_ns), state.note(now_ns, "control", "resumed")]


def stop(state: RunState, now_ns: int) -> list[Action]:
    """End the run as if its plan ended now: wait for what is in flight, then report."""
    _must_press(state)
    return [state.note(now_ns, "control", "stopped"), *state.end_plan(now_ns)]


def moment(state: RunState, interval: Interval, target_qps: float | None) -> Moment:
    """The run at the end of the second that *interval* has, the last one that was kept."""
    verdict, reasons = judge(state.total, state.conditions())
    return Moment(
        interval=interval,
        second=state.seconds[-1],
        total=state.total,
        target_qps=target_qps,
        n_slots=state.dealer.n_slots,
        workers=state.workers,
        verdict=verdict,
        reasons=[ReasonResult(reason.code, reason.text) for reason in reasons],
        thresholds=state.judge.standing,
    )


def status(state: RunState, now_ns: int) -> Status:
    """Where the run is, in plain figures."""
    course, until_ns = state.dealer.course, state.dealer.until_ns
    known = [worker.counts for worker in state.places if worker.counts and not worker.reports_no_more]
    return Status(
        scenario=state.config.scenario,
        phase="paused" if state.dealer.is_paused else state.phase.name.lower(),
        elapsed_s=round(max(now_ns - state.start_ns, 0) / NS_PER_S, 1) if state.start_ns else 0.0,
        qps=None if course is None else round(course.rate_at(now_ns), 3),
        slots=state.dealer.n_slots,
        workers=sum(not worker.is_gone for worker in state.places),
        started=sum(
            place.totals.started + max((place.counts.started if place.counts else 0) - place.started, 0)
            for place in state.places
        ),
        failed=state.total.failed,
        dropped=state.total.dropped,
        in_flight=sum(counts.in_flight for counts in known),
        backlog=sum(counts.backlog for counts in known),
        left_s=None if until_ns is None else round(max(until_ns - max(now_ns, state.start_ns), 0) / NS_PER_S, 1),
    )


def _must_press(state: RunState) -> None:
    if state.phase is not Phase.PRESSING:
        raise UsageError("the load has not begun yet" if state.phase is Phase.STARTING else "the load is over")


def _must_go_on(state: RunState, now_ns: int) -> None:
    """A change takes effect a little later than it is asked for: when the plan is over, there is nothing to change."""
    _must_press(state)
    until_ns = state.dealer.until_ns
    if until_ns is not None and now_ns + AHEAD_NS >= until_ns:
        raise UsageError("the load is over in a moment")
