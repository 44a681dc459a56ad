"""What measuring costs: an iteration and an exchange as they are noted, and as they are folded once a second."""

from __future__ import annotations

import pytest
from harness import ROUNDS_UNDER_PYTEST, Bench, Measured, main, measure

from hybridpress.metrics.interval import Health
from hybridpress.metrics.recorder import Recorder

N_ITERATIONS = 10_000
BEGIN_NS = 10**15


def note_iterations(n_rounds: int) -> Measured:
    """A paced iteration: three appends."""

    def run(recorder: Recorder) -> None:
        due, start, end = recorder.due_ns.append, recorder.start_ns.append, recorder.end_ns.append
        for ns in range(BEGIN_NS, BEGIN_NS + N_ITERATIONS):
            due(ns)
            start(ns)
            end(ns)

    def check(recorder: Recorder) -> None:
        assert recorder.n_ended == N_ITERATIONS

    return measure("note an iteration", n_rounds, N_ITERATIONS, run, lambda: Recorder(paced=True), check)


def note_steps(n_rounds: int) -> Measured:
    """An exchange: one call of the step's `done`."""

    def run(recorder: Recorder) -> None:
        done = recorder.step("GET /").done
        for ns in range(N_ITERATIONS):
            done(ns, 100, 1_000)

    def check(recorder: Recorder) -> None:
        counts = recorder.step("GET /").take()
        assert (counts.count, counts.bytes_in) == (N_ITERATIONS, N_ITERATIONS * 1_000)

    return measure("note an exchange", n_rounds, N_ITERATIONS, run, lambda: Recorder(paced=True), check)


def note_checks(n_rounds: int) -> Measured:
    """A check that holds."""

    def run(recorder: Recorder) -> None:
        for _ in range(N_ITERATIONS):
            recorder.check("status is 200", ok=True)

    def check(recorder: Recorder) -> None:
        counts = recorder.flush(0, None, [], Health()).checks["status is 200"]
        assert (counts.passed, counts.failed) == (N_ITERATIONS, 0)

    return measure("note a check", n_rounds, N_ITERATIONS, run, lambda: Recorder(paced=True), check)


def _noted() -> Recorder:
    recorder = Recorder(paced=True)
    step = recorder.step("GET /")
    for i in range(N_ITERATIONS):
        due_ns = BEGIN_NS + i * 100_000
        took_ns = 1_000_000 + i * 7_919 % 900_000
        recorder.due_ns.append(due_ns)
        recorder.start_ns.append(due_ns + 40_000)
        recorder.end_ns.append(due_ns + 40_000 + took_ns)
        step.done(took_ns, 100, 1_000)
    return recorder


def flush(n_rounds: int) -> Measured:
    """A second's flush, per iteration of it: four histograms, and a boundary to cut at."""
    until_ns = BEGIN_NS + 10**9
    told = []

    def run(recorder: Recorder) -> None:
        told.append(recorder.flush(0, until_ns, [], Health()))

    def check(recorder: Recorder) -> None:
        first, rest = told.pop(), recorder.flush(1, None, [], Health())
        assert first.completed + rest.completed == first.started + rest.started == N_ITERATIONS
        assert first.in_flight == rest.completed > 0
        assert first.steps["GET /"].count == N_ITERATIONS

    return measure("flush, per iteration", n_rounds, N_ITERATIONS, run, _noted, check)


BENCHES = [note_iterations, note_steps, note_checks, flush]


@pytest.mark.parametrize("bench", BENCHES)
def test_recorder(bench: Bench) -> None:
    """The bench runs and counts right."""
    assert bench(ROUNDS_UNDER_PYTEST).median_ns > 0


if __name__ == "__main__":
    main(BENCHES)
