"""What a run presses with, where that is a mix: each part with its settings, its shape, its words and its share."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hybridpress.config import DEFAULT_DURATION_S, Layer, RunConfig, knobs_by_name
from hybridpress.errors import ScenarioError, UsageError
from hybridpress.load.overlay import together
from hybridpress.load.profile import Profile
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
    """One part of a mix in a run. *weight*, its part of what starts in all; None: by the length of its word table."""

    name: str
    press: Press
    shape: Shape
    config: RunConfig
    supply: Supply
    weight: Fraction | None
    stream: Profile | None
    """Where rates change over time: that of its own, or, *is_sharing* it by weight with others, theirs together."""
    is_sharing: bool
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
        if self.weight is None and not self.turns:
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
    """The settings of a whole mix: its own, with the rates that parts have for themselves on top.

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
    for own_share in (_own_rates, _own_slots):
        try:
            added |= own_share(parts, config, layers)
        except UsageError as error:
            mistakes += error.mistakes
    if mistakes:
        raise UsageError(mistakes)
    own_slots = tuple(part.concurrent for part in parts if part.concurrent is not None)
    config = RunConfig.build(label, [*layers, Layer(added, lambda knob: f"the parts' {knob}")])
    return replace(config, own_slots=own_slots)


def _own_rates(parts: Sequence[Part], config: RunConfig, layers: Sequence[Layer]) -> dict[str, Any]:
    """The rate of the whole mix, where parts have some for themselves."""
    own = [part.profile for part in parts if part.profile is not None]
    if not own:
        return {}
    if len(own) == len(parts) and config.profile is not None:
        raise UsageError("--qps is for parts that share it, but each part has a rate of its own; leave it out")
    if len(own) < len(parts) and config.profile is None:
        raise UsageError("parts have a rate of their own; say by --qps what the others share, or give them one too")
    streams = own if config.profile is None else [config.profile, *own]
    if all(_is_steady(profile) for profile in streams):
        return {"qps": sum(profile.end_rate for profile in streams)}
    added: dict[str, Any] = {"profile": together(streams)}
    ends = [profile.duration_s for profile in streams if not profile.is_endless]
    if ends and not _given(layers) & {"duration", "iterations"}:
        added["duration"] = max(ends)
    return added


def _given(layers: Sequence[Layer]) -> set[str]:
    return {name for layer in layers for name, value in layer.settings.items() if value is not None}


def _is_steady(profile: Profile) -> bool:
    """Whether it is one rate without end."""
    return profile.is_constant and profile.is_endless


def _own_slots(parts: Sequence[Part], config: RunConfig, layers: Sequence[Layer]) -> dict[str, Any]:
    """All slots of the mix, where parts have some for themselves, and no more processes than each can be in."""
    own = {part.name: part.concurrent for part in parts if part.concurrent is not None}
    if not own:
        return {}
    given = _given(layers)
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


def run_parts(
    mixed: MixedPress, config: RunConfig, flags: Mapping[str, Any], workers: range | None = None
) -> list[RunPart]:
    """The parts of *mixed*, whose own settings are *config*; their presses then have their settings too. *workers*:
    those of this machine, where there are more.

    Raises:
        UsageError: all that is wrong with the parts, at once.
    """
    mistakes: list[str] = []
    found = []
    parts = parts_of(mixed)
    own = [part.profile for part in parts if part.profile is not None]
    shared = RunConfig.build("", layers_of(mixed, flags)).profile if own and len(own) < len(parts) else None
    weights = _weights(parts, shared, config.duration_s or DEFAULT_DURATION_S)
    changes = bool(own) and not all(map(_is_steady, [*own, *([shared] if shared else [])]))
    for part, weight in zip(parts, weights, strict=True):
        stream = (part.profile or shared) if changes else None
        try:
            found.append(_run_part(part, weight, stream, mixed, config, flags, workers))
        except UsageError as error:
            mistakes += error.mistakes
    if mistakes:
        raise UsageError(list(dict.fromkeys(mistakes)))
    return found


def _run_part(
    part: Part,
    weight: Fraction | None,
    stream: Profile | None,
    mixed: MixedPress,
    config: RunConfig,
    flags: Any,
    workers: range | None,
) -> RunPart:
    press = part.press
    mine = layers_of(press, {}, OF_A_PART)[:2]
    of_mix = layers_of(mixed, {name: flags[name] for name in OF_A_PART if name in flags}, OF_A_PART)
    of_run = ("concurrent", "processes", "seed", "verify_sample")
    rest = Layer({name: getattr(config, name) for name in of_run}, str)
    shape, own = shape_of(press), RunConfig.build(label_of(press), [*mine, *of_mix, rest])
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
    supply = Supply(own.policy, slots_by_worker, seed, part.name, workers)
    is_sharing = part.profile is None
    return RunPart(part.name, press, shape, own, supply, weight, stream, is_sharing, part.concurrent, slots_by_worker)


def _weights(parts: Sequence[Part], shared: Profile | None, span_s: float) -> list[Fraction | None]:
    """The weight of each part; where some have a rate of their own, how much starts of each in *span_s*, beside what
    those that share have of *shared*.
    """
    if all(part.profile is None for part in parts):
        return [None if part.weight is None else Fraction(str(part.weight)) for part in parts]
    whole = sum(Fraction(str(part.weight)) for part in parts if part.weight is not None)

    def of(profile: Profile | None) -> Fraction:
        assert profile is not None
        if _is_steady(profile):
            return Fraction(str(profile.end_rate))
        return Fraction(profile.arrivals(span_s) / span_s)

    return [
        of(part.profile) if part.weight is None else Fraction(str(part.weight)) / whole * of(shared) for part in parts
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
