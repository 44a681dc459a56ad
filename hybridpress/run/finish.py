"""What a run came to: its facts, its result, its exit code."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from uvloop._version import __version__ as uvloop_version

from hybridpress import __version__, hot, machine, scenario
from hybridpress.clock import now_ns
from hybridpress.config import RunConfig
from hybridpress.coordinator.state import RunState
from hybridpress.errors import (
    EXIT_BROKEN,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_INVALID,
    EXIT_THRESHOLD,
)
from hybridpress.metrics.result import EventResult, Result
from hybridpress.metrics.summary import RunFacts
from hybridpress.metrics.verdict import CpuTier
from hybridpress.report.output import Outputs
from hybridpress.run.cast import Cast
from hybridpress.units import NS_PER_S, format_count, format_duration


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that came to its end: its result, what the command returns for it, and, if that is bad, why."""

    result: Result
    exit_code: int
    complaint: str | None = None


def words_told(cast: Cast, state: RunState) -> tuple[list[tuple[str, str]], str | None]:
    """What became of words of which each was to be used once, as events; and what is wrong with that, if anything."""
    told = [("words_lost", text) for supply in cast.supplies for text in supply.told_lost()]
    complaint = None
    if state.is_out_of_words:
        for supply in cast.supplies:
            told += [("words_unused", text) for text in supply.told_unused()]
            if supply.n_left == 0:
                told.append(("words_used", supply.told_exhausted()))
                if supply.policy.must_fail:
                    complaint = f"{supply.told_exhausted()}, and the run was to go on"
    return told, complaint


def tell_words(cast: Cast, state: RunState, outputs: Outputs) -> str | None:
    """Tell what became of the words. Returns what is wrong with that, if anything is."""
    told, complaint = words_told(cast, state)
    tell(told, state, outputs)
    return complaint


def tell_judgement(state: RunState, outputs: Outputs) -> None:
    """Tell which thresholds there was nothing to judge by (they do not hold), and what is not known well enough."""
    told = [("threshold_not_measured", text) for text in state.judge.not_measured(state.total)]
    if not state.is_interrupted and (text := state.judge.until_missed()) is not None:
        told.append(("until_not_reached", text))
    tell(told, state, outputs)


def tell(told: Iterable[tuple[str, str]], state: RunState, outputs: Outputs) -> None:
    """Have the events *told*, as (kind, text), in the result and shown, at the end of the load; before it, at 0."""
    for kind, text in told:
        event = EventResult(round(state.load_s, 3), kind, text)
        state.events.append(event)
        outputs.event(event)


def facts_of(cast: Cast, n_words: int, state: RunState) -> RunFacts:
    config = cast.config
    # The start is known on the monotonic clock; the wall clock is asked once, now, and carried back.
    started_at = datetime.now(UTC) - timedelta(microseconds=(now_ns() - state.start_ns) / 1e3)
    return RunFacts(
        version=__version__,
        scenario=config.scenario,
        config=config.as_settings(),
        started_at=started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        start_ns=state.start_ns,
        load_s=state.load_s,
        target_qps=state.target_qps,
        n_planned=n_words if config.is_ended_by_words and not cast.parts else state.n_planned,
        n_lost=state.n_lost,
        total=state.total,
        seconds=state.seconds,
        most_started=state.seconds.most_started,
        workers=state.workers,
        conditions=replace(state.conditions(), cpu_tier=_cpu_tier(config, cast.shape, state)),
        n_cpu_workers_lost=state.fitness.n_cpu_workers_lost,
        events=state.events,
        thresholds=state.judge.thresholds(state.total, state.load_s),
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    system = platform.uname()
    return {
        "Python": platform.python_version(),
        "uvloop": uvloop_version,
        "hot path": "compiled" if hot.IS_COMPILED else "Python",
        "system": f"{system.system} {system.release} {system.machine}, {machine.n_cpus()} CPUs",
    }


def _cpu_tier(config: RunConfig, shape: scenario.Shape, state: RunState) -> CpuTier | None:
    if not shape.has_cpu_work:
        return None
    # Replies are verified after the load too: as long as the workers were watched.
    lasted_s = max(state.load_s, state.total.health.span_ns / NS_PER_S / config.processes)
    return CpuTier(config.cpu_workers, config.processes, lasted_s, machine.n_cpus(), config.peak_qps)


def finished_run(config: RunConfig, result: Result, state: RunState) -> Finished:
    """The exit code, by what says most: a run that broke has no result to speak of (1), one that its user ended is not
    what was asked for (130), and of a whole one a threshold that fails (99) says more than that its times are not to be
    quoted (3). So 0 needs all of them.
    """
    if state.broken is not None:
        return Finished(result, EXIT_BROKEN, state.broken)
    if state.is_interrupted:
        return Finished(result, EXIT_INTERRUPTED)
    iterations = result.iterations
    if iterations.started and not iterations.completed:
        why = f": {result.errors[0].example.splitlines()[0]}" if result.errors else ""
        if iterations.in_flight_at_end == iterations.started:
            why = f": all were in flight still when --timeout {format_duration(config.timeout_s)} was over"
        n_started = format_count(iterations.started)
        return Finished(result, EXIT_BROKEN, f"not one of {n_started} iterations completed{why}")
    if result.search is not None:
        # Its last steps are meant to be too much: the verdict on the whole run says nothing.
        return Finished(result, EXIT_THRESHOLD if result.search.qps is None else EXIT_DONE)
    if not all(threshold.passed for threshold in result.thresholds):
        return Finished(result, EXIT_THRESHOLD)
    if result.generator.verdict == "invalid":
        return Finished(result, EXIT_INVALID)
    return Finished(result, EXIT_DONE)
