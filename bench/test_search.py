"""What a search costs, in steps, and how often it names the limit of a noisy server: with and without trying again.

The servers are formulas (tests/load/servers.py). A step takes seconds of real load, so steps are what counts; the
arithmetic between two of them is told in µs.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from harness import ROUNDS_UNDER_PYTEST, main

from hybridpress.load.search import Search

N_SEARCHES = 500


@dataclass(frozen=True, slots=True)
class Searched:
    """So many searches of one server: how many of a hundred named its limit within 5 %, and their steps."""

    name: str
    n_searches: int
    named_pct: float
    mean_steps: float
    most_steps: int
    us_per_step: float

    def __str__(self) -> str:
        steps = f"{self.mean_steps:.1f} steps, at most {self.most_steps}"
        return f"{self.name:<32} {self.named_pct:5.1f} % named   {steps:<27} {self.us_per_step:6.1f} µs a step"


def measure(name: str, n_searches: int, *, retry: bool) -> Searched:
    """Search the server *name* again and again, each time from another start and with other noise."""
    if (root := str(Path(__file__).parents[1])) not in sys.path:
        sys.path.insert(0, root)
    from tests.load.servers import NOISY

    server, n_named, n_steps, elapsed_ns = NOISY[name], 0, [], 0
    server.searched(Search(100))
    for seed in range(n_searches):
        search = Search(100 * (1 + seed % 50 / 75), retry=retry)
        begun_ns = time.perf_counter_ns()
        found = server.searched(search, seed)
        elapsed_ns += time.perf_counter_ns() - begun_ns
        n_named += server.is_named(found)
        n_steps.append(len(found.steps))
    us_per_step = elapsed_ns / 1e3 / sum(n_steps)
    label = name + ("" if retry else ", not again")
    named_pct = 100 * n_named / n_searches
    return Searched(label, n_searches, named_pct, statistics.mean(n_steps), max(n_steps), us_per_step)


NAMES = ["queue", "queue, noisier", "slow", "slow, with pauses"]


@pytest.mark.parametrize("name", NAMES)
def test_search(name: str) -> None:
    """The bench runs, and searches end."""
    assert measure(name, ROUNDS_UNDER_PYTEST, retry=True).most_steps > 5


if __name__ == "__main__":
    main([partial(measure, name, retry=retry) for name in NAMES for retry in (True, False)], __doc__, N_SEARCHES)
