"""MixedPress: several presses as one, and what each gets of the load. For a scenario's author; it runs nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hybridpress.errors import ScenarioError, UsageError
from hybridpress.load.profile import Profile, constant, parse_stages
from hybridpress.load.words import parse_profile
from hybridpress.press import Press
from hybridpress.units import format_count, parse_rate_per_s


@dataclass(frozen=True, slots=True)
class Share:
    """What a part of a mix gets of the load.

    *weight*: of the iterations that start, so many as the weights say. *qps* instead: so many a second of its own,
    besides those that the others share. *profile* or *stage*: a rate of its own that changes over time, as that of a
    run does; stages begin at *qps*, or at 0. *concurrent*: slots that only this part uses, so that it cannot keep the
    others waiting, nor they it. *name*: another name than its class's.
    """

    weight: float | None = None
    qps: float | str | None = None
    concurrent: int | None = None
    name: str | None = None
    stage: Sequence[str] = ()
    profile: Profile | str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One press of a mix, and its share. Without weight and rate it has its part by the length of its word table."""

    name: str
    press: Press
    weight: float | None
    profile: Profile | None
    """Its own rate over time; None: it shares that of the mix."""
    concurrent: int | None


class MixedPress(Press):
    """Several presses at once, each with its words, start() and stop(), steps, checks and a line in the summary.

        class Cloud(MixedPress):
            parts = {QueryVm: 7, QueryEip: 2, QueryImage: 1}     # by weights
            parts = [QueryVm, QueryEip, QueryImage]              # by the lengths of their word tables

        MixedPress({QueryVm: 7, QueryEip: Share(weight=2, concurrent=5)}, qps=100, concurrent=20).run()

    Of the iterations that start, each part has its share exactly, within one in each worker at any moment, whatever the
    latencies. QPS, slots, duration and the like are the mix's. Host, `params`, how words are drawn, timeouts, TLS and
    cookies each part may set for itself; the mix's own settings, and the command line's, are stronger.
    """

    parts: Any = ()

    def __init__(
        self,
        parts: Any = None,
        qps: float | str | None = None,
        concurrent: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(qps, concurrent, **settings)
        if parts is not None:
            self.parts = parts


def parts_of(mixed: MixedPress) -> list[Part]:
    """The parts of *mixed*, checked.

    Raises:
        ScenarioError: all that is wrong with them.
    """
    name = type(mixed).__name__
    given = mixed.parts
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise ScenarioError(f"{name}.parts must be a dict of presses and weights, or a list of presses, got {given!r}")
    pairs = list(given.items()) if isinstance(given, Mapping) else [(press, Share()) for press in given]
    mistakes: list[str] = []
    parts = []
    for press, share in pairs:
        try:
            parts.append(_part(press, share))
        except UsageError as error:
            mistakes += [f"{name}.parts: {mistake}" for mistake in error.mistakes]
    if not pairs:
        mistakes.append(f"{name}.parts is empty: name the presses that are to be mixed")
    mistakes += [
        f"{name}.{method} is never used: each part has its own; write it there"
        for method in ("press", "vocab", "start", "stop")
        if getattr(type(mixed), method) is not getattr(Press, method)
    ]
    names = [part.name for part in parts]
    mistakes += [
        f'{name}.parts: two are named "{twice}"; give one another name: Share(…, name="…")'
        for twice in dict.fromkeys(names)
        if names.count(twice) > 1
    ]
    shared = [part for part in parts if part.profile is None]
    if not mistakes and len({part.weight is None for part in shared}) > 1:
        without = ", ".join(part.name for part in shared if part.weight is None)
        mistakes.append(f"{name}.parts: give each of them a weight, or none of them; there is none for {without}")
    if not mistakes and len(shared) < len(parts) and any(part.weight is None for part in shared):
        mistakes.append(f"{name}.parts: beside parts with a rate of their own, each of the others needs a weight")
    if mistakes:
        raise ScenarioError(mistakes)
    return parts


def can_press(scenario: type[Press]) -> bool:
    """Whether a class is more than a help to others: it has a press(), or parts that have."""
    return scenario.press is not Press.press or (issubclass(scenario, MixedPress) and bool(scenario.parts))


def classes_of_parts(mixed: type[MixedPress]) -> set[type]:
    """The classes of the presses in *mixed*, as far as it has any, and what they are made from."""
    given = mixed.parts if isinstance(mixed.parts, Iterable) else ()
    return {base for press in given for base in (press if isinstance(press, type) else type(press)).__mro__}


def _part(press: Any, given: Any) -> Part:
    made = press
    if isinstance(press, type) and issubclass(press, Press):
        try:
            made = press()
        except Exception as error:
            raise UsageError(f"{press.__name__}() raised {type(error).__name__}: {error}") from error
    if not isinstance(made, Press) or isinstance(made, MixedPress):
        raise UsageError(f"must be subclasses of Press, or objects of them, and no mixes themselves, got {press!r}")
    share = given if isinstance(given, Share) else Share(weight=given)
    name = share.name or type(made).__name__
    mistakes = []
    weight = share.weight
    if weight is not None and not _is_weight(weight):
        mistakes.append(f"the weight of {name} must be a number above 0, got {weight!r}")
    profile = None
    try:
        profile = _own_profile(share)
    except UsageError as error:
        mistakes += [f"the rate of {name}: {mistake}" for mistake in error.mistakes]
    if profile is not None and weight is not None:
        mistakes.append(f"{name} has a weight and a rate of its own; give one")
    n_slots = share.concurrent
    if n_slots is not None and (isinstance(n_slots, bool) or not isinstance(n_slots, int) or n_slots < 1):
        mistakes.append(f"the slots of {name} must be a whole number above 0, got {n_slots!r}")
    if mistakes:
        raise UsageError(mistakes)
    return Part(name, made, weight, profile, n_slots)


def _own_profile(share: Share) -> Profile | None:
    """The rate over time that *share* asks for; None: none.

    Raises:
        UsageError: what is wrong with it.
    """
    qps = None if share.qps is None else parse_rate_per_s(share.qps)
    if isinstance(share.stage, str):
        raise UsageError(f'stage must be a list such as ["10s:500"], got "{share.stage}"')
    if share.profile is not None and (share.stage or qps is not None):
        raise UsageError("profile excludes qps and stage; give one")
    if share.profile is not None:
        return parse_profile(share.profile)
    if share.stage:
        return parse_stages(share.stage, qps)
    return None if qps is None else constant(qps)


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def told_share(part: Part) -> str:
    """A part's share, as a label of the mix shows it: "=7", "=5/s", "=0 → 500/s over 10 s", or nothing."""
    if part.profile is not None:
        rate = part.profile
        return f"={format_count(rate.end_rate)}/s" if rate.is_constant and rate.is_endless else f"={rate.describe()}"
    return "" if part.weight is None else f"={format_count(part.weight)}"
