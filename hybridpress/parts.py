"""What a run presses with, where that is a mix: each part with its settings, its shape, its words and its share."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hybridpress.config import Layer, RunConfig, knobs_by_name
from hybridpress.errors import ScenarioError, UsageError
from hybridpress.load.split import deal
from hybridpress.mixed import MixedPress, Part, parts_of, told_share
from hybridpress.press import Press
from hybridpress.scenario import Shape, label_of, shape_of, words_of
from hybridpress.vocab.supply import Supply

OF_A_PART = (
    "host", "params", "param", "timeout", "cookies", "insecure", "ca_file", "max_body", "local_address",
    "grpc_channels", "draw", "exhausted", "lost_words",
)  # fmt: skip
"""The settings that a part of a mix may have for itself."""


@dataclass(frozen=True, slots=True)
class RunPart:
    """One part of a mix in a run. *weight* None: by the length of its word table."""

    name: str
    press: Press
    shape: Shape
    config: RunConfig
    supply: Supply
    weight: Fraction | None
    own_slots: int | None
    """How many slots only this part uses; None: those that the others use too."""
    slots_by_worker: list[int]
    """How many slots that use it each worker has."""

    @property
    def turns(self) -> Fraction | int:
        """Its weight among the others, once the words are there."""
        return self.supply.n_words if self.weight is None else self.weight

    def build(self) -> None:
        """Build its word table. To be called once, before the workers are forked.

        Raises:
            UsageError: it cannot be built, or cannot be drawn from as it should be.
        """
        self.supply.fill(words_of(self.press, self.shape))
        if not self.turns:
            raise ScenarioError(f"{self.name} has no word table to be mixed by the length of; give each part a weight")


def layers_of(press: Press, flags: Mapping[str, Any], only: Sequence[str] | None = None) -> list[Layer]:
    """The settings of class and object, and *flags*, in rising order of strength; of the first two *only* these."""
    name = type(press).__name__
    names = set(only) if only is not None else knobs_by_name().keys() | {"params"}
    return [
        Layer(_settings(_class_attributes(press), names), lambda knob: f"{name}.{knob}"),
        Layer(_settings(vars(press) | dict(press.settings), names), lambda knob: f"{name}({knob}=…)"),
        Layer(flags, lambda knob: knobs_by_name()[knob].flag),
    ]


def mixed_config(mixed: MixedPress, flags: Mapping[str, Any]) -> RunConfig:
    """The settings of a whole mix: its own, with the QPS that parts have for themselves on top.

    Raises:
        UsageError: all that is wrong with them.
    """
    mistakes: list[str] = []
    parts: list[Part] = []
    try:
        parts = parts_of(mixed)
    except UsageError as error:
        mistakes += error.mistakes
    label = mixed_label(mixed, parts)
    layers = layers_of(mixed, flags)
    try:
        config = RunConfig.build(label, layers)
    except UsageError as error:
        mistakes += error.mistakes
    if mistakes:
        raise UsageError(mistakes)
    added: dict[str, Any] = {}
    for own_share in (_own_qps, _own_slots):
        try:
            added |= own_share(parts, config, layers)
        except UsageError as error:
            mistakes += error.mistakes
    if mistakes:
        raise UsageError(mistakes)
    own_slots = tuple(part.concurrent for part in parts if part.concurrent is not None)
    config = RunConfig.build(label, [*layers, Layer(added, lambda knob: f"the parts' {knob}")])
    return replace(config, own_slots=own_slots)


def _own_qps(parts: Sequence[Part], config: RunConfig, _: Sequence[Layer]) -> dict[str, Any]:
    """The QPS of the whole mix, where parts have some for themselves."""
    own_qps = [part.qps for part in parts if part.qps is not None]
    if not own_qps:
        return {}
    if len(own_qps) == len(parts) and config.qps is not None:
        raise UsageError("--qps is for parts that share it, but each part has a QPS of its own; leave it out")
    if len(own_qps) < len(parts) and config.qps is None:
        raise UsageError("parts have a QPS of their own; say by --qps what the others share, or give them one too")
    return {"qps": sum(own_qps) + (config.qps or 0)}


def _own_slots(parts: Sequence[Part], config: RunConfig, layers: Sequence[Layer]) -> dict[str, Any]:
    """All slots of the mix, where parts have some for themselves, and no more processes than each can be in."""
    own = {part.name: part.concurrent for part in parts if part.concurrent is not None}
    if not own:
        return {}
    given = {name for layer in layers for name, value in layer.settings.items() if value is not None}
    if len(own) == len(parts) and "concurrent" in given:
        raise UsageError("--concurrent is for parts that share slots, but each part has its own; leave it out")
    shared = {} if len(own) == len(parts) else {"the parts that share slots": config.concurrent}
    mistakes = [
        f"{name}: {n_slots} slots for {config.processes} processes, of which each needs one; lower --processes"
        for name, n_slots in {**own, **shared}.items()
        if "processes" in given and n_slots < config.processes
    ]
    if mistakes:
        raise UsageError(mistakes)
    most = min([config.processes, *own.values(), *shared.values()])
    return {"concurrent": sum([*own.values(), *shared.values()]), "processes": most}


def run_parts(mixed: MixedPress, config: RunConfig, flags: Mapping[str, Any]) -> list[RunPart]:
    """The parts of *mixed*, whose own settings are *config*; their presses then have their settings too.

    Raises:
        UsageError: all that is wrong with the parts, at once.
    """
    mistakes: list[str] = []
    found = []
    parts = parts_of(mixed)
    weights = _weights(parts, config.qps)
    for part, weight in zip(parts, weights, strict=True):
        try:
            found.append(_run_part(part, weight, mixed, config, flags))
        except UsageError as error:
            mistakes += error.mistakes
    if mistakes:
        raise UsageError(list(dict.fromkeys(mistakes)))
    return found


def _run_part(part: Part, weight: Fraction | None, mixed: MixedPress, config: RunConfig, flags: Any) -> RunPart:
    press = part.press
    mine = layers_of(press, {}, OF_A_PART)[:2]
    of_mix = layers_of(mixed, {name: flags[name] for name in OF_A_PART if name in flags}, OF_A_PART)
    rest = Layer({"concurrent": config.concurrent, "processes": config.processes, "seed": config.seed}, str)
    shape, own = shape_of(press), RunConfig.build(label_of(press), [*mine, *of_mix, rest])
    if shape.has_stages:
        what = "prepare() or verify()" if shape.has_cpu_work else "methods that block"
        raise UsageError(f"{part.name} has {what}, and cannot be a part of a mix")
    if not shape.takes_word and not own.policy.is_default:
        raise UsageError(f"{part.name}.press() takes no word, so that none can be drawn: leave out {own.draw}")
    press.host, press.params = own.host, own.params
    for name in ("qps", "concurrent"):
        setattr(press, name, getattr(config, name))
    assert config.seed is not None  # filled in by RunConfig.build
    # Each part by a seed of its own: else tables of the same length would be gone through in step.
    seed = config.seed ^ zlib.crc32(part.name.encode())
    n_shared = config.concurrent - sum(config.own_slots)
    slots_by_worker = deal(part.concurrent or n_shared, [1] * config.processes)
    supply = Supply(own.policy, slots_by_worker, seed, part.name)
    return RunPart(part.name, press, shape, own, supply, weight, part.concurrent, slots_by_worker)


def _weights(parts: Sequence[Part], total_qps: float | None) -> list[Fraction | None]:
    """What each part has of *total_qps*, or, where none has a QPS of its own, simply its weight."""
    own = sum(Fraction(str(part.qps)) for part in parts if part.qps is not None)
    if not own:
        return [None if part.weight is None else Fraction(str(part.weight)) for part in parts]
    assert total_qps is not None
    whole = sum(Fraction(str(part.weight)) for part in parts if part.weight is not None)
    rest = Fraction(str(total_qps)) - own
    return [
        Fraction(str(part.qps)) if part.qps is not None else Fraction(str(part.weight)) * rest / whole for part in parts
    ]


def mixed_label(mixed: MixedPress, parts: Sequence[Part]) -> str:
    """How the result names a mix: as its class, or, where it has none of its own, as its parts and their shares."""
    if type(mixed) is not MixedPress:
        return label_of(mixed)
    return " ".join(label_of(part.press) + told_share(part) for part in parts)


def _class_attributes(press: Press) -> dict[str, Any]:
    """What the scenario's classes set, the most derived first to be heard; Press's own defaults are not settings."""
    found: dict[str, Any] = {}
    for cls in reversed(type(press).__mro__):
        if cls is not Press and issubclass(cls, Press):
            found |= vars(cls)
    return found


def _settings(attributes: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """Those of *attributes* that are run settings; methods and properties of the same name are the scenario's own."""
    return {
        name: value
        for name, value in attributes.items()
        if name in names and not callable(value) and not isinstance(value, property)
    }
