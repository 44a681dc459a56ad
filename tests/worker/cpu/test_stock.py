"""The gate over a stock: it lets begin what the gate within lets begin, as far as there is something to begin with."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridpress.units import NEVER_NS
from hybridpress.worker.cpu.stock import STARVED_NS, StockedGate
from hybridpress.worker.gate import ClosedGate, OpenGate
from tests.load.series import leg, series


@given(st.integers(1, 20), st.integers(0, 20))
def test_no_more_than_the_stock(n_planned: int, n_stock: int) -> None:
    """As many begin as are planned and in stock; then it is over, or it starves."""
    gate = StockedGate(series(leg(100, 10, n_planned)), lambda: None, n_stock)
    dues = []
    while gate.due_ns < STARVED_NS:
        dues.append(gate.take())
    assert dues == [100 + 10 * i for i in range(min(n_planned, n_stock))]
    assert gate.due_ns == (NEVER_NS if n_stock >= n_planned else STARVED_NS)
    assert gate.is_starved == (n_stock < n_planned)
    assert gate.n_taken == len(dues)


def test_what_is_due_is_due_without_stock_too() -> None:
    """A backlog is told, and nothing that has not begun is taken out of the plan."""
    gate = StockedGate(series(leg(100, 10, 5)), lambda: None)
    assert gate.n_due(121) == 3


def test_it_asks_in_time() -> None:
    """When the stock falls to its mark, it is said, for each that is taken from there on."""
    calls: list[int] = []
    gate = StockedGate(OpenGate(None), lambda: calls.append(gate.n_free), 5)
    gate.low_at = 2
    for _ in range(5):
        gate.take()
    assert calls == [2, 1, 0]


def test_room_is_missing() -> None:
    """While it is clogged nothing begins, whatever the stock."""
    gate = StockedGate(OpenGate(None), lambda: None, 5)
    gate.is_clogged = True
    assert gate.is_starved
    gate.is_clogged = False
    assert gate.due_ns == 0


def test_the_end_is_the_end() -> None:
    """A closed gate is closed, not starved."""
    assert not StockedGate(ClosedGate(), lambda: None).is_starved
