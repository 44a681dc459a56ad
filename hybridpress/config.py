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
from dataclasses import dataclass, field
from typing import Any, get_args

from hybridpress.errors import UsageError
from hybridpress.load.profile import Profile
from hybridpress.load.split import deal
from hybridpress.load.wanted import contradictions, rate_profile, replaced_by, slot_profile
from hybridpress.load.words import Csv, one_of, parse_catch_up, parse_profile, parse_scale, parse_words
from hybridpress.machine import n_cpus
from hybridpress.settings import (
    AUTO,
    parse_cpu_workers,
    parse_csv,
    parse_flag,
    parse_host,
    parse_local_addresses,
    parse_params,
    parse_pin_cpus,
    parse_readable_file,
    parse_seed,
    parse_writable_file,
)
from hybridpress.units import parse_bytes, parse_count, parse_duration_s, parse_rate_per_s, parse_share
from hybridpress.vocab import policy

DEFAULT_DURATION_S = 30.0


@dataclass(frozen=True, slots=True)
class Knob:
    """How one setting is named, read and explained."""

    name: str
    parse: Callable[[Any], Any]
    help: str
    metavar: str = ""
    default_text: str = ""
    is_flag: bool = False
    is_repeated: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one place. Later layers are stronger. `label` makes a setting's name into what the user wrote."""

    settings: Mapping[str, Any]
    label: Callable[[str], str]


def _knob(default: Any, knob: Knob) -> Any:
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"knob": knob})
    return field(default=default, metadata={"knob": knob})


