"""Wiring: with its neighbours in this package the only module that knows every part of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import Any

import uvloop

from hybridpress import machine, scenario
from hybridpress.clock import now_ns
from hybridpress.config import RunConfig, knobs_by_name
from hybridpress.coordinator.coordinator import Coordinator
from hybridpress.coordinator.crew import Forkers
from hybridpress.coordinator.seeker import Quest, Seeker
from hybridpress.coordinator.spawner import Spawner
from hybridpress.coordinator.state import RunState
from hybridpress.errors import (
    EXIT_BROKEN,
    EXIT_DONE,
    InterruptedRunError,
    RunError,
    ScenarioError,
    UsageError,
)
from hybridpress.metrics.result import EventResult, Result
from hybridpress.metrics.summary import summarize
from hybridpress.press import Press
from hybridpress.report.output import Output, Outputs
from hybridpress.report.wanted import outputs_of
from hybridpress.run.cast import Cast, cast_of
from hybridpress.run.finish import Finished, facts_of, finished_run, tell_judgement, tell_words
from hybridpress.run.ready import check_table_and_host, preparer, shortage_of_files, tidier
from hybridpress.units import format_count

SPARE_S = 60.0
"""How much longer than all words need the plan of a run is that its words end."""


def run_scenario(press: Press) -> Result:
    """Run *press* with the settings it has, print progress and summary, write the files asked for.

    Raises:
        UsageError: a setting or the scenario cannot be used; nothing was sent.
        RunError: the run broke, or not one iteration completed; what there is of results was shown and written.
    """
    if scenario.is_loading:
        raise ScenarioError(
            f"{type(press).__name__}.run() is called while the scenario file is imported; "
            'put it under `if __name__ == "__main__":`'
        )
    finished = execute(press, {})
    if finished.complaint is not None:
        raise RunError(finished.complaint)
    return finished.result


def execute(press: Press, flags: Mapping[str, Any]) -> Finished:
    """Run *press*; *flags* are the command line's settings by knob name, stronger than its own.

    Raises:
        UsageError: a setting or the scenario cannot be used; nothing was sent.
        RunError: the run broke before its load began.
        InterruptedRunError: the user ended it before its load began.
    """
    return _executed(cast_of(press, flags))


def execute_search(press: Press, flags: Mapping[str, Any], wanted: Mapping[str, Any]) -> Finished:
    """Search for the highest rate of *press* that keeps objectives; *wanted* are the arguments of `Quest.build`.

    Raises: as `execute`.
    """
    mistakes: list[str] = []
    quest, found = None, None
    try:
        quest = Quest.build(**wanted)
    except UsageError as error:
        mistakes += error.mistakes
    for knob in ("duration", "iterations", "stage", "profile", "rate_csv", "slot_stage"):
        if knob in flags:
            mistakes.append(f"{knobs_by_name()[knob].flag} is not for a search, which sets the rate by itself")
    for knob in ("threshold", "abort_on_fail", "abort_grace", "until", "until_min"):
        if knob in flags:
            mistakes.append(f"{knobs_by_name()[knob].flag} is not for a search: its objectives are those of --slo")
    try:
        longest_s = quest.longest_s if quest else 1.0
        found = cast_of(press, {"qps": getattr(press, "qps", None) or 100, **flags, "duration": longest_s})
    except UsageError as error:
        mistakes += error.mistakes
    if found is not None and found.config.qps is None:
        mistakes.append("parts of the mix have rates of their own that change over time: a search sets the rate itself")
    if found is not None and quest is not None and not mistakes:
        assert found.config.qps is not None
        try:
            # What the scenario asks of a run says nothing of the steps of a search, many of which are to be too much.
            config = replace(found.config, thresholds=(), abort_on_fail=False, until=None)
            return _executed(replace(found, config=config), Seeker(quest, found.config.qps))
        except UsageError as error:
            mistakes += error.mistakes
    raise UsageError(mistakes)


def _executed(cast: Cast, seeker: Seeker | None = None) -> Finished:
    config = cast.config
    with closing(Outputs(_outputs_of(config))) as outputs, closing(Spawner(preparer(cast), tidier(config))) as spawner:
        outputs.starting("building the word table")
        try:
            spawner.start()
            n_words, n_cpu_workers = check_table_and_host(spawner, cast)
        except KeyboardInterrupt:
            raise InterruptedRunError from None
        config = replace(config, cpu_workers=n_cpu_workers)
        outputs.starting(_starting(config, n_words))
        box = machine.BoxWatch()  # before this process is kept on some CPUs
        # Not on uvloop: it makes watched descriptors non-blocking, but a long report comes through its pipe in parts.
        with _beside_the_workers(config):
            state = asyncio.run(_conduct(cast, _with_end(config, n_words), spawner, outputs, seeker, box))
        if not state.start_ns:
            if state.is_interrupted:
                raise InterruptedRunError
            raise RunError(state.broken or "the run ended before it began")
        complaint = tell_words(cast, state, outputs)
        tell_judgement(state, outputs)
        state.events.extend(outputs.failures)
        n_failures = len(outputs.failures)
        result = summarize(facts_of(replace(cast, config=config), n_words, state))
        if seeker is not None:
            result = replace(result, search=seeker.result())
        outputs.finished(result)
    if unwritten := outputs.failures[n_failures:]:
        return Finished(result, EXIT_BROKEN, "; ".join(failure.text for failure in unwritten))
    if complaint and not state.is_interrupted:
        return Finished(result, EXIT_BROKEN, complaint)
    return finished_run(config, result, state)


def _outputs_of(config: RunConfig) -> list[Output]:
    outputs = outputs_of(config)
    if config.ui is not None:
        from hybridpress.web.output import LivePage

        outputs.insert(-1, LivePage(config))  # before the terminal, which may have to wait
    return outputs


def execute_once(press: Press, flags: Mapping[str, Any]) -> int:
    """One iteration of *press* in this process, or of each part of a mix, request and reply printed. Returns the exit
    code.

    Raises:
        UsageError: a setting or the scenario cannot be used; nothing was sent.
    """
    from hybridpress.report.once import OncePrinter
    from hybridpress.worker.once import run_once

    cast = cast_of(press, {**flags, "concurrent": 1, "processes": 1})
    cast.build()
    printer = OncePrinter()
    has_failed = False
    for seat in cast.seats_of_parts():
        if cast.parts:
            printer.heading(type(seat.press).__name__)
        outcome = uvloop.run(run_once(seat, printer))
        printer.outcome(
            outcome.word, outcome.returned, outcome.checks, outcome.errors, outcome.duration_ns, outcome.step_times_ns
        )
        has_failed |= outcome.has_failed
    return EXIT_BROKEN if has_failed else EXIT_DONE


def _beside_the_workers(config: RunConfig) -> AbstractContextManager[None]:
    """With --pin-cpus, keep the coordinator off the workers' CPUs, as far as there are others."""
    return machine.pinned(machine.cpus()[config.processes :] if config.pin_cpus else [])


