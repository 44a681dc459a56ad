"""Gates: how many iterations may begin, and from when on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.units import NEVER_NS
from hybridpress.units import NS_PER_MS as MS
from hybridpress.worker import gate as gate_module
from hybridpress.worker.gate import BURST_NS, FREE_AGAIN_NS, CatchUpGate, ClosedGate, DropGate, Gate, Late, OpenGate
from tests.load import series


@given(st.integers(0, 200))
def test_an_open_gate_lets_so_many_begin(limit: int) -> None:
    """An open gate is due at once, exactly so many times, and then never."""
    gate = OpenGate(limit)
    n_taken = 0
    while gate.due_ns != NEVER_NS:
        assert gate.due_ns == gate.take() == 0
        n_taken += 1
    assert n_taken == limit


def test_an_open_gate_without_a_limit() -> None:
    """Without a limit there is always one more."""
    gate = OpenGate(None)
    for _ in range(10_000):
        assert gate.take() == gate.due_ns == 0


@pytest.mark.parametrize(("limit", "due_ns"), [(3, NEVER_NS), (4, 0), (None, 0)])
def test_take_may_be_read_once(limit: int | None, due_ns: int) -> None:
    """A `take` that was read before takes from its own gate, however often it is called, and from no other."""
    gate, other = OpenGate(limit), OpenGate(limit)
    take = gate.take
    for _ in range(3):
        assert gate.due_ns == take() == 0
    assert (gate.due_ns, other.due_ns) == (due_ns, 0)
    assert other.take() == 0


def test_a_closed_gate() -> None:
    """A closed gate is never due, has nothing behind it, and nothing to take."""
    gate = ClosedGate()
    assert gate.due_ns == NEVER_NS
    assert gate.n_due(NEVER_NS) == 0
    with pytest.raises(AssertionError, match="nothing to take"):
        gate.take()


def test_without_a_plan_nothing_is_behind() -> None:
    """An unpaced gate knows no due times, so nothing waits behind it."""
    assert OpenGate(5).n_due(NEVER_NS) == OpenGate(None).n_due(NEVER_NS) == 0


def test_a_pacer_is_a_gate() -> None:
    """A plan is taken from like any other gate."""
    pacer = series.series(series.leg(100, 10.0, 2))
    gates: list[Gate] = [pacer, OpenGate(2), ClosedGate()]
    assert [gate.due_ns for gate in gates] == [100, 0, NEVER_NS]
    assert [gate.take() for gate in gates[:2]] == [100, 0]
    assert [gate.n_due(1_000) for gate in gates] == [1, 0, 0]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The gates' clock: one number, which a test may change."""
    found = [0]
    monkeypatch.setattr(gate_module, "now_ns", lambda: found[0])
    return found


def test_dropping(clock: list[int]) -> None:
    """What came due while no slot was free is left out and counted; what is due with a slot free is not."""
    late, idle = Late(), [False]
    gate = DropGate(series.series(series.leg(0, 10.0 * MS, 100)), late, lambda: idle[0])
    clock[0] = 35 * MS
    assert gate.due_ns == 40 * MS
    assert late.dropped == 4
    idle[0] = True
    clock[0] = 75 * MS
    assert [gate.due_ns, gate.take(), gate.take()] == [40 * MS, 40 * MS, 50 * MS]
    idle[0] = False
    assert gate.n_due(75 * MS) == 0
    assert late.dropped == 6
    clock[0] = 10_000 * MS
    assert gate.is_over
    assert late.dropped == 98


def test_a_slot_that_is_free_again_just_then(clock: list[int]) -> None:
    """A slot that comes free within a moment of the due time starts it."""
    gate = DropGate(series.series(series.leg(0, 10.0 * MS, 100)), Late(), lambda: False)
    clock[0] = FREE_AGAIN_NS
    assert gate.due_ns == 0


@pytest.mark.parametrize("factor", [1.2, 1.5, 3.0])
def test_catching_up_is_bounded(clock: list[int], factor: float) -> None:
    """A plan that is 1 s behind goes at the factor times its rate until it is level, and then at its own."""
    late = Late()
    gate = CatchUpGate(series.series(series.leg(0, 1.0 * MS, 100_000)), late, factor)
    started: list[int] = []
    clock[0] = 1_000 * MS
    while len(started) < 10_000:
        clock[0] = max(clock[0], gate.due_ns)
        started.append(clock[0])
        gate.take()
    seconds_until_level = 1 / (factor - 1)
    for k in range(1, int(seconds_until_level)):
        n = sum(1_000 * MS * k <= at < 1_000 * MS * (k + 1) for at in started)
        assert n == pytest.approx(1_000 * factor, abs=BURST_NS / MS * factor + 2)
    assert started[-1] == 9_999 * MS
    assert late.held == pytest.approx(1_000 * factor * seconds_until_level, rel=0.05)


def test_a_level_plan_is_not_held(clock: list[int]) -> None:
    """Wakes that come some ms late start all that is due at once: nothing is held back."""
    late = Late()
    gate = CatchUpGate(series.series(series.leg(0, 0.1 * MS, 10_000)), late, 1.5)
    for at in range(5 * MS, 500 * MS, 5 * MS):
        clock[0] = at
        while gate.due_ns <= at:
            gate.take()
        assert gate.n_due(at) == 0
    assert late.held == 0


def test_a_pause_is_not_the_end() -> None:
    """A closed gate is over only where it is said to be."""
    assert [gate.is_over for gate in (ClosedGate(), ClosedGate(is_over=True), OpenGate(0), OpenGate(1))] == [
        False, True, True, False,
    ]  # fmt: skip
