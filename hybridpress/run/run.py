"""Wiring: with its neighbours in this package the only module that knows every part of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import uvloop

from hybridpress import scenario
from hybridpress.config import RunConfig, knobs_by_name
from hybridpress.coordinator.seeker import Quest, Seeker
from hybridpress.coordinator.state import RunState
from hybridpress.errors import (
    EXIT_BROKEN,
    EXIT_DONE,
    InterruptedRunError,
    RunError,
    ScenarioError,
    UsageError,
)
from hybridpress.metrics.result import Result
from hybridpress.metrics.summary import summarize
from hybridpress.press import Press
from hybridpress.report.output import Output, Outputs
from hybridpress.report.wanted import outputs_of
from hybridpress.run.cast import Cast, cast_of
from hybridpress.run.finish import Finished, finished_run, tell_judgement
from hybridpress.run.hands import Hands, hands_of

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
    return _executed(cast_of(press, flags), flags)


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
            return _executed(replace(found, config=config), flags, Seeker(quest, found.config.qps))
        except UsageError as error:
            mistakes += error.mistakes
    raise UsageError(mistakes)


def _executed(cast: Cast, flags: Mapping[str, Any], seeker: Seeker | None = None) -> Finished:
    with closing(Outputs(_outputs_of(cast.config))) as outputs, closing(hands_of(cast, flags)) as hands:
        try:
            config, n_words = hands.ready(outputs)
        except KeyboardInterrupt:
            raise InterruptedRunError from None
        # Not on uvloop: it makes watched descriptors non-blocking, but a long report comes through its pipe in parts.
        with hands.beside(config):
            state = asyncio.run(_conduct(hands, _with_end(config, n_words), outputs, seeker))
        if not state.start_ns:
            if state.is_interrupted:
                raise InterruptedRunError
            raise RunError(state.broken or "the run ended before it began")
        complaint = hands.tell_words(state, outputs)
        tell_judgement(state, outputs)
        state.events.extend(outputs.failures)
        n_failures = len(outputs.failures)
        result = summarize(hands.facts(config, n_words, state))
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


async def _conduct(hands: Hands, config: RunConfig, outputs: Outputs, seeker: Seeker | None) -> RunState:
    coordinator = hands.coordinator(config, outputs, seeker)
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
