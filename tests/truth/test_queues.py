"""Queues under Poisson arrivals, of which the whole distribution of the response time is known.

Each run is held against two truths. One is exact: the same arrivals, which follow from the seed, and the same service
times, worked out customer by customer; the tolerance is that of `tests/truth/runs.py`. The other is the closed form of
the queue that never began. A run of some thousand customers cannot be nearer to that than chance lets it. How far that
is was not guessed but worked out, by 400 queues as long as the run, which begin as empty: the measured percentile must
be within 4 of their standard deviations around their mean (which it is not by chance once in 10,000 runs), and the
tolerance. The closed form itself is held against long queues in `tests/truth/test_laws.py`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hybridpress.load.arrivals import Poisson
from tests.truth import laws
from tests.truth.runs import PERCENTS, Measured, assert_true, press, tolerance_ms

pytestmark = [pytest.mark.slow, pytest.mark.alone]

DURATION_S = 10
SEED = 20
N_QUEUES = 400


@dataclass(frozen=True)
class Queue:
    """One server: its service times ("M": exponential, "D": all alike), their mean, and its load."""

    service: str
    mean_ms: float
    load: float
    percents: tuple[int, ...] = PERCENTS

    @property
    def rate_per_s(self) -> float:
        return 1e3 * self.load / self.mean_ms

    @property
    def arguments(self) -> dict[str, Any]:
        return {"service": self.service, "mean_ms": self.mean_ms, "seed": SEED}

    def make(self, folder: Path) -> Measured:
        words = ["--qps", f"{self.rate_per_s}", "--arrivals", "poisson", "--seed", str(SEED)]
        return press(folder, "queue", self.arguments, *words, "--concurrent", "200", "--duration", f"{DURATION_S}s")

    def exact_ms(self) -> laws.Floats:
        """The response times of this very run."""
        arrivals = Poisson(SEED)
        n = arrivals.n_before(self.rate_per_s * DURATION_S)
        due_s = arrivals.own(0, (1,), 0, n, n).points / self.rate_per_s
        draw = random.Random(SEED)
        factors = [draw.expovariate(1.0) if self.service == "M" else 1.0 for _ in range(n)]
        return 1e3 * laws.responses(due_s, np.array(factors) * self.mean_ms / 1e3)

    def closed_ms(self, percent: float) -> float:
        cdf = (laws.mm1_cdf if self.service == "M" else laws.md1_cdf)(self.rate_per_s, self.mean_ms / 1e3)
        return 1e3 * laws.inverse(cdf, percent / 100, 1.0)

    def by_chance_ms(self) -> dict[int, tuple[float, float]]:
        """By percent, where such a run's percentile lies, and its standard deviation."""
        rng = np.random.default_rng(1)
        shape = (N_QUEUES, round(self.rate_per_s * DURATION_S))
        due_s = np.cumsum(rng.exponential(1 / self.rate_per_s, shape), axis=1)
        factors = rng.exponential(1.0, shape) if self.service == "M" else np.ones(shape)
        ordered = np.sort(1e3 * laws.responses(due_s, factors * self.mean_ms / 1e3), axis=1)
        found = {}
        for percent in self.percents:
            values = ordered[:, int(np.ceil(percent / 100 * shape[1])) - 1]
            found[percent] = float(values.mean()), float(values.std(ddof=1))
        return found


QUEUES = {
    "M/M/1 at 0.5": Queue("M", 20.0, 0.5),
    "M/M/1 at 0.8": Queue("M", 15.0, 0.8),
    # Half of all find the server idle and take one service: the median is on the very edge of that, and so p75 is taken.
    "M/D/1 at 0.5": Queue("D", 25.0, 0.5, (75, 90, 99)),
    "M/D/1 at 0.8": Queue("D", 20.0, 0.8),
}


@pytest.mark.parametrize("name", QUEUES)
def test_queues(name: str, tmp_path: Path) -> None:
    """The percentiles are those of this very queue, and, as near as chance allows, of the closed form."""
    queue = QUEUES[name]
    exact = queue.exact_ms()
    truth = {percent: laws.percentile(exact, percent) for percent in queue.percents}
    found = assert_true(partial(queue.make, tmp_path), {"response_time_ms": truth})
    assert found.n_asked == len(exact)
    for percent, (mean_ms, sd_ms) in queue.by_chance_ms().items():
        closed_ms = queue.closed_ms(percent)
        measured_ms = getattr(found.result.response_time_ms, f"p{percent}")
        print(
            f"p{percent}: {measured_ms:.2f} ms, closed form {closed_ms:.2f} ms, by chance {mean_ms:.2f} ± {sd_ms:.2f}"
        )
        assert abs(measured_ms - mean_ms) <= 4 * sd_ms + tolerance_ms(closed_ms)
        assert abs(mean_ms - closed_ms) <= 0.5 * sd_ms, "runs of this length have the closed form in their middle"
