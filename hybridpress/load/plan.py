"""A run's plan, leg by leg: which iterations of the box are due when, and by which weights they are dealt.

A leg says everything from one iteration on; a later leg replaces it from its own first iteration on. So a change of the
rate, a pause, or a share that moves from one worker to another is one short message, the same for all workers, and
between messages nobody needs anybody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybridpress.load.arrivals import Above, Mark
from hybridpress.load.profile import Profile
from hybridpress.units import NS_PER_S

if TYPE_CHECKING:
    from hybridpress.load.stages import Floats, Integers

CATCH_UP_S = 1.0
"""A plan that is behind at its end gets so much longer to start what was due by then."""


@dataclass(frozen=True, slots=True)
class Leg:
    """From iteration number *first* of the box up to *end* (None: without end), dealt by *weights*, one a worker.

    The time 0 of *profile* is *origin_ns*, and the area of the box is *base* there: an iteration with the point p in
    the area is due when the profile's own area reaches p - base. Where the leg *is_final*, nothing comes after its
    end; else the next leg is to be waited for.
    """

    first: int
    end: int | None
    origin_ns: int
    base: float
    profile: Profile | None
    """None: that of the run's settings, which every worker has; a long one is not sent each time."""
    weights: tuple[int, ...]
    is_final: bool = True
    end_area: float = math.inf
    """Points from here on are not of the plan: for Poisson arrivals, whose number is not known in advance."""
    mark: Mark = Mark(0, 0.0)
    above: Above = ()
    """Over several machines: which of them this is, and by which weights the iterations are dealt to them first."""

    def due_ns(self, points: Floats, profile: Profile) -> Integers:
        """When the iterations with these *points*, ascending, are due by *profile*."""
        import numpy as np

        # By a rounding the first may lie before the base.
        return profile.due_ns_at(np.maximum(points - self.base, 0.0)) + self.origin_ns

    def area_at(self, at_ns: int, profile: Profile) -> float:
        """The area of the box at *at_ns*, were this leg without end."""
        return self.base + profile.arrivals((at_ns - self.origin_ns) / NS_PER_S)
