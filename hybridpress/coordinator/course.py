"""The course of a paced run: its plan so far and to come, leg by leg. Each change of it is a leg for the workers.

What is to be changed lies a little ahead, so that every worker has heard of it in time; one that has not still starts
what is its own, once (hybridpress/load/pacer.py).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace

from hybridpress.config import RunConfig
from hybridpress.load.arrivals import Arrivals, Poisson, Uniform
from hybridpress.load.plan import Leg
from hybridpress.load.profile import Profile, constant
from hybridpress.units import NS_PER_S

AHEAD_NS = 50_000_000
"""A change takes effect so long after it was asked for."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A leg, and the instant from which it holds."""

    at_ns: int
    leg: Leg


class Course:
    """The plan of *config* from *start_ns* on, dealt by *weights*."""

    def __init__(self, config: RunConfig, start_ns: int, weights: tuple[int, ...]) -> None:
        assert config.profile is not None
        self._profile: Profile = config.profile
        self._is_poisson = config.arrivals == "poisson"
        self._arrivals: Arrivals = Poisson(config.seed or 0) if self._is_poisson else Uniform()
        self._n_asked = config.iterations
        self.start_ns = start_ns
        self.until_ns: int | None = None
        """When nothing is started any more; None while a number of iterations ends the run, or in a pause."""
        if config.duration_s is not None:
            self.until_ns = start_ns + int(config.duration_s * NS_PER_S)
        self._left_ns: int | None = None
        """In a pause: how much of the time is left."""
        self._resume_with = (Leg(0, None, start_ns, 0.0, None, weights), start_ns)
        """In a pause: what to go on with, and since when it stands still."""
        self._profile_after: Profile | None = None
        """In a pause: the profile that was asked for meanwhile."""
        first = self._bounded(Leg(0, None, start_ns, 0.0, None, weights))
        self._stretches = [_Stretch(start_ns, first)]

    @property
    def leg(self) -> Leg:
        """The last leg, which goes on until there is another."""
        return self._stretches[-1].leg

    @property
    def is_paused(self) -> bool:
        return not self.leg.is_final

    @property
    def is_constant(self) -> bool:
        """Whether one rate, evenly, is all that was ever asked for."""
        profiles = {self._profile_of(stretch.leg) for stretch in self._stretches if stretch.leg.is_final}
        return len(profiles) == 1 and next(iter(profiles)).is_constant and not self._is_poisson and not self._was_paused

    @property
    def _was_paused(self) -> bool:
        return any(not stretch.leg.is_final for stretch in self._stretches)

    def rate_at(self, at_ns: int) -> float:
        """The rate that is asked for at *at_ns*; in a pause 0."""
        leg = self._leg_at(at_ns)
        return self._profile_of(leg).rate((at_ns - leg.origin_ns) / NS_PER_S) if leg.is_final else 0.0

    def area_at(self, at_ns: int) -> float:
        """The area under the rate up to *at_ns*, as far as the plan goes: iterations, with fractions."""
        leg = self._leg_at(at_ns)
        if not leg.is_final:
            return leg.base
        area = min(leg.area_at(min(at_ns, self.until_ns or at_ns), self._profile_of(leg)), leg.end_area)
        return area if leg.end is None or self._is_poisson else min(area, float(leg.end))

    def n_due(self, at_ns: int) -> int:
        """How many iterations are due before *at_ns*."""
        n_due = self._arrivals.n_before(self.area_at(at_ns))
        return n_due if self._n_asked is None else min(n_due, self._n_asked)

    def n_planned(self) -> int | None:
        """How many iterations the plan holds as it stands; None when nobody knows, in a pause."""
        leg = self.leg
        if not leg.is_final:
            return self._n_asked
        n_planned = None if math.isinf(leg.end_area) else self._arrivals.n_before(leg.end_area)
        bounds = [bound for bound in (n_planned, leg.end) if bound is not None]
        return min(bounds, default=None)

    def end_ns(self) -> int | None:
        """When the plan is over by itself; None when nobody knows."""
        if self.until_ns is not None or self.is_paused:
            return self.until_ns
        leg, n_planned = self.leg, self.n_planned()
        if n_planned is None:
            return None
        # By time: the n-th is due at its point, and the plan lasts until the one after it would be.
        profile = self._profile_of(leg)
        area = min(n_planned - leg.base, profile.area) if not self._is_poisson else profile.area
        if math.isinf(area):
            return None
        return leg.origin_ns + int(profile.due_s(max(area, 0.0)) * NS_PER_S)

    def target_qps(self, index: int) -> float:
        """The rate that was asked for in second number *index*, on average over what of it the plan covers."""
        begin_ns = self.start_ns + index * NS_PER_S
        end_ns = begin_ns + NS_PER_S
        leg = self._leg_at(begin_ns)
        profile = self._profile_of(leg)
        if leg is self._leg_at(end_ns) and leg.is_final and profile.is_constant:
            return profile.rate(0.0)
        end_ns = min(end_ns, self.until_ns or end_ns)
        if end_ns <= begin_ns:
            return 0.0
        return round((self.area_at(end_ns) - self.area_at(begin_ns)) / (end_ns - begin_ns) * NS_PER_S, 3)

    # changes, each from *now_ns* and a little ahead on

    def set_weights(self, weights: tuple[int, ...], now_ns: int) -> Leg:
        """Deal by *weights* from now on."""
        at_ns = self._ahead(now_ns)
        before = self._leg_at(at_ns)
        first = before.first if not before.is_final else max(self.n_due(at_ns), before.first)
        return self._add(at_ns, replace(before, first=first, weights=weights, mark=self._arrivals.mark()))

    def set_rate(self, rate_per_s: float, now_ns: int) -> Leg:
        """Go at *rate_per_s* from now on; in a pause, once it is over."""
        at_ns = self._ahead(now_ns)
        before = self._leg_at(at_ns)
        area = self.area_at(at_ns)
        if not before.is_final:
            self._profile_after = constant(rate_per_s)
            return before
        first = max(self.n_due(at_ns), before.first)
        return self._add(at_ns, Leg(first, None, at_ns, area, constant(rate_per_s), before.weights))

    def pause(self, now_ns: int) -> Leg:
        """Start nothing from now on; the plan's time stands still."""
        at_ns = self._ahead(now_ns)
        before = self._leg_at(at_ns)
        first, area = max(self.n_due(at_ns), before.first), self.area_at(at_ns)
        self._resume_with = (before, at_ns)
        self._profile_after = None
        if self.until_ns is not None:
            self._left_ns = max(self.until_ns - at_ns, 0)
            self.until_ns = None
        leg = Leg(first, first, at_ns, area, before.profile, before.weights, is_final=False)
        self._stretches.append(_Stretch(at_ns, leg))
        return leg

    def resume(self, now_ns: int) -> Leg:
        """Go on where the pause began."""
        at_ns = self._ahead(now_ns)
        paused = self.leg
        before, paused_at_ns = self._resume_with
        if self._left_ns is not None:
            self.until_ns, self._left_ns = at_ns + self._left_ns, None
        if self._profile_after is not None:
            leg = Leg(paused.first, None, at_ns, paused.base, self._profile_after, paused.weights)
        else:
            origin_ns = before.origin_ns + at_ns - paused_at_ns
            leg = replace(before, first=paused.first, origin_ns=origin_ns, weights=paused.weights)
        return self._add(at_ns, leg)

    def end(self, now_ns: int) -> None:
        """The plan ends now, whatever was planned after."""
        area = self.area_at(now_ns)
        n_due = self.n_due(now_ns)
        leg = self._leg_at(now_ns)
        self.until_ns = now_ns
        self._stretches.append(_Stretch(now_ns, replace(leg, end=n_due, end_area=area, is_final=True)))

    def keep_up(self, now_ns: int) -> None:
        """Draw what has become due, so that nobody has to draw it all when it is asked for."""
        if self._is_poisson:
            self.n_due(now_ns)

    def _add(self, at_ns: int, leg: Leg) -> Leg:
        bounded = self._bounded(leg) if leg.is_final else leg
        self._hold(bounded, at_ns)
        return bounded

    def _hold(self, leg: Leg, at_ns: int) -> None:
        """*leg* holds from *at_ns* on."""
        self._stretches.append(_Stretch(at_ns, leg))

    def _bounded(self, leg: Leg) -> Leg:
        """*leg* with the end that time, number and profile set."""
        profile = self._profile_of(leg)
        area = leg.base + profile.area
        if self.until_ns is not None:
            area = min(area, leg.area_at(self.until_ns, profile))
        if self._is_poisson:
            return replace(leg, end=self._n_asked, end_area=area, mark=self._arrivals.mark())
        ends = [] if math.isinf(area) else [self._arrivals.n_before(area)]
        if self._n_asked is not None:
            ends.append(self._n_asked)
        # What was due before the leg began stays planned, however little time is left.
        return replace(leg, end=max(min(ends), leg.first) if ends else None)

    def _profile_of(self, leg: Leg) -> Profile:
        return leg.profile or self._profile

    def _leg_at(self, at_ns: int) -> Leg:
        """The leg that holds at *at_ns*."""
        k = bisect_right(self._stretches, at_ns, key=lambda stretch: stretch.at_ns)
        return self._stretches[max(k - 1, 0)].leg

    def _ahead(self, now_ns: int) -> int:
        """When a change that is asked for now takes effect: not before one that was asked for earlier."""
        return max(now_ns + AHEAD_NS, self._stretches[-1].at_ns)
