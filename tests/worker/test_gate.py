"""Gates: how many iterations may begin, and from when on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.load.pacer import Pacer, Piece
from hybridpress.units import NEVER_NS
from hybridpress.worker.gate import ClosedGate, Gate, OpenGate


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
    pacer = Pacer()
    pacer.apply(Piece(0, 100, 10.0, 2))
    gates: list[Gate] = [pacer, OpenGate(2), ClosedGate()]
    assert [gate.due_ns for gate in gates] == [100, 0, NEVER_NS]
    assert [gate.take() for gate in gates[:2]] == [100, 0]
    assert [gate.n_due(1_000) for gate in gates] == [1, 0, 0]
