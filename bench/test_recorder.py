"""What measuring costs: an iteration and an exchange as they are noted, and as they are folded once a second."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from harness import ROUNDS_UNDER_PYTEST, Bench, Measured, main, measure

from hybridpress.metrics.interval import Health
from hybridpress.metrics.recorder import Recorder

N_ITERATIONS = 10_000
BEGIN_NS = 10**15
UNTIL_NS = BEGIN_NS + 10**9


def note_iterations(n_rounds: int) -> Measured:
    """A paced iteration, as its slot notes it: a look at the boundary, two appends, and the end."""

    def run(recorder: Recorder) -> None:
        service, lateness = recorder.service_ns.append, recorder.lateness_ns.append
        for ns in range(BEGIN_NS, BEGIN_NS + N_ITERATIONS):
            if ns >= recorder.until_ns:
                recorder.cut(ns)
            service(ns)
            lateness(ns)
            recorder.last_end_ns = ns

    def check(recorder: Recorder) -> None:
        assert recorder.n_ended == len(recorder.lateness_ns) == N_ITERATIONS
        assert recorder.last_end_ns == BEGIN_NS + N_ITERATIONS - 1

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
    """A check that holds, as `check` counts it."""

    def run(recorder: Recorder) -> None:
        for _ in range(N_ITERATIONS):
            if (tally := recorder.checks.get("status is 200")) is not None:
                tally.passed += 1
            else:
                recorder.check("status is 200", ok=True)

    def check(recorder: Recorder) -> None:
        counts = recorder.flush(0, None, [], Health()).checks["status is 200"]
        assert (counts.passed, counts.failed) == (N_ITERATIONS, 0)

    return measure("note a check", n_rounds, N_ITERATIONS, run, lambda: Recorder(paced=True), check)


@dataclass
class State:
    """A recorder right before its flush, and the starts of what runs then."""

    recorder: Recorder
    running: list[int]


def _note(recorder: Recorder, took_ns: int) -> None:
    recorder.service_ns.append(took_ns)
    recorder.lateness_ns.append(40_000)


def _noted() -> State:
    state = State(Recorder(paced=True), [])
    step = state.recorder.step("GET /")
    for i in range(N_ITERATIONS):
        start_ns = BEGIN_NS + i * 100_000 + 40_000
        took_ns = 1_000_000 + i * 7_919 % 900_000
        step.done(took_ns, 100, 1_000)
        if start_ns + took_ns < UNTIL_NS:
            _note(state.recorder, took_ns)
        else:
            state.running.append(start_ns)
    return state


def flush(n_rounds: int) -> Measured:
    """A second's flush, per iteration of it: four histograms, and what runs at the boundary."""
    told = []

    def run(state: State) -> None:
        told.append(state.recorder.flush(0, UNTIL_NS, state.running, Health()))

    def check(state: State) -> None:
        for _ in state.running:
            _note(state.recorder, 2_000_000)
        first, rest = told.pop(), state.recorder.flush(1, None, [], Health())
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
