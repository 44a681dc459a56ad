"""What the live terminal costs the coordinator: a second of it is one `second` and four frames.

Run for real (`pytest bench/test_terminal.py -s`) it prints the share of a core; under the suite it only has to run.
"""

from __future__ import annotations

import time

import pytest

from hybridpress.metrics.interval import Interval
from hybridpress.metrics.news import Moment, Status
from hybridpress.metrics.result import ReasonResult
from hybridpress.metrics.summary import WorkerTotals, second_of
from hybridpress.report.view import View
from tests.report.made import config_of, second, steps

FRAMES_PER_S = 4
N_SECONDS = 20


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=str)
def test_a_second_of_the_terminal(size: tuple[int, int]) -> None:
    """50 steps and 8 workers take well below a fiftieth of a core."""
    config = config_of(duration="1h")
    view, total = View(config, has_keys=True), Interval(0)
    workers = [WorkerTotals(number, 100 + number, health=second(0).health) for number in range(8)]
    costs_s = []
    for index in range(N_SECONDS):
        interval = second(index, steps=steps(50))
        total.extend(interval)
        moment = Moment(
            interval,
            second_of(interval, 5_000.0),
            total,
            5_000.0,
            64,
            workers,
            "degraded",
            [ReasonResult("x", "y" * 80)],
        )
        began_s = time.process_time()
        view.second(moment)
        for quarter in range(FRAMES_PER_S):
            elapsed_s = index + quarter / FRAMES_PER_S
            view.tick(
                Status("q", "pressing", elapsed_s, 5_000.0, 64, 8, 5_000 * index, 0, 0, 3, 0, left_s=3_600 - elapsed_s)
            )
            lines = view.lines(*size)
        costs_s.append(time.process_time() - began_s)
    assert len(lines) <= size[1]
    median_s = sorted(costs_s)[N_SECONDS // 2]
    print(f"\n{size[0]}×{size[1]}: {median_s * 100:.2f} % of a core ({median_s * 1e3:.2f} ms a second)")
    assert median_s < 0.05
