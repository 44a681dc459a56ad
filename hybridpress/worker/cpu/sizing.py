"""How many CPU workers `--cpu-workers auto` means: from what prepare() costs, measured on a few words, and the pace."""

from __future__ import annotations

import math
import multiprocessing
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection

from hybridpress.clock import now_ns
from hybridpress.press import Press
from hybridpress.units import NS_PER_MS, NS_PER_S
from hybridpress.vocab.table import Table

_FORK = multiprocessing.get_context("fork")
N_TRIALS = 50
TRIALS_NS = 200 * NS_PER_MS
"""prepare() is tried on so many words, for so long: the start of a run may take that."""
PATIENCE_S = 5.0
WORTH_NS = 10_000
"""Below this a hand-over costs as much as the work: it is then done in line."""
ROOM_SHARE = 0.7
"""How busy CPU workers are to be: verify() is only guessed at, and a word must not wait for one in its turn."""


def prepare_cost_ns(press: Press, words: Table) -> float:
    """What one call of *press*'s prepare() takes: the median over the first words. Errors are the run's to tell.

    In a process of its own: what a library does when it is first used, such as starting threads, must not be there when
    workers are forked from this one. One that does not answer costs as much as can be.
    """
    reader, writer = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_measure, args=(press, words, writer))
    with warnings.catch_warnings():
        # Threads of libraries that the scenario imported.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    writer.close()
    try:
        return float(reader.recv()) if reader.poll(PATIENCE_S) else PATIENCE_S * NS_PER_S
    except EOFError:
        return float(TRIALS_NS)  # it died over a word
    finally:
        process.kill()
        process.join()
        reader.close()


def _measure(press: Press, words: Table, writer: Connection) -> None:
    found: list[int] = []
    until = now_ns() + TRIALS_NS
    for number in range(min(N_TRIALS, len(words))):
        begun = now_ns()
        with suppress(Exception):
            press.prepare(words[number])
        found.append(now_ns() - begun)
        if now_ns() >= until:
            break
    writer.send(sorted(found)[len(found) // 2] if found else 0)


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
