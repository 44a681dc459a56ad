"""The load that a run's settings ask for, and which of them contradict one another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol

from hybridpress.errors import UsageError
from hybridpress.load.profile import Profile, constant, parse_curve, parse_stages
from hybridpress.load.words import Csv, parse_slot_stages
from hybridpress.units import format_duration

Label = Callable[[str], str]
"""Makes the name of a setting into what the user wrote."""


class Wanted(Protocol):
    """The settings that are about the load."""

    @property
    def qps(self) -> float | None: ...
    @property
    def stages(self) -> tuple[str, ...]: ...
    @property
    def profile(self) -> Profile | None: ...
    @property
    def rate_csv(self) -> Csv | None: ...
    @property
    def rate_scale(self) -> float: ...
    @property
    def arrivals(self) -> str: ...
    @property
    def late(self) -> str: ...
    @property
    def catch_up(self) -> float | None: ...
    @property
    def slot_stages(self) -> tuple[str, ...]: ...
    @property
    def slot_profile(self) -> Profile | None: ...
    @property
    def concurrent(self) -> int: ...
    @property
    def duration_s(self) -> float | None: ...
    @property
    def iterations(self) -> int | None: ...


def replaced_by(given: Iterable[str]) -> set[str]:
    """The settings of weaker layers that do not count where a stronger one says *given* of the rate."""
    ways = {"profile", "rate_csv", "stage"} & set(given)
    if not ways and "qps" not in given:
        return set()
    replaced = {"stages", "profile", "rate_csv", "rate_scale"}
    # Stages begin at the rate of --qps, wherever that stands.
    return replaced if ways <= {"stage"} else replaced | {"qps"}


def rate_profile(wanted: Wanted, label: Label) -> Profile | None:
    """The rate over time; None: unpaced.

    Raises:
        UsageError: what is wrong with it.
    """
    ways = [name for name in ("stages", "profile", "rate_csv") if getattr(wanted, name)]
    if len(ways) > 1:
        raise UsageError(f"{' and '.join(label(name) for name in ways)} exclude each other; give one")
    if wanted.qps is not None and ways and ways != ["stages"]:
        raise UsageError(f"{label('qps')} and {label(ways[0])} exclude each other; give one")
    if wanted.rate_csv is not None:
        return parse_curve(wanted.rate_csv.text, wanted.rate_csv.path, wanted.rate_scale).checked()
    if wanted.stages:
        return _labelled(label("stages"), lambda: parse_stages(wanted.stages, wanted.qps))
    return wanted.profile if wanted.qps is None else constant(wanted.qps)


def slot_profile(wanted: Wanted, label: Label) -> Profile | None:
    """How many slots press over time; None: always the same number.

    Raises:
        UsageError: what is wrong with it.
    """
    if not wanted.slot_stages:
        return None
    return _labelled(label("slot_stages"), lambda: parse_slot_stages(wanted.slot_stages, wanted.concurrent))


def _labelled(label: str, parse: Callable[[], Profile]) -> Profile:
    try:
        return parse()
    except UsageError as error:
        raise UsageError([f"{label} {mistake}" for mistake in error.mistakes]) from None


def contradictions(wanted: Wanted, label: Label) -> list[str]:
    """What of the load does not go together, a sentence each."""
    mistakes = []
    paced = [name for name in ("stages", "rate_csv", "qps", "profile") if getattr(wanted, name)]
    if wanted.slot_stages and paced:
        mistakes.append(
            f"{label('slot_stages')} is for unpaced runs, but {label(paced[0])} asks for a rate; give one of them"
        )
    for name, profile in (("slot_stages", wanted.slot_profile), (paced[0] if paced else "profile", wanted.profile)):
        if profile is None or profile.is_endless:
            continue
        if wanted.duration_s is not None and wanted.duration_s > profile.duration_s:
            mistakes.append(
                f"{label('duration_s')} {format_duration(wanted.duration_s)} is longer than {label(name)}, "
                f"{format_duration(profile.duration_s)}: leave it out, or add a stage"
            )
        n = profile.n_arrivals(math.inf)
        if name != "slot_stages" and wanted.iterations is not None and wanted.iterations > n:
            mistakes.append(f"{label('iterations')} {wanted.iterations} is more than {label(name)} holds, {n}")
    if wanted.catch_up is not None and wanted.late == "drop":
        mistakes.append(f"{label('catch_up')} is for --late wait: what is dropped is not caught up with")
    if not paced:
        given = {"late": wanted.late != "wait", "catch_up": wanted.catch_up, "arrivals": wanted.arrivals != "uniform"}
        mistakes += [
            f"{label(name)} is for runs with a rate; see --qps, --stage and --profile"
            for name, is_given in given.items()
            if is_given
        ]
    if wanted.rate_scale != 1.0 and wanted.rate_csv is None:
        mistakes.append(f"{label('rate_scale')} is for --rate-csv")
    return mistakes