@dataclass(frozen=True)
class RunConfig:
    """All settings of one run, checked. Made by `build`."""

    scenario: str = ""

    host: str | None = _knob(
        None,
        Knob(
            "host", parse_host, "What the scenario's URLs are relative to: http://…, https://…, http+unix://….", "URL"
        ),
    )
    qps: float | None = _knob(
        None,
        Knob(
            "qps",
            parse_rate_per_s,
            "Iterations started a second, over all processes: 500, 2.5k, 30/m. Left out: as fast as the slots go.",
            "RATE",
            "unpaced",
        ),
    )
    stages: tuple[str, ...] = _knob(
        (),
        Knob(
            "stage",
            parse_words,
            "Over TIME go straight from the rate before to RATE; may be repeated. The first begins at --qps, or at 0.",
            "TIME:RATE",
            is_repeated=True,
        ),
    )
    profile: Profile | None = _knob(
        None,
        Knob(
            "profile",
            parse_profile,
            'The rate over time, as a sum of calls: "ramp(0, 500, 1m) + hold(5m)". See "Load" below.',
            "WORDS",
        ),
    )
    rate_csv: Csv | None = _knob(
        None,
        Knob("rate_csv", parse_csv, "The rate over time, from a CSV file with rows of seconds,rate.", "FILE"),
    )
    rate_scale: float = _knob(
        1.0, Knob("rate_scale", parse_scale, "Multiply the rates of --rate-csv by this.", "FACTOR", "1")
    )
    arrivals: str = _knob(
        "uniform",
        Knob(
            "arrivals",
            one_of("uniform", "poisson"),
            "uniform: evenly; poisson: at random, as users who know nothing of one another; --seed repeats it.",
            "KIND",
            "uniform",
        ),
    )
    late: str = _knob(
        "wait",
        Knob(
            "late",
            one_of("wait", "drop"),
            "What is due while all slots are busy: wait starts it later, drop leaves it out; both are counted.",
            "POLICY",
            "wait",
        ),
    )
    catch_up: float | None = _knob(
        None,
        Knob(
            "catch_up", parse_catch_up, "A plan that is late goes at most so many times its rate.", "FACTOR", "no limit"
        ),
    )
    slot_stages: tuple[str, ...] = _knob(
        (),
        Knob(
            "slot_stage",
            parse_words,
            "Unpaced: over TIME go from the number of slots before to N; may be repeated. The first begins at "
            "--concurrent, or at 0.",
            "TIME:N",
            is_repeated=True,
        ),
    )
    concurrent: int = _knob(10, Knob("concurrent", parse_count, "Slots (virtual users) over all processes.", "N", "10"))
    processes: int = _knob(0, Knob("processes", parse_count, "Worker processes.", "P", "one a CPU, at most one a slot"))
    cpu_workers: int = _knob(
        AUTO,
        Knob(
            "cpu_workers",
            parse_cpu_workers,
            "Processes for prepare() and verify(); 0: they run inside the worker processes and hold up their loops.",
            "K|auto",
            "auto: by what prepare() costs and the QPS",
        ),
    )
    verify_sample: float = _knob(
        1.0,
        Knob(
            "verify_sample", parse_share, "Share of the replies that verify() gets, drawn at random.", "SHARE", "100%"
        ),
    )
    duration_s: float | None = _knob(
        None, Knob("duration", parse_duration_s, "How long iterations are started: 300ms, 30s, 1h30m.", "TIME", "30s")
    )
    iterations: int | None = _knob(
        None, Knob("iterations", parse_count, "Start exactly so many iterations, instead of --duration.", "N")
    )
    timeout_s: float = _knob(
        10.0,
        Knob(
            "timeout",
            parse_duration_s,
            "Longest time of one exchange, and of the wait for iterations in flight at the end.",
            "TIME",
            "10s",
        ),
    )
    start_timeout_s: float = _knob(
        60.0, Knob("start_timeout", parse_duration_s, "Longest time until all slots have started.", "TIME", "60s")
    )
    params: dict[str, Any] = _knob(
        {},
        Knob(
            "param",
            parse_params,
            "A parameter of the scenario, in self.params; may be repeated.",
            "KEY=VALUE",
            is_repeated=True,
        ),
    )
    seed: int | None = _knob(
        None, Knob("seed", parse_seed, "Seed of what is drawn at random, such as words.", "N", "a new one each run")
    )
    draw: str = _knob(
        "random",
        Knob(
            "draw",
            one_of(*get_args(policy.Name)),
            "How words are drawn: random, sequential, shuffle, partitioned, per_slot, once.",
            "HOW",
            "random",
        ),
    )
    exhausted: str | None = _knob(
        None,
        Knob(
            "exhausted",
            one_of(*get_args(policy.Exhausted)),
            "After the last word: recycle (begin again), stop (end the run), fail (end it, and exit with 1).",
            "WHAT",
            "recycle; with --draw once stop",
        ),
    )
    lost_words: str = _knob(
        "report",
        Knob(
            "lost_words",
            one_of(*get_args(policy.InFlight)),
            "Words that a killed worker was at, where each is used once: report them, or draw them again.",
            "report|again",
            "report",
        ),
    )
    cookies: bool = _knob(False, Knob("cookies", parse_flag, "Each slot keeps the cookies it is sent.", is_flag=True))
    insecure: bool = _knob(
        False, Knob("insecure", parse_flag, "TLS: do not verify the server's certificate.", is_flag=True)
    )
    ca_file: str | None = _knob(
        None, Knob("ca_file", parse_readable_file, "TLS: trust the certificates in this PEM file.", "FILE")
    )
    max_body_bytes: int = _knob(
        64 * 2**20, Knob("max_body", parse_bytes, "Largest body of a reply that is taken.", "SIZE", "64MiB")
    )
    local_addresses: tuple[str, ...] = _knob(
        (),
        Knob(
            "local_address",
            parse_local_addresses,
            "Connect from this address of this machine, with self.http; may be repeated: they then take turns.",
            "ADDR",
            is_repeated=True,
        ),
    )
    pin_cpus: bool = _knob(
        False,
        Knob(
            "pin_cpus",
            parse_pin_cpus,
            "Linux: keep each worker process on a CPU, in turn; the coordinator on those that are left.",
            is_flag=True,
        ),
    )
    control: str | None = _knob(
        None,
        Knob(
            "control",
            parse_writable_file,
            "The socket by which `hybridpress ctl` changes the run while it runs.",
            "FILE",
            "one of its own",
        ),
    )
    json: str | None = _knob(None, Knob("json", parse_writable_file, "Write the result to this file.", "FILE"))
    quiet: bool = _knob(
        False, Knob("quiet", parse_flag, "Print neither progress nor summary, only errors.", is_flag=True)
    )

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
        if self.insecure and self.ca_file:
            mistakes.append(f"{label('insecure')} and {label('ca_file')} exclude each other; give one")
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
            changes["duration_s"] = DEFAULT_DURATION_S if load is None or load.is_endless else load.duration_s
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
        """Every knob by its name and value, as the result and the report show them."""
        settings = {knob.name: getattr(self, attribute) for attribute, knob in knobs().items()}
        return {name: _plain(value) for name, value in settings.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Profile):
        return value.describe()
    if isinstance(value, Csv):
        return value.path
    return list(value) if isinstance(value, tuple) else value


def knobs() -> dict[str, Knob]:
    """Every knob by the name of its field in RunConfig, in the order of the help."""
    return _KNOBS


_KNOBS: dict[str, Knob] = {f.name: f.metadata["knob"] for f in dataclasses.fields(RunConfig) if "knob" in f.metadata}


def knobs_by_name() -> dict[str, Knob]:
    """Every knob by its own name."""
    return {knob.name: knob for knob in _KNOBS.values()}


def _unknown(label: str, name: str, known: Mapping[str, str]) -> str:
    import difflib  # for who mistypes a setting

    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "the settings are " + ", ".join(sorted(known))
    return f"{label} is not a setting; {hint}"
