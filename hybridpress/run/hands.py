"""Who makes the load of a run: worker processes on this machine, or whatever else does what `Hands` ask for."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

from hybridpress import machine
from hybridpress.clock import now_ns
from hybridpress.config import RunConfig
from hybridpress.coordinator.coordinator import Coordinator
from hybridpress.coordinator.crew import Forkers
from hybridpress.coordinator.seeker import Seeker
from hybridpress.coordinator.spawner import Spawner
from hybridpress.coordinator.state import RunState
from hybridpress.metrics.result import EventResult
from hybridpress.metrics.summary import RunFacts
from hybridpress.report.output import Outputs
from hybridpress.run.cast import Cast
from hybridpress.run.finish import facts_of, tell_words
from hybridpress.run.ready import check_table_and_host, preparer, shortage_of_files, tidier
from hybridpress.units import format_count


class Hands(Protocol):
    """Those who make the load. The methods are called in this order, each once, `close` always."""

    def ready(self, outputs: Outputs) -> tuple[RunConfig, int]:
        """Have words and processes for them. Returns the settings, complete, and the length of the word table.

        Raises:
            UsageError: all that stands against it; nothing was sent.
        """

    def coordinator(self, config: RunConfig, outputs: Outputs, seeker: Seeker | None) -> Coordinator:
        """Who conducts the run; inside the loop."""

    def beside(self, config: RunConfig) -> AbstractContextManager[None]:
        """In what the coordinator is run."""

    def tell_words(self, state: RunState, outputs: Outputs) -> str | None:
        """Tell what became of the words. Returns what is wrong with that, if anything is."""

    def facts(self, config: RunConfig, n_words: int, state: RunState) -> RunFacts:
        """What the run came to."""

    def close(self) -> None:
        """End all of them."""


class OneMachine:
    """Worker processes here, forked with the word table."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._spawner = Spawner(preparer(cast), tidier(cast.config))
        self._box: machine.BoxWatch | None = None

    def ready(self, outputs: Outputs) -> tuple[RunConfig, int]:
        outputs.starting("building the word table")
        self._spawner.start()
        n_words, n_cpu_workers = check_table_and_host(self._spawner, self._cast)
        config = replace(self._cast.config, cpu_workers=n_cpu_workers)
        self._box = machine.BoxWatch()  # before this process is kept on some CPUs
        outputs.starting(told_start(config, n_words))
        return config, n_words

    def coordinator(self, config: RunConfig, outputs: Outputs, seeker: Seeker | None) -> Coordinator:
        state = RunState(config, now_ns(), seeker)
        if shortage := shortage_of_files(self._cast):
            event = EventResult(0.0, "few_open_files", shortage)
            state.events.append(event)
            outputs.event(event)
        return Coordinator(state, Forkers(self._spawner, range(config.processes)), outputs, self._box)

    def beside(self, config: RunConfig) -> AbstractContextManager[None]:
        """With --pin-cpus, keep the coordinator off the workers' CPUs, as far as there are others."""
        return machine.pinned(machine.cpus()[config.processes :] if config.pin_cpus else [])

    def tell_words(self, state: RunState, outputs: Outputs) -> str | None:
        return tell_words(self._cast, state, outputs)

    def facts(self, config: RunConfig, n_words: int, state: RunState) -> RunFacts:
        return facts_of(replace(self._cast, config=config), n_words, state)

    def close(self) -> None:
        self._spawner.close()


def hands_of(cast: Cast, flags: Mapping[str, Any]) -> Hands:
    """Those that the settings ask for."""
    if cast.config.cluster is None:
        return OneMachine(cast)
    from hybridpress.cluster.many import ManyMachines

    return ManyMachines(cast, flags)


def told_start(config: RunConfig, n_words: int) -> str:
    """What is started, in words."""
    table = f"{format_count(n_words)} words; " if n_words else ""
    n_cpu_workers = config.cpu_workers
    cpu = f", with {n_cpu_workers} CPU worker{'s' if n_cpu_workers != 1 else ''}" if n_cpu_workers > 0 else ""
    return f"{table}starting {config.concurrent} slots in {config.processes} processes{cpu}"
