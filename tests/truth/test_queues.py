"""Queues under Poisson arrivals, of which the whole distribution of the response time is known.

A server has ten of them side by side, and draws whose a request is: so each has Poisson arrivals of its own, and ten
times as many customers come in the same time.

Each run is held against two truths. One is exact: the same arrivals, which follow from the seed, and the same draws
of the server, worked out customer by customer; the tolerance is that of `tests/truth/runs.py`. The other is the
closed form, of a queue that never began. A run of some thousand customers cannot be nearer to that than chance lets
it, and than the empty beginning does. How far that is was not guessed but worked out, by 400 runs as long, on paper:
the measured percentile must be within 4 of their standard deviations (which it is not by chance once in 10,000 runs),
the distance of their mean from the closed form, and the tolerance. The closed form itself is held against long queues
in `tests/truth/test_laws.py`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hybridpress.load.arrivals import Poisson
from tests.support.truthful import lots
from tests.truth import laws
from tests.truth.runs import PERCENTS, Measured, assert_true, press, tolerance_ms

pytestmark = [pytest.mark.slow, pytest.mark.alone]

DURATION_S = 10
SEED = 20
N_QUEUES = 10
N_RUNS = 400


@dataclass(frozen=True)
class Queue:
    """One server: its service times ("M": exponential, "D": all alike), their mean, and its load."""

    service: str
    mean_ms: float
    load: float
    percents: tuple[int, ...] = PERCENTS

    @property
    def rate_per_s(self) -> float:
        """Of the arrivals at one."""
        return 1e3 * self.load / self.mean_ms

    def make(self, folder: Path) -> Measured:
        arguments = {"service": self.service, "mean_ms": self.mean_ms, "n": N_QUEUES, "seed": SEED}
        words = ["--qps", f"{N_QUEUES * self.rate_per_s}", "--arrivals", "poisson", "--seed", str(SEED)]
        return press(folder, "queues", arguments, *words, "--concurrent", "400", "--duration", f"{DURATION_S}s")

    def exact_ms(self) -> laws.Floats:
        """The response times of this very run."""
        arrivals, rate_per_s = Poisson(SEED), N_QUEUES * self.rate_per_s
        n = arrivals.n_before(rate_per_s * DURATION_S)
        due_s = arrivals.own(0, (1,), 0, n, n).points / rate_per_s
        drawn = list(itertools.islice(lots(self.service, N_QUEUES, SEED), n))
        whose, factors = np.array([server for server, _ in drawn]), np.array([factor for _, factor in drawn])
        found = [laws.responses(due_s[whose == k], factors[whose == k] * self.mean_ms / 1e3) for k in range(N_QUEUES)]
        return 1e3 * np.concatenate(found)

    def closed_ms(self, percent: float) -> float:
        cdf = (laws.mm1_cdf if self.service == "M" else laws.md1_cdf)(self.rate_per_s, self.mean_ms / 1e3)
        return 1e3 * laws.inverse(cdf, percent / 100, 2.0)

    def by_chance_ms(self) -> dict[int, tuple[float, float]]:
        """By percent, where such a run's percentile lies, and its standard deviation."""
        rng = np.random.default_rng(1)
        shape = (N_RUNS, N_QUEUES, round(self.rate_per_s * DURATION_S))
        due_s = np.cumsum(rng.exponential(1 / self.rate_per_s, shape), axis=2)
        factors = rng.exponential(1.0, shape) if self.service == "M" else np.ones(shape)
        times_ms = 1e3 * laws.responses(due_s, factors * self.mean_ms / 1e3).reshape(N_RUNS, -1)
        ordered = np.sort(times_ms, axis=1)
        found = {}
        for percent in self.percents:
            values = ordered[:, int(np.ceil(percent / 100 * ordered.shape[1])) - 1]
            found[percent] = float(values.mean()), float(values.std(ddof=1))
        return found


QUEUES = {
    "M/M/1 at 0.5": Queue("M", 20.0, 0.5),
    "M/M/1 at 0.8": Queue("M", 20.0, 0.8),
    # Half of all find the server idle and take one service: the median is on the edge of that, and so p75 is taken.
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
        assert abs(measured_ms - closed_ms) <= 4 * sd_ms + abs(mean_ms - closed_ms) + tolerance_ms(closed_ms)
        assert abs(mean_ms - closed_ms) <= 0.15 * closed_ms, "the empty beginning matters little"
