"""Poisson arrivals: users who know nothing of one another, drawn by each worker for itself.

By time rescaling, a Poisson process of any rate is one of rate 1 in the area under that rate: gaps in area are
exponential with mean 1, and the profile says when an area is reached (Daley and Vere-Jones, An Introduction to the
Theory of Point Processes, 7.4). Poisson processes add up: when each worker's own area is its share of the profile's,
and each draws from a stream of its own, all together they are the Poisson process of the whole profile:

    poisson = Poisson(seed, worker)
    ...
    own = poisson.until(share * profile.arrivals(window_end_s))
    due_ns = start_ns + profile.due_ns_at(own / share)

A share that changes does so at a point of both areas, and both are counted on from there by the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hybridpress.load.stages import Floats


class Poisson:
    """The arrivals of one worker, as points of its own area. Its state is plain data: it can be pickled and goes on.

    The same *seed*, *worker* and *stream* draw the same arrivals (with the same numpy), however they are asked for. A
    worker that replaces another takes the next *stream*, and begins at the *area* where the other one ended: what comes
    after is as random as if nothing had happened, since a Poisson process has no memory.
    """

    __slots__ = ("_drawn", "_last", "_random", "area")

    def __init__(self, seed: int, worker: int, stream: int = 0, area: float = 0.0) -> None:
        import numpy as np

        # Seeds must not be negative here, but on the command line they may.
        entropy = seed % 2**128
        self._random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=(worker, stream))))
        self._drawn = np.empty(0)
        self._last = area
        self.area = area

    def until(self, area: float) -> Floats:
        """The next arrivals that come before *area*, ascending; the ones after that are left for the next call.

        Raises:
            ValueError: *area* is before what was asked for already, or infinite.
        """
        import numpy as np

        if not self.area <= area < float("inf"):
            raise ValueError(f"arrivals until {area:g} asked, after those until {self.area:g}")
        self.area = area
        found = [self._drawn]
        while self._last < area:
            # So many that once is nearly always enough: 4 deviations more than are expected.
            expected = area - self._last
            n_gaps = int(expected + 4 * expected**0.5) + 8
            # The sum goes on from the last arrival, so that the roundings do not depend on how many are drawn at once.
            points = self._random.standard_exponential(n_gaps)
            points[0] += self._last
            np.cumsum(points, out=points)
            self._last = float(points[-1])
            found.append(points)
        drawn = np.concatenate(found) if len(found) > 1 else self._drawn
        n_due = int(np.searchsorted(drawn, area))
        self._drawn = drawn[n_due:]
        return drawn[:n_due]
