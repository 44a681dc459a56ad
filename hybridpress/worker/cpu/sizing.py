"""How many CPU workers `--cpu-workers auto` means: from what prepare() costs, measured on a few words, and the pace."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from hybridpress.clock import now_ns
from hybridpress.press import Press
from hybridpress.units import NS_PER_MS, NS_PER_S

N_TRIALS = 50
TRIALS_NS = 200 * NS_PER_MS
"""prepare() is tried on so many words, for so long: the start of a run may take that."""
WORTH_NS = 10_000
"""Below this a hand-over costs as much as the work: it is then done in line."""
ROOM_SHARE = 0.7
"""How busy CPU workers are to be: verify() is only guessed at, and a word must not wait for one in its turn."""


def prepare_cost_ns(press: Press, words: Sequence[Any]) -> float:
    """What one call of *press*'s prepare() takes: the median over the first words. Errors are the run's to tell."""
    found: list[int] = []
    until = now_ns() + TRIALS_NS
    for number in range(min(N_TRIALS, len(words))):
        begun = now_ns()
        with suppress(Exception):
            press.prepare(words[number])
        found.append(now_ns() - begun)
        if now_ns() >= until:
            break
    return sorted(found)[len(found) // 2] if found else 0.0


def n_workers_for(prepare_ns: float | None, verified_share: float, qps: float | None, n_cpus: int) -> int:
    """How many CPU workers the pace needs: at most one a CPU, 0 where a hand-over is not worth it.

    *prepare_ns* is what prepare() costs (None: there is none), *verified_share* how many replies are verified. verify()
    is taken to cost what prepare() does; where there is no prepare() one CPU worker has to do.
    """
    if prepare_ns is None:
        return 1 if verified_share else 0
    work_ns = prepare_ns * (1 + verified_share)
    if work_ns < WORTH_NS:
        return 0
    if qps is None:
        return n_cpus
    return min(max(math.ceil(qps * work_ns / NS_PER_S / ROOM_SHARE), 1), n_cpus)
