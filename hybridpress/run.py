"""Wiring: the only module that knows every part of a run."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import uvloop

from hybridpress import __version__, machine, scenario
from hybridpress.clients.kit import probe
from hybridpress.clock import now_ns
from hybridpress.config import Layer, RunConfig, knobs_by_name
from hybridpress.coordinator.coordinator import Coordinator
from hybridpress.coordinator.spawner import Spawner, Work
from hybridpress.coordinator.state import RunState
from hybridpress.errors import (
    EXIT_BROKEN,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_INVALID,
    ClientError,
    InterruptedRunError,
    RunError,
    ScenarioError,
    TLSError,
    UsageError,
)
from hybridpress.ipc.channel import WorkerEnd
from hybridpress.metrics.result import EventResult, Result
from hybridpress.metrics.summary import RunFacts, summarize
from hybridpress.press import Press
from hybridpress.report.terminal import Terminal
from hybridpress.units import format_count, format_duration
from hybridpress.vocab.supply import Supply
from hybridpress.worker.process import Seat, http_settings, work

FILES_BESIDES = 64
"""Open files that a worker needs besides its connections; its own are some 15, the rest is for the scenario."""
SPARE_S = 60.0
"""How much longer than all words need the plan of a run is that its words end."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that came to its end: its result, what the command returns for it, and, if that is bad, why."""

    result: Result
    exit_code: int
    complaint: str | None = None


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
    config, shape = configure(press, flags)
    supply = Supply(config.policy, config.slots_by_worker, _seed(config))
    with closing(Terminal(config)) as terminal, closing(Spawner(_preparer(press, shape, config, supply))) as spawner:
        terminal.starting("building the word table")
        try:
            spawner.start()
            n_words = _check_table_and_host(spawner, config)
        except KeyboardInterrupt:
            raise InterruptedRunError from None
        terminal.starting(_starting(config, n_words))
        # Not on uvloop: it makes watched descriptors non-blocking, but a long report comes through its pipe in parts.
        with _beside_the_workers(config):
            state = asyncio.run(_conduct(_with_end(config, supply), spawner, terminal))
        if not state.start_ns:
            if state.is_interrupted:
                raise InterruptedRunError
            raise RunError(state.broken or "the run ended before it began")
        _tell_words(supply, state, terminal)
        result = summarize(_facts(config, supply, state))
        terminal.finished(result)
    if config.json is not None:
        from hybridpress.report.json import write_json

        write_json(result, config.json)
    if supply.policy.must_fail and state.is_out_of_words and not state.is_interrupted:
        return Finished(result, EXIT_BROKEN, f"{supply.told_exhausted()}, and the run was to go on")
    return _finished(config, result, state)


def execute_once(press: Press, flags: Mapping[str, Any]) -> int:
    """One iteration of *press* in this process, request and reply printed. Returns the exit code.

    Raises:
        UsageError: a setting or the scenario cannot be used; nothing was sent.
    """
    from hybridpress.report.once import OncePrinter
    from hybridpress.worker.once import run_once

    config, shape = configure(press, flags)
    supply = Supply(config.policy, [1], _seed(config))
    supply.fill(scenario.words_of(press, shape))
    printer = OncePrinter()
    outcome = uvloop.run(run_once(Seat(0, config, press, shape, supply, range(1)), printer))
    printer.outcome(
        outcome.word, outcome.returned, outcome.checks, outcome.errors, outcome.duration_ns, outcome.step_times_ns
    )
    return EXIT_BROKEN if outcome.has_failed else EXIT_DONE


