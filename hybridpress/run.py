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
from hybridpress.coordinator.seeker import Quest, Seeker
from hybridpress.coordinator.spawner import Prepared, Spawner, TableReady
from hybridpress.coordinator.state import RunState
from hybridpress.errors import (
    EXIT_BROKEN,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_INVALID,
    EXIT_THRESHOLD,
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
from hybridpress.metrics.verdict import CpuTier
from hybridpress.press import Press
from hybridpress.report.terminal import Terminal
from hybridpress.settings import AUTO
from hybridpress.units import NS_PER_S, format_count, format_duration
from hybridpress.worker.cpu.process import Door, be_cpu_worker
from hybridpress.worker.cpu.sizing import n_workers_for, prepare_cost_ns
from hybridpress.worker.process import MAX_THREADS, Seat, http_settings, work

FILES_BESIDES = 64
"""Open files that a worker needs besides its connections; its own are some 15, the rest is for the scenario."""


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
    return _executed(press, config, shape)


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
    try:
        longest_s = quest.longest_s if quest else 1.0
        found = configure(press, {"qps": getattr(press, "qps", None) or 100, **flags, "duration": longest_s})
    except UsageError as error:
        mistakes += error.mistakes
    if found is not None and quest is not None and not mistakes:
        config, shape = found
        assert config.qps is not None
        try:
            return _executed(press, config, shape, Seeker(quest, config.qps))
        except UsageError as error:
            mistakes += error.mistakes
    raise UsageError(mistakes)


def _executed(press: Press, config: RunConfig, shape: scenario.Shape, seeker: Seeker | None = None) -> Finished:
    with closing(Terminal(config)) as terminal, closing(Spawner(_preparer(press, shape, config))) as spawner:
        terminal.starting("building the word table")
        try:
            spawner.start()
            n_words, n_cpu_workers = _check_table_and_host(spawner, config)
        except KeyboardInterrupt:
            raise InterruptedRunError from None
        config = replace(config, cpu_workers=n_cpu_workers)
        terminal.starting(_starting(config, n_words))
        # Not on uvloop: it makes watched descriptors non-blocking, but a long report comes through its pipe in parts.
        with _beside_the_workers(config):
            state = asyncio.run(_conduct(config, spawner, terminal, seeker))
        if not state.start_ns:
            if state.is_interrupted:
                raise InterruptedRunError
            raise RunError(state.broken or "the run ended before it began")
        result = summarize(_facts(config, shape, state))
        if seeker is not None:
            result = replace(result, search=seeker.result())
        terminal.finished(result)
    if config.json is not None:
        from hybridpress.report.json import write_json

        write_json(result, config.json)
    return _finished(config, result, state)


def execute_once(press: Press, flags: Mapping[str, Any]) -> int:
    """One iteration of *press* in this process, request and reply printed. Returns the exit code.

    Raises:
        UsageError: a setting or the scenario cannot be used; nothing was sent.
    """
    from hybridpress.report.once import OncePrinter
    from hybridpress.worker.once import run_once

    config, shape = configure(press, flags)
    words = scenario.words_of(press, shape)
    printer = OncePrinter()
    outcome = uvloop.run(run_once(Seat(0, config, press, shape, words, range(1)), printer))
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
    if not mistakes:
        mistakes += _contradictions(name, config, shape)
    if mistakes:
        raise UsageError(mistakes)
    for setting in ("host", "qps", "concurrent"):
        setattr(press, setting, getattr(config, setting))
    press.params = config.params
    return config, shape


def _contradictions(name: str, config: RunConfig, shape: scenario.Shape) -> list[str]:
    """What the settings ask for and the scenario does not have, or cannot bear."""
    mistakes = []
    if config.cpu_workers > 0 and not shape.has_cpu_work:
        mistakes.append(f"--cpu-workers {config.cpu_workers}: {name} has neither prepare() nor verify(); leave it out")
    if config.verify_sample < 1 and not shape.verifies:
        mistakes.append(f"--verify-sample {100 * config.verify_sample:g}%: {name} has no verify(); leave it out")
    if (shape.blocks or shape.starts_blocking) and (n_slots := max(config.slots_by_worker)) > MAX_THREADS:
        mistakes.append(
            f"{name} blocks, so that each slot needs a thread, but {format_count(n_slots)} slots in one worker process "
            f"are more than the {format_count(MAX_THREADS)} threads that it may have: ask for fewer slots, or for "
            f"--processes {-(-config.concurrent // MAX_THREADS)}"
        )
    return mistakes


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


def _check_table_and_host(spawner: Spawner, config: RunConfig) -> tuple[int, int]:
    """Wait for the word table, and see whether the host can be reached: what is wrong with either is told together,
    before the load. Returns the table's length.
    """
    mistakes: list[str] = []
    if _needs_all_connections(config) and (shortage := _shortage_of_files(config)):
        mistakes.append(shortage)
    table = TableReady(0)
    try:
        table = spawner.wait_for_table()
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
    return table.n_words, table.n_cpu_workers


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


def _preparer(press: Press, shape: scenario.Shape, config: RunConfig) -> Callable[[], Prepared]:
    def prepare() -> Prepared:
        """In the spawner: the word table, and what each worker is to do."""
        machine.raise_file_limit()  # here and not in our caller's process, which may be a program of the user's own
        # What was there before the fork is no garbage. Looking through it would copy all its pages: 24 ms of CPU.
        gc.freeze()
        words = scenario.words_of(press, shape)
        slots = config.slots_by_worker
        n_cpu_workers = _n_cpu_workers(press, shape, config, words)
        doors = [Door() for _ in range(n_cpu_workers)]

        def be_worker(worker: int, channel: WorkerEnd) -> None:
            first = sum(slots[:worker])
            work(Seat(worker, config, press, shape, words, range(first, first + slots[worker]), doors), channel)

        return Prepared(len(words), be_worker, n_cpu_workers, lambda number: be_cpu_worker(press, words, doors[number]))

    return prepare


def _n_cpu_workers(press: Press, shape: scenario.Shape, config: RunConfig, words: list[Any]) -> int:
    """How many CPU workers there are to be."""
    if not shape.has_cpu_work:
        return 0
    if config.cpu_workers != AUTO:
        return config.cpu_workers
    prepare_ns = prepare_cost_ns(press, words) if shape.prepares else None
    verified_share = config.verify_sample if shape.verifies else 0.0
    return n_workers_for(prepare_ns, verified_share, config.peak_qps, machine.n_cpus())


def _cpu_tier(config: RunConfig, shape: scenario.Shape, state: RunState) -> CpuTier | None:
    if not shape.has_cpu_work:
        return None
    # Replies are verified after the load too: as long as the workers were watched.
    lasted_s = max(state.load_s, state.total.health.span_ns / NS_PER_S / config.processes)
    return CpuTier(config.cpu_workers, config.processes, lasted_s, machine.n_cpus(), config.peak_qps)


async def _conduct(config: RunConfig, spawner: Spawner, terminal: Terminal, seeker: Seeker | None) -> RunState:
    coordinator = Coordinator(config, spawner, terminal, seeker)
    if shortage := _shortage_of_files(config):
        coordinator.state.events.append(EventResult(0.0, "few_open_files", shortage))
        terminal.event(0.0, shortage)
    return await coordinator.run()


def _starting(config: RunConfig, n_words: int) -> str:
    table = f"{format_count(n_words)} words; " if n_words else ""
    n_cpu_workers = config.cpu_workers
    cpu = f", with {n_cpu_workers} CPU worker{'s' if n_cpu_workers != 1 else ''}" if n_cpu_workers > 0 else ""
    return f"{table}starting {config.concurrent} slots in {config.processes} processes{cpu}"


def _facts(config: RunConfig, shape: scenario.Shape, state: RunState) -> RunFacts:
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
        n_planned=state.n_planned,
        n_lost=state.n_lost,
        total=state.total,
        seconds=state.seconds,
        workers=state.workers,
        conditions=replace(state.conditions(), cpu_tier=_cpu_tier(config, shape, state)),
        n_cpu_workers_lost=state.n_cpu_workers_lost,
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
    if result.search is not None:
        # Its last steps are meant to be too much: the verdict on the whole run says nothing.
        return Finished(result, EXIT_THRESHOLD if result.search.qps is None else EXIT_DONE)
    if result.generator.verdict == "invalid":
        return Finished(result, EXIT_INVALID)
    return Finished(result, EXIT_DONE)
