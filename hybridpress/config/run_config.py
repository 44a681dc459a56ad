"""RunConfig: every knob of a run, each said once.

A knob's name is its keyword in a Press's constructor, its attribute on a Press's class and, with dashes, its flag on
the command line. Help, default and parser stand beside it, and the shells (command line, class, report) read them
from here. All mistakes are found before anything runs, and told at once.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hybridpress.config.clients import ClientSettings
from hybridpress.config.cluster import ClusterSettings
from hybridpress.config.knob import Knob, Layer
from hybridpress.config.load import LoadSettings
from hybridpress.config.objectives import ABORT_GRACE_S, UNTIL_MAX_S, UNTIL_MIN_S, ObjectiveSettings
from hybridpress.config.outputs import OutputSettings
from hybridpress.config.secrets import masked, masked_url
from hybridpress.config.slots import SlotSettings
from hybridpress.config.words import WordSettings
from hybridpress.errors import UsageError
from hybridpress.load.profile import Profile
from hybridpress.load.split import deal
from hybridpress.load.wanted import contradictions, rate_profile, replaced_by, slot_profile
from hybridpress.load.words import Csv
from hybridpress.machine import n_cpus
from hybridpress.metrics.thresholds import Threshold
from hybridpress.metrics.until import Until
from hybridpress.vocab import policy

DEFAULT_DURATION_S = 30.0


@dataclass(frozen=True, kw_only=True)
class RunConfig(
    LoadSettings, SlotSettings, WordSettings, ClientSettings, ClusterSettings, ObjectiveSettings, OutputSettings
):
    """All settings of one run, checked. Made by `build`."""

    scenario: str = ""

    own_slots: tuple[int, ...] = ()
    """Of a mix: how many of `concurrent` are which part's own. Each of these groups is dealt to all workers."""
    slot_profile: Profile | None = None
    """How many slots press over time, where --slot-stage says so; `concurrent` is then the most of them."""

    @classmethod
    def build(cls, scenario: str, layers: Sequence[Layer]) -> RunConfig:
        """The settings of *layers* over the defaults, in rising order of strength, parsed and checked.

        Raises:
            UsageError: one or more settings are unknown, malformed, or exclude one another; all are named.
        """
        mistakes: list[str] = []
        values: dict[str, Any] = {}
        label_of: dict[str, Callable[[str], str]] = {}
        fields = {knob.name: attribute for attribute, knob in knobs().items()}
        fields |= {"params": "params"}
        for layer in layers:
            given = {name: value for name, value in layer.settings.items() if value is not None}
            if given.keys() & {"duration", "iterations"}:
                # A stronger layer's choice of an end replaces a weaker layer's other choice.
                values.pop("duration_s", None)
                values.pop("iterations", None)
            for weaker in replaced_by(given):
                values.pop(weaker, None)
            for name, value in given.items():
                attribute = fields.get(name)
                if attribute is None:
                    mistakes.append(_unknown(layer.label(name), name, fields))
                    continue
                label_of[attribute] = layer.label
                try:
                    parsed = knobs()[attribute].parse(value)
                except UsageError as error:
                    mistakes += [f"{layer.label(name)} {mistake}" for mistake in error.mistakes]
                    continue
                if attribute == "params":
                    parsed = values.get("params", {}) | parsed
                values[attribute] = parsed
        if "slot_stages" in values:
            values.setdefault("concurrent", 0)
        config = cls(scenario=scenario, **values)

        def label(attribute: str) -> str:
            knob = knobs()[attribute]
            return label_of[attribute](knob.name) if attribute in label_of else knob.flag

        loads: dict[str, Profile | None] = {}
        for name, load in (("profile", rate_profile), ("slot_profile", slot_profile)):
            try:
                loads[name] = load(config, label)
            except UsageError as error:
                mistakes += error.mistakes
        config = dataclasses.replace(config, **loads)  # type: ignore[arg-type]  # each has its own
        if config.slot_profile is not None:
            config = dataclasses.replace(config, concurrent=max(math.ceil(config.slot_profile.peak_rate), 1))
        mistakes += config._contradictions(label)  # noqa: SLF001 (one of our own)
        if mistakes:
            raise UsageError(mistakes)
        return config._filled()  # noqa: SLF001 (the same)

    def _contradictions(self, label: Callable[[str], str]) -> list[str]:
        mistakes = []
        if self.duration_s is not None and self.iterations is not None:
            mistakes.append(f"{label('duration_s')} and {label('iterations')} exclude each other; give one")
        if self.duration_s == 0:
            mistakes.append(f"{label('duration_s')} must be above 0")
        if self.timeout_s == 0:
            mistakes.append(f"{label('timeout_s')} must be above 0")
        if self.start_timeout_s == 0:
            mistakes.append(f"{label('start_timeout_s')} must be above 0")
        mistakes += contradictions(self, label)
        if self.abort_on_fail and not self.thresholds:
            mistakes.append(f"{label('abort_on_fail')} needs a threshold to fail, such as --threshold 'p99<200ms'")
        if self.abort_grace_s is not None and not self.abort_on_fail:
            mistakes.append(f"{label('abort_grace_s')} is for --abort-on-fail")
        if self.until_min_s is not None and self.until is None:
            mistakes.append(f"{label('until_min_s')} is for --until")
        if self.until_min_s is not None and self.duration_s is not None and self.until_min_s > self.duration_s:
            mistakes.append(f"{label('until_min_s')} is longer than {label('duration_s')}")
        if self.processes > self.concurrent:
            mistakes.append(
                f"{label('processes')} {self.processes} is more than {label('concurrent')} {self.concurrent}: "
                "every process needs a slot of its own; ask for fewer processes or more slots"
            )
        try:
            self.policy  # noqa: B018 (says what is wrong with it)
        except UsageError as error:
            name = "exhausted" if self.exhausted is not None else "draw"
            mistakes += [f"{label(name)} cannot be: {mistake}" for mistake in error.mistakes]
        if self.trace_sample and self.otlp is None:
            mistakes.append(f"{label('trace_sample')} needs {label('otlp')}, to which the traces are sent")
        if self.insecure and self.ca_file:
            mistakes.append(f"{label('insecure')} and {label('ca_file')} exclude each other; give one")
        mistakes += self.not_of_one_machine(label)
        if self.local_addresses and (self.host or "").startswith("http+unix"):
            mistakes.append(f"{label('local_addresses')} is for TCP, but {label('host')} is a Unix socket")
        return mistakes

    def _filled(self) -> RunConfig:
        """What was left open, decided."""
        changes: dict[str, Any] = {}
        if not self.processes:
            changes["processes"] = min(n_cpus(), self.concurrent)
        load = self.slot_profile or self.profile
        is_endless = load is None or load.is_endless
        if self.duration_s is None and self.iterations is None and not (is_endless and self.draw == "once"):
            usual_s = DEFAULT_DURATION_S if self.until is None else UNTIL_MAX_S
            changes["duration_s"] = usual_s if load is None or load.is_endless else load.duration_s
        if self.until is not None and self.until_min_s is None:
            changes["until_min_s"] = UNTIL_MIN_S
        if self.abort_on_fail and self.abort_grace_s is None:
            changes["abort_grace_s"] = ABORT_GRACE_S
        if self.seed is None:
            changes["seed"] = random.SystemRandom().randrange(2**31)
        return dataclasses.replace(self, **changes)

    @property
    def is_ended_by_words(self) -> bool:
        """Whether nothing but the last word ends the run."""
        return self.duration_s is None and self.iterations is None

    @property
    def is_paced(self) -> bool:
        return self.profile is not None

    @property
    def peak_qps(self) -> float | None:
        """The highest rate that is asked for; None: unpaced."""
        return None if self.profile is None else self.profile.peak_rate

    @property
    def policy(self) -> policy.Policy:
        """How words are drawn."""
        return policy.Policy(self.draw, self.exhausted, self.lost_words)  # type: ignore[arg-type]  # parsed to these

    @property
    def slots_by_worker(self) -> list[int]:
        """How many slots each worker has."""
        groups = [n for n in (self.concurrent - sum(self.own_slots), *self.own_slots) if n]
        return [sum(shares) for shares in zip(*(deal(n, [1] * self.processes) for n in groups), strict=True)]

    @property
    def n_planned(self) -> int | None:
        """How many iterations the plan holds; None when only the time or the words limit them, or chance decides."""
        if self.iterations is not None:
            return self.iterations
        if self.profile is None or self.arrivals == "poisson" or self.duration_s is None:
            return None
        return self.profile.n_arrivals(self.duration_s)

    def as_settings(self) -> dict[str, Any]:
        """Every knob by its name and value, as the result and the report show them: without secrets."""
        settings = {knob.name: getattr(self, attribute) for attribute, knob in knobs().items()}
        return masked({name: _plain(value) for name, value in settings.items()} | {"host": self.shown_host})

    @property
    def shown_host(self) -> str | None:
        """The host without a password that may be in it."""
        return None if self.host is None else masked_url(self.host)


