"""Whose turn it is among the parts of a mix, in one worker: by their weights, or by rates that change over time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Protocol

from hybridpress.load.plan import Leg
from hybridpress.load.profile import Profile
from hybridpress.load.proportion import TurnsOverTime, turns_by_weight
from hybridpress.parts import RunPart
from hybridpress.units import NS_PER_S
from hybridpress.worker.gate import Gate


class Turns(Protocol):
    """Decides whose turn it is, by the parts' numbers."""

    @property
    def next(self) -> Callable[[], int]:
        """The next turn, where nobody knows when it is due."""

    def at(self, due_ns: int) -> int:
        """The turn of the iteration that is due then."""

    def weights(self) -> Sequence[float]:
        """How much starts of each, as things stand."""

    def plan(self, leg: Leg) -> None:
        """From now on this leg of the run's plan holds."""


def turns_of(parts: Sequence[RunPart], profile: Profile | None) -> Turns:
    """The turns of *parts*, whose run follows *profile* (None: unpaced)."""
    if profile is not None and all(part.stream is not None for part in parts):
        return ChangingTurns(parts, profile)
    return SteadyTurns([part.turns for part in parts])


class SteadyTurns:
    """By weights that stay as they are."""

    def __init__(self, weights: Sequence[int | Fraction]) -> None:
        self._weights = list(map(float, weights))
        self.next = turns_by_weight(weights).__next__

    def at(self, due_ns: int) -> int:
        return self.next()

    def weights(self) -> Sequence[float]:
        return self._weights

    def plan(self, leg: Leg) -> None:
        """Weights are the same in every leg."""


class ChangingTurns:
    """By what each part's rate is when an iteration is due; parts that share one rate, by their weights within it."""

    def __init__(self, parts: Sequence[RunPart], profile: Profile) -> None:
        self._profile = profile
        sharing = [kind for kind, part in enumerate(parts) if part.is_sharing]
        self._streams = [[kind] for kind, part in enumerate(parts) if not part.is_sharing]
        if sharing:
            self._streams.append(sharing)
        self._within = [turns_by_weight([parts[kind].turns for kind in kinds]) for kinds in self._streams]
        profiles = [parts[kinds[0]].stream for kinds in self._streams]
        self._between = TurnsOverTime([profile for profile in profiles if profile is not None])
        self._parts_of_streams = [
            {kind: float(parts[kind].turns / sum(parts[other].turns for other in kinds)) for kind in kinds}
            for kinds in self._streams
        ]
        self._n_parts = len(parts)
        self._origins: list[tuple[int, int]] = []
        """From which instant on the profile's time is counted from which."""
        self._t_s = 0.0

    def next(self) -> int:
        return self._turn(self._t_s)

    def at(self, due_ns: int) -> int:
        k = bisect_right(self._origins, due_ns, key=lambda origin: origin[0])
        origin_ns = self._origins[max(k - 1, 0)][1] if self._origins else due_ns
        self._t_s = max(due_ns - origin_ns, 0) / NS_PER_S
        return self._turn(self._t_s)

    def weights(self) -> Sequence[float]:
        found = [0.0] * self._n_parts
        for share, parts in zip(self._between.shares(self._t_s), self._parts_of_streams, strict=True):
            for kind, part in parts.items():
                found[kind] = share * part
        return found

    def plan(self, leg: Leg) -> None:
        # A rate that the user set meanwhile has no parts: those of the plan before hold, as its time goes on.
        is_new = not self._origins or self._origins[-1][1] != leg.origin_ns
        if leg.profile is None and leg.is_final and is_new:
            area = min(max(leg.first - leg.base, 0.0), self._profile.area)
            self._origins.append((leg.origin_ns + int(self._profile.due_s(area) * NS_PER_S), leg.origin_ns))

    def _turn(self, t_s: float) -> int:
        stream = self._between.next(t_s)
        return self._streams[stream][next(self._within[stream])]


class TurnsGate:
    """*gate*, and whose each iteration is that it lets begin: put into *kinds* when it is taken."""

    __slots__ = ("_gate", "_kind_at", "_put")

    def __init__(self, gate: Gate, kind_at: Callable[[int], int], put: Callable[[int], None]) -> None:
        self._gate = gate
        self._kind_at = kind_at
        self._put = put

    @property
    def due_ns(self) -> int:
        return self._gate.due_ns

    @property
    def is_over(self) -> bool:
        return self._gate.is_over

    def take(self) -> int:
        take = self._gate.take  # read first, then called: it may be an iterator's
        due_ns = take()
        self._put(self._kind_at(due_ns))
        return due_ns

    def n_due(self, until_ns: int) -> int:
        return self._gate.n_due(until_ns)
