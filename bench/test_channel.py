"""What reporting costs: Counts every 100 ms, and a measured second with 100,000 iterations and 10 steps.

Told is CPU time a report: "worker" is what the worker's process pays, the append to the Queue and the Queue's thread,
which pickles and writes; "coordinator" is what receiving takes; "merge" what adding a second to the box's takes.
Both ends are in one process here. The coordinator's share is that of the thread that receives, the worker's the rest.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from harness import ROUNDS_UNDER_PYTEST, main

from hybridpress.ipc.channel import CoordinatorEnd, WorkerEnd, open_channel
from hybridpress.ipc.messages import Counts, Measured, Report
from hybridpress.metrics.interval import CheckCounts, Health, Interval, StepCounts

N_ITERATIONS, N_STEPS = 100_000, 10


def counts(round_number: int) -> Report:
    return Counts(3, 10**15 + round_number, 1_000_000, 999_000, 900, 100, 0)


def measured(round_number: int) -> Report:
    """A second of times as servers have them: most near 2 ms, with a long tail."""
    rng = np.random.default_rng(round_number)
    times_ns = (rng.lognormal(0.7, 0.6, N_ITERATIONS) * 1e6).astype(np.int64)
    interval = Interval(round_number, started=N_ITERATIONS, completed=N_ITERATIONS, in_flight=100)
    interval.service.add(times_ns)
    interval.lateness.add(rng.exponential(50_000, N_ITERATIONS).astype(np.int64))
    interval.response.add(times_ns + 50_000)
    for number in range(N_STEPS):
        step = interval.steps[f"GET /vm/query/{number}"] = StepCounts(N_ITERATIONS // N_STEPS, 0, 10**6, 10**5)
        step.times.add(times_ns[number::N_STEPS])
    interval.checks["status is 200"] = CheckCounts(N_ITERATIONS, 0)
    interval.health = Health(cpu_ns=5 * 10**8, span_ns=10**9)
    interval.health.loop_lag.add(times_ns[:100] // 100)
    return Measured(3, interval)


@dataclass(frozen=True, slots=True)
class Found:
    """One kind of report: bytes on the wire, and medians over the rounds in µs of CPU time."""

    name: str
    n_rounds: int
    wire_bytes: int
    worker_us: float
    coordinator_us: float
    merge_us: float

    def __str__(self) -> str:
        return (
            f"{self.name:<10} {self.wire_bytes:>9,} bytes   worker {self.worker_us:8.1f} µs   "
            f"coordinator {self.coordinator_us:8.1f} µs   merge {self.merge_us:8.1f} µs"
        )


KINDS: dict[str, tuple[Callable[[int], Report], int]] = {"Counts": (counts, 100), "Measured": (measured, 1)}
"""How each kind of report is made, and how many of it are sent in a round."""


def ends() -> tuple[WorkerEnd, CoordinatorEnd]:
    """Both ends of a channel."""
    theirs, reports, orders = open_channel(multiprocessing.get_context("fork"))
    ours = CoordinatorEnd.from_fds(os.dup(reports.fileno()), os.dup(orders.fileno()))
    orders.close()
    return theirs, ours


def measure(name: str, n_rounds: int) -> Found:
    """Send and receive in *n_rounds* rounds; the first one more warms up."""
    make, n_reports = KINDS[name]
    theirs, ours = ends()
    worker_us, coordinator_us, merge_us, wire_bytes = [], [], [], []
    total = Interval(0)
    for round_number in range(n_rounds + 1):
        report = make(round_number)
        received: list[Report | None] = []
        reader_ns: list[int] = []

        def receive(received: list[Report | None] = received, reader_ns: list[int] = reader_ns) -> None:
            before_ns = time.thread_time_ns()
            while len(received) < n_reports:
                select.select([ours], [], [])
                received.extend(ours.receive() or [])
            reader_ns.append(time.thread_time_ns() - before_ns)

        # A report may be longer than a pipe holds: whoever reads must be there while it is written.
        reader = threading.Thread(target=receive)
        reader.start()
        before_ns = time.process_time_ns()
        for _ in range(n_reports):
            theirs.send(report)
        reader.join()
        both_ns = time.process_time_ns() - before_ns
        assert received == [report] * n_reports
        before_ns = time.process_time_ns()
        if isinstance(report, Measured):
            total.merge(report.interval)
        merge_us.append((time.process_time_ns() - before_ns) / 1e3)
        coordinator_us.append(reader_ns[0] / 1e3 / n_reports)
        worker_us.append((both_ns - reader_ns[0]) / 1e3 / n_reports)
        wire_bytes.append(len(ForkingPickler.dumps(report)))
    if name == "Measured":
        assert total.completed == (n_rounds + 1) * N_ITERATIONS == total.response.count
    theirs.close()
    ours.close()
    medians = [statistics.median(found[1:]) for found in (wire_bytes, worker_us, coordinator_us, merge_us)]
    return Found(name, n_rounds, int(medians[0]), *medians[1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_channel(name: str) -> None:
    """The bench runs, and what arrives is what was sent."""
    found = measure(name, ROUNDS_UNDER_PYTEST)
    assert found.wire_bytes > 0
    assert found.coordinator_us > 0


if __name__ == "__main__":
    main([partial(measure, name) for name in KINDS], "CPU time and bytes of a worker's reports.")