async def _conduct(
    cast: Cast,
    config: RunConfig,
    spawner: Spawner,
    outputs: Outputs,
    seeker: Seeker | None,
    box: machine.BoxWatch,
) -> RunState:
    state = RunState(config, now_ns(), seeker)
    coordinator = Coordinator(state, Forkers(spawner, config.processes), outputs, box)
    if shortage := shortage_of_files(cast):
        event = EventResult(0.0, "few_open_files", shortage)
        state.events.append(event)
        outputs.event(event)
    await outputs.open(coordinator.helm.obey)
    try:
        return await coordinator.run()
    finally:
        await outputs.shut()


def _with_end(config: RunConfig, n_words: int) -> RunConfig:
    """The settings of a run that its words end. Unpaced it needs no other end. A plan must have one: it is made long
    enough for all words also where one worker starts more of them, and another fewer, than its share.
    """
    if config.qps is None or not config.is_ended_by_words:
        return config
    return replace(config, duration_s=2 * n_words / config.qps + SPARE_S)


def _starting(config: RunConfig, n_words: int) -> str:
    table = f"{format_count(n_words)} words; " if n_words else ""
    n_cpu_workers = config.cpu_workers
    cpu = f", with {n_cpu_workers} CPU worker{'s' if n_cpu_workers != 1 else ''}" if n_cpu_workers > 0 else ""
    return f"{table}starting {config.concurrent} slots in {config.processes} processes{cpu}"