def _plain(value: Any) -> Any:
    if isinstance(value, Profile):
        return value.describe()
    if isinstance(value, Csv):
        return value.path
    if isinstance(value, Threshold | Until):
        return value.expression
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


GROUPS: dict[str, type] = {
    "Load": LoadSettings,
    "Slots and processes": SlotSettings,
    "Words and parameters": WordSettings,
    "Clients": ClientSettings,
    "Many machines": ClusterSettings,
    "Objectives": ObjectiveSettings,
    "Output": OutputSettings,
}
"""The settings by what they are about, in the order of the help."""


def knobs_of(settings: type) -> dict[str, Knob]:
    """The knobs of a group of settings by the names of their fields."""
    return {f.name: f.metadata["knob"] for f in dataclasses.fields(settings) if "knob" in f.metadata}


_KNOBS: dict[str, Knob] = {name: knob for settings in GROUPS.values() for name, knob in knobs_of(settings).items()}


def knobs() -> dict[str, Knob]:
    """Every knob by the name of its field in RunConfig, in the order of the help."""
    return _KNOBS


def knobs_by_name() -> dict[str, Knob]:
    """Every knob by its own name."""
    return {knob.name: knob for knob in _KNOBS.values()}


def _unknown(label: str, name: str, known: Mapping[str, str]) -> str:
    import difflib  # for who mistypes a setting

    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "the settings are " + ", ".join(sorted(known))
    return f"{label} is not a setting; {hint}"