def configure(press: Press, flags: Mapping[str, Any]) -> tuple[RunConfig, scenario.Shape]:
    """The settings of class, object and command line, in rising order of strength; *press* then has them too.

    Raises:
        UsageError: all that is wrong with the settings and with the shape of the scenario, at once.
    """
    mistakes: list[str] = []
    name = type(press).__name__
    own = [
        Layer(_settings(_class_attributes(press)), lambda knob: f"{name}.{knob}"),
        Layer(_settings(vars(press)) | dict(press.settings), lambda knob: f"{name}({knob}=…)"),
        Layer(flags, lambda knob: knobs_by_name()[knob].flag),
    ]
    try:
        shape = scenario.shape_of(press)
    except UsageError as error:
        mistakes += error.mistakes
    try:
        config = RunConfig.build(scenario.label_of(press), own)
    except UsageError as error:
        mistakes += error.mistakes
    if not mistakes and not shape.takes_word and not config.policy.is_default:
        mistakes.append(f"{name}.press() takes no word, so that none can be drawn: leave out --draw {config.draw}")
    if mistakes:
        raise UsageError(mistakes)
    for setting in ("host", "qps", "concurrent"):
        setattr(press, setting, getattr(config, setting))
    press.params = config.params
    return config, shape


def _class_attributes(press: Press) -> dict[str, Any]:
    """What the scenario's classes set, the most derived first to be heard; Press's own defaults are not settings."""
    found: dict[str, Any] = {}
    for cls in reversed(type(press).__mro__):
        if cls is not Press and issubclass(cls, Press):
            found |= vars(cls)
    return found


