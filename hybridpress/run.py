"""Wiring: the only module that knows every part of a run."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import uvloop

from hybridpress import __version__, machine, scenario
from hybridpress.clients.kit import probe
from hybridpress.clock import now_ns
from hybridpress.config import RunConfig, knobs_by_name
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
from hybridpress.mixed import MixedPress
from hybridpress.parts import RunPart, layers_of, mixed_config, run_parts
from hybridpress.press import Press
from hybridpress.report.terminal import Terminal
from hybridpress.settings import AUTO
from hybridpress.units import NS_PER_S, format_count, format_duration
from hybridpress.vocab.policy import Policy
from hybridpress.vocab.supply import Supply
from hybridpress.vocab.table import Table
from hybridpress.worker.cpu.process import Door, be_cpu_worker
from hybridpress.worker.cpu.sizing import n_workers_for, prepare_cost_ns
from hybridpress.worker.process import MAX_THREADS, Seat, http_settings, work

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
    return _executed(_cast(press, flags))


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
        found = _cast(press, {"qps": getattr(press, "qps", None) or 100, **flags, "duration": longest_s})
    except UsageError as error:
        mistakes += error.mistakes
    if found is not None and quest is not None and not mistakes:
        assert found.config.qps is not None
        try:
            return _executed(found, Seeker(quest, found.config.qps))
        except UsageError as error:
            mistakes += error.mistakes
    raise UsageError(mistakes)


def _executed(cast: _Cast, seeker: Seeker | None = None) -> Finished:
    config = cast.config
    with closing(Terminal(config)) as terminal, closing(Spawner(_preparer(cast))) as spawner:
        terminal.starting("building the word table")
        try:
            spawner.start()
            n_words, n_cpu_workers = _check_table_and_host(spawner, cast)
        except KeyboardInterrupt:
            raise InterruptedRunError from None
        config = replace(config, cpu_workers=n_cpu_workers)
        terminal.starting(_starting(config, n_words))
        # Not on uvloop: it makes watched descriptors non-blocking, but a long report comes through its pipe in parts.
        with _beside_the_workers(config):
            state = asyncio.run(_conduct(cast, _with_end(config, n_words), spawner, terminal, seeker))
        if not state.start_ns:
            if state.is_interrupted:
                raise InterruptedRunError
            raise RunError(state.broken or "the run ended before it began")
        complaint = _tell_words(cast, state, terminal)
        result = summarize(_facts(replace(cast, config=config), n_words, state))
        if seeker is not None:
            result = replace(result, search=seeker.result())
        terminal.finished(result)
    if config.json is not None:
        from hybridpress.report.json import write_json

        write_json(result, config.json)
    if complaint and not state.is_interrupted:
        return Finished(result, EXIT_BROKEN, complaint)
    return _finished(config, result, state)


def execute_once(press: Press, flags: Mapping[str, Any]) -> int:
    """One iteration of *press* in this process, or of each part of a mix, request and reply printed. Returns the exit
    code.

    Raises:
        UsageError: a setting or the scenario cannot be used; nothing was sent.
    """
    from hybridpress.report.once import OncePrinter
    from hybridpress.worker.once import run_once

    cast = _cast(press, {**flags, "concurrent": 1, "processes": 1})
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


@dataclass(frozen=True, slots=True)
class _Cast:
    """What a run presses with: one press with its words, or the parts of a mix."""

    config: RunConfig
    press: Press
    shape: scenario.Shape
    supply: Supply
    parts: Sequence[RunPart] = ()

    @property
    def needs_all_connections(self) -> bool:
        """Whether each slot is sure to hold a connection: unpaced, none of them ever rests. A plan may do with few."""
        return not self.config.is_paced and any(config.host is not None for config in self.configs)

    @property
    def most_connections(self) -> int:
        """How many a worker may need: one for each of its slots, in a mix for each part that they run."""
        if not self.parts:
            return max(self.config.slots_by_worker)
        return max(map(sum, zip(*(part.slots_by_worker for part in self.parts), strict=True)))

    @property
    def supplies(self) -> list[Supply]:
        return [part.supply for part in self.parts] or [self.supply]

    @property
    def configs(self) -> list[RunConfig]:
        """The settings of the clients, each once for each host."""
        found = [part.config for part in self.parts] or [self.config]
        return list({config.host: config for config in found}.values())

    def build(self) -> int:
        """Build all word tables; how many words they have.

        Raises:
            UsageError: all that is wrong with them.
        """
        if not self.parts:
            self.supply.fill(scenario.words_of(self.press, self.shape))
        mistakes: list[str] = []
        for part in self.parts:
            try:
                part.build()
            except UsageError as error:
                mistakes += error.mistakes
        if mistakes:
            raise ScenarioError(mistakes)
        return sum(supply.n_words for supply in self.supplies)

    def seat(self, worker: int, doors: Sequence[Door] = ()) -> Seat:
        slots = self.config.slots_by_worker
        first = sum(slots[:worker])
        numbers = range(first, first + slots[worker])
        return Seat(worker, self.config, self.press, self.shape, self.supply, numbers, doors, self.parts)

    def seats_of_parts(self) -> list[Seat]:
        """A seat with one slot for each part by itself."""
        return [Seat(0, part.config, part.press, part.shape, part.supply, range(1)) for part in self.parts] or [
            self.seat(0)
        ]


def _cast(press: Press, flags: Mapping[str, Any]) -> _Cast:
    if not isinstance(press, MixedPress):
        config, shape = configure(press, flags)
        return _Cast(config, press, shape, Supply(config.policy, config.slots_by_worker, _seed(config)))
    config = mixed_config(press, flags)
    none = Supply(Policy(), config.slots_by_worker, _seed(config))
    return _Cast(config, press, scenario.Shape(takes_word=False), none, run_parts(press, config, flags))


def configure(press: Press, flags: Mapping[str, Any]) -> tuple[RunConfig, scenario.Shape]:
    """The settings of class, object and command line, in rising order of strength; *press* then has them too.

    Raises:
        UsageError: all that is wrong with the settings and with the shape of the scenario, at once.
    """
    mistakes: list[str] = []
    name = type(press).__name__
    try:
        shape = scenario.shape_of(press)
    except UsageError as error:
        mistakes += error.mistakes
    try:
        config = RunConfig.build(scenario.label_of(press), layers_of(press, flags))
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
    if not shape.takes_word and not config.policy.is_default:
        mistakes.append(f"{name}.press() takes no word, so that none can be drawn: leave out --draw {config.draw}")
    if shape.has_stages and not config.policy.is_default:
        what = "prepare() or verify()" if shape.has_cpu_work else "methods that block"
        mistakes.append(f"{name} has {what}; its words can be drawn at random only: leave out --draw {config.draw}")
    return mistakes


def _check_table_and_host(spawner: Spawner, cast: _Cast) -> tuple[int, int]:
    """Wait for the word table, and see whether the host can be reached: what is wrong with either is told together,
    before the load. Returns the table's length.
    """
    mistakes: list[str] = []
    if cast.needs_all_connections and (shortage := _shortage_of_files(cast)):
        mistakes.append(shortage)
    table = TableReady(0)
    try:
        table = spawner.wait_for_table()
    except UsageError as error:
        mistakes += error.mistakes
    for config in cast.configs:
        try:
            _reach(config)
        except TLSError as error:
            mistakes.append(f"--host {config.host}: {error}; see --ca-file and --insecure")
        except ClientError as error:
            mistakes.append(f"--host {config.host}: {error}; is the server up, and the address right?")
    if mistakes:
        raise UsageError(mistakes)
    return table.n_words, table.n_cpu_workers


def _shortage_of_files(cast: _Cast) -> str | None:
    """That a worker may not open as many connections as it has slots, and the ways out."""
    limit = machine.most_open_files()
    n_wanted = cast.most_connections
    if limit is None or n_wanted + FILES_BESIDES <= limit:
        return None
    n_spare = max(limit - FILES_BESIDES, 0)
    ways_out = "raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit)"
    if n_spare:
        n_all = n_wanted * cast.config.concurrent // max(cast.config.slots_by_worker)
        ways_out += f", or ask for --processes {-(-n_all // n_spare)}"
    slots = f"{format_count(max(cast.config.slots_by_worker))} slots in one worker process"
    each = "each" if n_wanted == max(cast.config.slots_by_worker) else "for each part of the mix"
    return (
        f"{slots} may need a connection {each}, but it may have no more than "
        f"{format_count(limit)} open files, {FILES_BESIDES} of them for itself: {ways_out}"
    )


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


def _preparer(cast: _Cast) -> Callable[[], Prepared]:
    def prepare() -> Prepared:
        """In the spawner: the word table, and what each worker is to do."""
        machine.raise_file_limit()  # here and not in our caller's process, which may be a program of the user's own
        # What was there before the fork is no garbage. Looking through it would copy all its pages: 24 ms of CPU.
        gc.freeze()
        n_words = cast.build()
        press, words = cast.press, cast.supply.table
        n_cpu_workers = _n_cpu_workers(press, cast.shape, cast.config, words)
        doors = [Door() for _ in range(n_cpu_workers)]

        def be_worker(worker: int, channel: WorkerEnd) -> None:
            work(cast.seat(worker, doors), channel)

        return Prepared(n_words, be_worker, n_cpu_workers, lambda number: be_cpu_worker(press, words, doors[number]))

    return prepare


def _n_cpu_workers(press: Press, shape: scenario.Shape, config: RunConfig, words: Table) -> int:
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


async def _conduct(
    cast: _Cast, config: RunConfig, spawner: Spawner, terminal: Terminal, seeker: Seeker | None
) -> RunState:
    coordinator = Coordinator(config, spawner, terminal, seeker)
    if shortage := _shortage_of_files(cast):
        coordinator.state.events.append(EventResult(0.0, "few_open_files", shortage))
        terminal.event(0.0, shortage)
    return await coordinator.run()


def _with_end(config: RunConfig, n_words: int) -> RunConfig:
    """The settings of a run that its words end. Unpaced it needs no other end. A plan must have one: it is made long
    enough for all words also where one worker starts more of them, and another fewer, than its share.
    """
    if config.qps is None or not config.is_ended_by_words:
        return config
    return replace(config, duration_s=2 * n_words / config.qps + SPARE_S)


def _tell_words(cast: _Cast, state: RunState, terminal: Terminal) -> str | None:
    """Tell what became of words of which each was to be used once. Returns what is wrong with that, if anything is."""
    told = [("words_lost", text) for supply in cast.supplies for text in supply.told_lost()]
    complaint = None
    if state.is_out_of_words:
        for supply in cast.supplies:
            told += [("words_unused", text) for text in supply.told_unused()]
            if supply.n_left == 0:
                told.append(("words_used", supply.told_exhausted()))
                if supply.policy.must_fail:
                    complaint = f"{supply.told_exhausted()}, and the run was to go on"
    for kind, text in told:
        state.events.append(EventResult(round(state.load_s, 3), kind, text))
        terminal.event(state.load_s, text)
    return complaint


def _seed(config: RunConfig) -> int:
    assert config.seed is not None  # filled in by RunConfig.build
    return config.seed


def _starting(config: RunConfig, n_words: int) -> str:
    table = f"{format_count(n_words)} words; " if n_words else ""
    n_cpu_workers = config.cpu_workers
    cpu = f", with {n_cpu_workers} CPU worker{'s' if n_cpu_workers != 1 else ''}" if n_cpu_workers > 0 else ""
    return f"{table}starting {config.concurrent} slots in {config.processes} processes{cpu}"


def _facts(cast: _Cast, n_words: int, state: RunState) -> RunFacts:
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
        workers=state.workers,
        conditions=replace(state.conditions(), cpu_tier=_cpu_tier(config, cast.shape, state)),
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
