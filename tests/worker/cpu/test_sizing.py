"""How many CPU workers `auto` is: enough for the pace, none for next to nothing."""

from __future__ import annotations

import os
import time

import pytest

from hybridpress.press import Press
from hybridpress.worker.cpu.sizing import n_workers_for, prepare_cost_ns

MS = 1_000_000


@pytest.mark.parametrize(
    ("prepare_ns", "verified_share", "qps", "n_cpus", "n_workers"),
    [
        (1 * MS, 0.0, 600, 8, 1),
        (1 * MS, 0.0, 700, 8, 1),
        (1 * MS, 0.0, 1_400, 8, 2),
        (1 * MS, 1.0, 700, 8, 2),
        (1 * MS, 0.1, 700, 8, 2),
        (5 * MS, 0.0, 10_000, 4, 4),  # no more than there are CPUs
        (1 * MS, 0.0, 0.1, 4, 1),
        (1 * MS, 0.0, None, 4, 4),  # unpaced: all that there is
        (5_000, 0.0, 10_000, 4, 0),  # a hand-over costs as much
        (0, 1.0, 10_000, 4, 0),
        (None, 1.0, 10_000, 4, 1),
        (None, 0.0, 10_000, 4, 0),
    ],
)
def test_by_cost_and_pace(
    prepare_ns: float | None, verified_share: float, qps: float | None, n_cpus: int, n_workers: int
) -> None:
    """CPU workers are busy 70 % of the time at most, as far as there are CPUs."""
    assert n_workers_for(prepare_ns, verified_share, qps, n_cpus) == n_workers


def test_the_cost_is_measured() -> None:
    """On the first words, whatever prepare() raises."""

    class Sleeps(Press):
        def prepare(self, word: int) -> None:
            time.sleep(0.001)
            raise ValueError

    assert 1 * MS <= prepare_cost_ns(Sleeps(), range(1_000)) < 200 * MS
    assert prepare_cost_ns(Sleeps(), []) == 0


def test_a_word_that_kills() -> None:
    """It is measured apart: this process lives on, and there will be CPU workers."""

    class Dies(Press):
        def prepare(self, word: int) -> None:
            os._exit(3)

    assert n_workers_for(prepare_cost_ns(Dies(), [1]), 0.0, 1.0, 4) == 1
