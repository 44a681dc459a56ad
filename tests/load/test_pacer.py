"""A schedule of pieces, against the plain list of due times that it stands for."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.load.pacer import Pacer, Piece
from hybridpress.units import NEVER_NS

delays = st.one_of(st.integers(1, 10_000).map(float), st.floats(0.5, 1e6))
pieces = st.builds(Piece, st.just(0), st.integers(0, 10**15), delays, st.integers(0, 50))


def take_all(pacer: Pacer) -> list[int]:
    taken = []
    while pacer.due_ns != NEVER_NS:
        taken.append(pacer.take())
    return taken


@given(pieces)
def test_due_times(piece: Piece) -> None:
    """Iteration i of a piece is due at first_due + i · delay, to the ns, and after the last comes never."""
    pacer = Pacer()
    assert pacer.due_ns == NEVER_NS
    pacer.apply(piece)
    taken = take_all(pacer)
    assert taken == [piece.first_due_ns + int(i * piece.delay_ns) for i in range(piece.count or 0)]
    assert pacer.index == piece.count
    assert all(first <= second for first, second in pairwise(taken))


def test_no_drift() -> None:
    """A delay that is no whole number of ns is not off by one ns after a million iterations."""
    piece = Piece(0, 0, 1e9 / 30_000)
    assert piece.due_ns(30_000 * 3_600) == 3_600 * 10**9
    assert piece.due_ns(30_000 * 3_600 + 1) == 3_600 * 10**9 + 33_333


@given(pieces, st.integers(-10, 10**8))
def test_first_from(piece: Piece, offset_ns: int) -> None:
    """The first iteration due from an instant on is due then or later, and the one before it is not."""
    at_ns = piece.first_due_ns + offset_ns
    i = piece.first_from(at_ns)
    assert i >= piece.index
    assert piece.due_ns(i) >= at_ns
    assert i == piece.index or piece.due_ns(i - 1) < at_ns


@st.composite
def changes(draw: st.DrawFn) -> list[tuple[int, Piece]]:
    """Pieces, each with the number of iterations that are taken before it arrives: often later than it begins."""
    found: list[tuple[int, Piece]] = []
    n_taken = planned = 0
    for _ in range(draw(st.integers(1, 6))):
        index = draw(st.integers(max(planned - 15, 0), planned))
        count = draw(st.integers(0, 20))
        found.append((n_taken, Piece(index, draw(st.integers(0, 10**6)), draw(delays), count)))
        # A piece that arrives late and ends before what was taken plans nothing more.
        planned = max(index + count, n_taken)
        n_taken = draw(st.integers(n_taken, planned))
    return found


@given(changes())
def test_nothing_is_lost_or_doubled(plan: list[tuple[int, Piece]]) -> None:
    """However late a piece arrives, it moves the iterations from its index on that are not taken yet, and no other."""
    pacer = Pacer()
    due_of: dict[int, int] = {}
    taken: list[int] = []
    for n_taken, piece in plan:
        while len(taken) < n_taken:
            taken.append(pacer.take())
            assert taken[-1] == due_of[len(taken) - 1]
        pacer.apply(piece)
        assert piece.count is not None
        kept = {i: due_ns for i, due_ns in due_of.items() if i < max(piece.index, n_taken)}
        moved = range(max(piece.index, n_taken), piece.index + piece.count)
        due_of = kept | {i: piece.first_due_ns + int((i - piece.index) * piece.delay_ns) for i in moved}
        assert pacer.index == len(taken)
        assert pacer.due_ns == due_of.get(len(taken), NEVER_NS)
    taken += take_all(pacer)
    assert taken == [due_of[i] for i in range(len(due_of))]


@pytest.mark.slow
@given(changes(), st.integers(0, 2 * 10**6))
def test_how_many_are_due(plan: list[tuple[int, Piece]], until_ns: int) -> None:
    """What is due before an instant is what taking everything would show, and asking changes nothing."""
    pacer = Pacer()
    for n_taken, piece in plan:
        while pacer.index < n_taken:
            pacer.take()
        pacer.apply(piece)
    n_due, due_ns = pacer.n_due(until_ns), pacer.due_ns
    assert (pacer.n_due(until_ns), pacer.due_ns) == (n_due, due_ns)
    assert n_due == sum(due < until_ns for due in take_all(pacer))
    assert pacer.n_due(until_ns) == 0


def test_without_news() -> None:
    """A piece without end goes on and on; one that comes later takes over at its index."""
    pacer = Pacer()
    pacer.apply(Piece(0, 1_000, 100.0))
    assert [pacer.take() for _ in range(1_000)] == list(range(1_000, 101_000, 100))
    assert pacer.n_due(201_000) == 1_000
    pacer.apply(Piece(1_002, 500_000, 1_000.0))
    assert [pacer.take() for _ in range(4)] == [101_000, 101_100, 500_000, 501_000]


def test_a_late_piece() -> None:
    """A piece for iterations that are taken already takes effect from the next one, by its own count."""
    pacer = Pacer()
    pacer.apply(Piece(0, 0, 10.0))
    for _ in range(5):
        pacer.take()
    pacer.apply(Piece(3, 1_000, 100.0))
    assert [pacer.take() for _ in range(2)] == [1_200, 1_300]


def test_a_gap() -> None:
    """A piece that leaves iterations unplanned before it is refused, and nothing has changed."""
    pacer = Pacer()
    with pytest.raises(ValueError, match="begins at iteration 1, but only 0 are planned"):
        pacer.apply(Piece(1, 0, 10.0))
    pacer.apply(Piece(0, 0, 10.0, 3))
    with pytest.raises(ValueError, match="begins at iteration 4, but only 3 are planned"):
        pacer.apply(Piece(4, 0, 10.0))
    assert take_all(pacer) == [0, 10, 20]
    with pytest.raises(ValueError, match="begins at iteration 4, but only 3 are planned"):
        pacer.apply(Piece(4, 0, 10.0))
    pacer.apply(Piece(3, 70, 10.0, 1))
    assert take_all(pacer) == [70]


def test_the_end_of_a_piece() -> None:
    """A piece without a count has no end; an empty one ends where it begins."""
    assert Piece(3, 0, 1.0).end == math.inf
    assert Piece(3, 0, 1.0, 0).end == 3
    pacer = Pacer()
    pacer.apply(Piece(0, 0, 1.0, 0))
    assert pacer.due_ns == NEVER_NS
    assert pacer.n_due(NEVER_NS) == 0
