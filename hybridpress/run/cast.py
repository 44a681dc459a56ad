"""What a run presses with: one press with its words, or the parts of a mix, and their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hybridpress import scenario
from hybridpress.config import RunConfig
from hybridpress.errors import (
    ScenarioError,
    UsageError,
)
from hybridpress.mixed import MixedPress
from hybridpress.parts import RunPart, layers_of, mixed_config, run_parts
from hybridpress.press import Press
from hybridpress.units import format_count
from hybridpress.vocab.policy import Policy
from hybridpress.vocab.supply import Supply
from hybridpress.worker.cpu.process import Door
from hybridpress.worker.process import MAX_THREADS, Seat


@dataclass(frozen=True, slots=True)
class Cast:
    """What a run presses with: one press with its words, or the parts of a mix."""

    config: RunConfig
    press: Press
    shape: scenario.Shape
    supply: Supply
    parts: Sequence[RunPart] = ()
    first: int = 0
    """The number of this machine's first worker, where others have workers too."""

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

    def shares(self) -> list[float]:
        """The share of each part in what starts; to be asked when the words are there."""
        turns = [Fraction(part.turns) for part in self.parts] or [Fraction(1)]
        return [float(turn / sum(turns)) for turn in turns]

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
        return Seat(worker, self.config, self.press, self.shape, self.supply, numbers, doors, self.parts, self.first)

    def seats_of_parts(self) -> list[Seat]:
        """A seat with one slot for each part by itself."""
        return [Seat(0, part.config, part.press, part.shape, part.supply, range(1)) for part in self.parts] or [
            self.seat(0)
        ]


def cast_of(press: Press, flags: Mapping[str, Any]) -> Cast:
    """What a run of *press* presses with; *flags* are stronger than its own settings.

    Raises:
        UsageError: all that is wrong with them.
    """
    if not isinstance(press, MixedPress):
        config, shape = configure(press, flags)
        return Cast(config, press, shape, Supply(config.policy, config.slots_by_worker, seed_of(config)))
    return mixed_cast(press, mixed_config(press, flags), flags)


def cast_with(press: Press, config: RunConfig, flags: Mapping[str, Any], workers: range) -> Cast:
    """The same with settings that are known, on a machine that has some of the *workers* only.

    Raises:
        UsageError: all that is wrong with the scenario.
    """
    if isinstance(press, MixedPress):
        return replace(mixed_cast(press, config, flags, workers), first=workers.start)
    shape = scenario.shape_of(press)
    _set(press, config)
    supply = Supply(config.policy, config.slots_by_worker, seed_of(config), workers=workers)
    return Cast(config, press, shape, supply, first=workers.start)


def mixed_cast(press: MixedPress, config: RunConfig, flags: Mapping[str, Any], workers: range | None = None) -> Cast:
    """The cast of a mix, with the settings that the mix as a whole has."""
    parts = run_parts(press, config, flags, workers)
    none = Supply(Policy(), config.slots_by_worker, seed_of(config))
    shapes = [part.shape for part in parts]
    shape = scenario.Shape(
        takes_word=True,  # as to how they are drawn, each part has seen to it
        blocks=any(shape.blocks for shape in shapes),
        starts_blocking=any(shape.starts_blocking for shape in shapes),
        prepares=any(shape.prepares for shape in shapes),
        verifies=any(shape.verifies for shape in shapes),
    )
    mistakes = _not_parts(config, [part.name for part in parts])
    if mistakes := mistakes + _contradictions(type(press).__name__, config, shape):
        raise UsageError(mistakes)
    return Cast(config, press, shape, none, parts)


def _not_parts(config: RunConfig, parts: Sequence[str]) -> list[str]:
    """The thresholds on what only a part of a mix has, that name none. Which steps there are, the run will tell."""
    found = [t for t in config.thresholds if t.figure.which == "dropped" and t.figure.name not in (None, *parts)]
    ways_out = f"the parts are {', '.join(parts)}" if parts else "name none, or mix several presses"
    return [
        f'--threshold {threshold.expression}: only parts of a mix can drop iterations, and "{threshold.figure.name}" '
        f"is none; {ways_out}"
        for threshold in found
    ]


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
        mistakes += [*_not_parts(config, ()), *_contradictions(name, config, shape)]
    if mistakes:
        raise UsageError(mistakes)
    _set(press, config)
    return config, shape


def _set(press: Press, config: RunConfig) -> None:
    """Give *press* the settings that it may look at."""
    for setting in ("host", "qps", "concurrent"):
        setattr(press, setting, getattr(config, setting))
    press.params = config.params


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
    if config.trace_sample and shape.blocks:
        mistakes.append(f"--trace-sample is for an async press(), and {name}.press() is none; leave it out")
    if not shape.takes_word and not config.policy.is_default:
        mistakes.append(f"{name}.press() takes no word, so that none can be drawn: leave out --draw {config.draw}")
    return mistakes


def seed_of(config: RunConfig) -> int:
    assert config.seed is not None  # filled in by RunConfig.build
    return config.seed