def _settings(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of *attributes* that are run settings; methods and properties of the same name are the scenario's own."""
    names = knobs_by_name().keys() | {"params"}
    return {
        name: value
        for name, value in attributes.items()
        if name in names and not callable(value) and not isinstance(value, property)
    }


def _check_table_and_host(spawner: Spawner, config: RunConfig) -> int:
    """Wait for the word table, and see whether the host can be reached: what is wrong with either is told together,
    before the load. Returns the table's length.
    """
    mistakes: list[str] = []
    if _needs_all_connections(config) and (shortage := _shortage_of_files(config)):
        mistakes.append(shortage)
    n_words = 0
    try:
        n_words = spawner.wait_for_table()
    except UsageError as error:
        mistakes += error.mistakes
    try:
        _reach(config)
    except TLSError as error:
        mistakes.append(f"--host {config.host}: {error}; see --ca-file and --insecure")
    except ClientError as error:
        mistakes.append(f"--host {config.host}: {error}; is the server up, and the address right?")
    if mistakes:
        raise UsageError(mistakes)
    return n_words


def _shortage_of_files(config: RunConfig) -> str | None:
    """That a worker may not open as many connections as it has slots, and the ways out."""
    limit = machine.most_open_files()
    n_slots = max(config.slots_by_worker)
    if limit is None or n_slots + FILES_BESIDES <= limit:
        return None
    n_spare = max(limit - FILES_BESIDES, 0)
    ways_out = "raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit)"
    if n_spare:
        ways_out += f", or ask for --processes {-(-config.concurrent // n_spare)}"
    return (
        f"{format_count(n_slots)} slots in one worker process may need a connection each, but it may have no more than "
        f"{format_count(limit)} open files, {FILES_BESIDES} of them for itself: {ways_out}"
    )


def _needs_all_connections(config: RunConfig) -> bool:
    """Whether each slot is sure to hold a connection: unpaced, none of them ever rests. A plan may do with few."""
    return config.host is not None and not config.is_paced


def _beside_the_workers(config: RunConfig) -> AbstractContextManager[None]:
    """With --pin-cpus, keep the coordinator off the workers' CPUs, as far as there are others."""
    return machine.pinned(machine.cpus()[config.processes :] if config.pin_cpus else [])


def _reach(config: RunConfig) -> None:
    """Connect to the host once.

    Not by asyncio.run(): its handling of Ctrl-C cancels the task, and a task that is just done then swallows it.
    """
    loop = uvloop.new_event_loop()
    task = loop.create_task(probe(http_settings(config)))
    try:
        loop.run_until_complete(task)
    finally:
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
        loop.close()


def _preparer(press: Press, shape: scenario.Shape, config: RunConfig, supply: Supply) -> Callable[[], tuple[int, Work]]:
    def prepare() -> tuple[int, Work]:
        """In the spawner: the word table, and what each worker is to do."""
        machine.raise_file_limit()  # here and not in our caller's process, which may be a program of the user's own
        # What was there before the fork is no garbage. Looking through it would copy all its pages: 24 ms of CPU.
        gc.freeze()
        words = scenario.words_of(press, shape)
        supply.fill(words)
        slots = config.slots_by_worker

        def be_worker(worker: int, channel: WorkerEnd) -> None:
            first = sum(slots[:worker])
            work(Seat(worker, config, press, shape, supply, range(first, first + slots[worker])), channel)

        return len(words), be_worker

    return prepare


async def _conduct(config: RunConfig, spawner: Spawner, terminal: Terminal) -> RunState:
    coordinator = Coordinator(config, spawner, terminal)
    if shortage := _shortage_of_files(config):
        coordinator.state.events.append(EventResult(0.0, "few_open_files", shortage))
        terminal.event(0.0, shortage)
    return await coordinator.run()


def _with_end(config: RunConfig, supply: Supply) -> RunConfig:
    """The settings of a run that its words end. Unpaced it needs no other end. A plan must have one: it is made long
    enough for all words also where one worker starts more of them, and another fewer, than its share.
    """
    if config.qps is None or not config.is_ended_by_words:
        return config
    return replace(config, duration_s=2 * supply.n_words / config.qps + SPARE_S)


def _tell_words(supply: Supply, state: RunState, terminal: Terminal) -> None:
    """What became of the words, where each was to be used once."""
    told = [("words_lost", text) for text in supply.told_lost()]
    if state.is_out_of_words:
        if not supply.n_left:
            told.append(("words_used", supply.told_exhausted()))
        told += [("words_unused", text) for text in supply.told_unused()]
    for kind, text in told:
        state.events.append(EventResult(round(state.load_s, 3), kind, text))
        terminal.event(state.load_s, text)


def _seed(config: RunConfig) -> int:
    assert config.seed is not None  # filled in by RunConfig.build
    return config.seed


def _starting(config: RunConfig, n_words: int) -> str:
    table = f"{format_count(n_words)} words; " if n_words else ""
    return f"{table}starting {config.concurrent} slots in {config.processes} processes"


def _facts(config: RunConfig, supply: Supply, state: RunState) -> RunFacts:
    # The start is known on the monotonic clock; the wall clock is asked once, now, and carried back.
    started_at = datetime.now(UTC) - timedelta(microseconds=(now_ns() - state.start_ns) / 1e3)
    return RunFacts(
        version=__version__,
        scenario=config.scenario,
        config=config.as_settings(),
        started_at=started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        start_ns=state.start_ns,
        load_s=state.load_s,
        target_qps=config.qps,
        n_planned=supply.n_words if config.is_ended_by_words else config.n_planned,
        n_lost=state.n_lost,
        total=state.total,
        seconds=state.seconds,
        workers=state.workers,
        conditions=state.conditions(),
        events=state.events,
    )


def _finished(config: RunConfig, result: Result, state: RunState) -> Finished:
    if state.is_interrupted:
        return Finished(result, EXIT_INTERRUPTED)
    if state.broken is not None:
        return Finished(result, EXIT_BROKEN, state.broken)
    iterations = result.iterations
    if iterations.started and not iterations.completed:
        why = f": {result.errors[0].example.splitlines()[0]}" if result.errors else ""
        if iterations.in_flight_at_end == iterations.started:
            why = f": all were in flight still when --timeout {format_duration(config.timeout_s)} was over"
        n_started = format_count(iterations.started)
        return Finished(result, EXIT_BROKEN, f"not one of {n_started} iterations completed{why}")
    if result.generator.verdict == "invalid":
        return Finished(result, EXIT_INVALID)
    return Finished(result, EXIT_DONE)
