"""Drawing one by one: the same words as the order says, and none twice or lost when a worker is killed."""

from __future__ import annotations

import os
import signal
import struct
from collections import Counter
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.vocab.draw import NONE_LEFT, Draw
from hybridpress.vocab.order import Order
from hybridpress.vocab.policy import Policy
from hybridpress.vocab.progress import Progress
from tests.vocab.forks import fork

InFlight = Literal["report", "again"]
SLOTS = [2, 3]
FIRST = [0, 2]


class Killed(BaseException):
    """The process ends here."""


class Cells:
    """Shared memory that kills its writer at the n-th write: just before it, or just after."""

    def __init__(self, memory: Any, writes: list[int], *, is_written: bool) -> None:
        self._memory = memory
        self._writes = writes
        self._is_written = is_written

    def __getitem__(self, place: int) -> int:
        found: int = self._memory[place]
        return found

    def __setitem__(self, place: int, value: int) -> None:
        self._writes[0] -= 1
        if self._writes[0] == 0 and not self._is_written:
            raise Killed
        self._memory[place] = value
        if self._writes[0] == 0:
            raise Killed


class Deadly(Progress):
    """The progress as a process sees it that will be killed."""

    def __init__(self, shared: Progress, n_writes: int, *, is_written: bool) -> None:
        self._slots_by_worker = shared._slots_by_worker
        self._counts = shared._counts
        self._notes = shared._notes
        self._losses = shared._losses
        self._writes = [n_writes]
        self._is_written = is_written

    def count_of(self, worker: int) -> Any:
        return Cells(super().count_of(worker), self._writes, is_written=self._is_written)

    @property
    def notes(self) -> Any:
        return Cells(self._notes, self._writes, is_written=self._is_written)


@pytest.mark.parametrize("exhausted", ["recycle", "stop"])
@pytest.mark.parametrize("name", ["sequential", "shuffle", "partitioned"])
def test_draws_follow_the_order(name: Any, exhausted: Any) -> None:
    """One by one come the words that the order names, over the seams of what is worked out together."""
    order, progress = Order(Policy(name, exhausted), 5_000, SLOTS, 1), Progress(SLOTS)
    draw = order.draw(1, progress)
    n = 4_000 if exhausted == "recycle" else order.share_of_worker(1)
    assert [draw.next(2 + i % 3) for i in range(n)] == order.indexes(1, 0, n)
    if exhausted == "stop":
        assert [draw.next(2), draw.next(3), draw.next(2)] == [NONE_LEFT] * 3
        assert progress.n_drawn(1) == n


@pytest.mark.parametrize("name", ["sequential", "shuffle", "partitioned", "once"])
def test_a_replacement_goes_on(name: Any) -> None:
    """A worker's next process draws what would have come."""
    order, progress = Order(Policy(name), 3_000, SLOTS, 1), Progress(SLOTS)
    first = order.draw(0, progress)
    drawn = [first.next(0) for _ in range(700)]
    second = order.draw(0, progress)
    drawn += [second.next(1) for _ in range(300)]
    assert drawn == order.indexes(0, 0, 1000)


def test_random_is_even() -> None:
    """Every word has the same chance, within what chance allows (5 standard deviations)."""
    draw = Order(Policy(), 10, [1], 1).draw(0)
    counts = Counter(draw.next(0) for _ in range(20_000))
    assert set(counts) == set(range(10))
    assert all(abs(count - 2_000) < 5 * 1_800**0.5 for count in counts.values())


@pytest.mark.parametrize("name", ["random", "per_slot", "sequential", "once"])
def test_who_must_say_when_it_is_done(name: Any) -> None:
    """Where each word is used once, draws are noted; elsewhere done() may be called too, and does nothing."""
    draw = Order(Policy(name), 10, SLOTS, 1).draw(0)
    assert draw.is_noted == (name == "once")
    draw.next(0)
    draw.done(0)


def test_what_is_in_flight() -> None:
    """A word is in flight from its draw until its slot is done with it."""
    order, progress = Order(Policy("once"), 10, SLOTS, 1), Progress(SLOTS)
    draw = order.draw(1, progress)
    first, second = draw.next(2), draw.next(4)
    assert order.lost(1, progress) == sorted([first, second])
    draw.done(2)
    assert order.lost(1, progress) == [second]
    assert order.lost(0, progress) == []
    assert Order(Policy(), 10, SLOTS, 1).lost(1, progress) == []


def run_until_killed(draw: Draw, turns: list[int], begun: list[int], done: list[int]) -> None:
    """Iterations on the slots of worker 1, which take turns; two slots have a word at the same time."""
    has: dict[int, int] = {}
    for turn in turns:
        slot = FIRST[1] + turn
        if slot in has:
            done.append(has.pop(slot))
            draw.done(slot)
        elif (index := draw.next(slot)) != NONE_LEFT:
            has[slot] = index
            begun.append(index)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["once", "shuffle", "sequential"])
@pytest.mark.parametrize("in_flight", ["report", "again"])
@given(
    lives=st.lists(
        st.tuples(st.lists(st.integers(0, 2), max_size=30), st.integers(1, 60), st.booleans()), min_size=1, max_size=5
    )
)
def test_killed_anywhere(name: Any, in_flight: InFlight, lives: list[tuple[list[int], int, bool]]) -> None:
    """However often a worker is killed, and between whichever two of its writes: no word is lost, and none begun that
    was begun before, except those in flight that are to be drawn again, and none of those that were done.
    """
    exhausted: Any = None if name == "once" else "stop"
    order, progress = Order(Policy(name, exhausted, in_flight), 40, SLOTS, 1), Progress(SLOTS)
    begun: list[int] = []
    done: list[int] = []
    reported: set[int] = set()
    for turns, n_writes, is_written in lives:
        try:
            run_until_killed(order.draw(1, Deadly(progress, n_writes, is_written=is_written)), turns, begun, done)
        except Killed:
            pass
        reported |= set(order.lost(1, progress))
    last = order.draw(1, progress)
    while (index := last.next(2)) != NONE_LEFT:
        begun.append(index)
        done.append(index)
        last.done(2)
    share = set(order.indexes(1, 0, 40))
    assert order.n_left(progress, 1) == 0
    assert set(order.lost(1, progress)) == (set() if in_flight == "again" else reported)
    again = {index for index, n in Counter(begun).items() if n > 1}
    assert again <= (reported if in_flight == "again" else set())
    if in_flight == "again":
        # A word whose end was not written yet counts as in flight: done, and done again.
        assert set(done) == share
    else:
        assert set(begun) | reported == share
        assert set(done) | reported == share
        assert len(begun) == len(set(begun))


@pytest.mark.slow
@pytest.mark.parametrize("in_flight", ["report", "again"])
def test_killed_with_minus_nine(in_flight: InFlight) -> None:
    """Real processes, really killed: each word reaches the server once, or is known to have been in flight."""
    n_words, n_kills = 20_000, 5
    order, progress = Order(Policy("once", None, in_flight), n_words, [4], 1), Progress([4])
    served: list[int] = []
    reported: set[int] = set()
    for life in range(n_kills + 1):
        readable, writable = os.pipe()
        if (pid := fork()) == 0:
            be_worker(order.draw(0, progress), writable)
            os._exit(0)
        os.close(writable)
        n_bytes_left = 8 * 1_500 * (life + 1) if life < n_kills else None
        with os.fdopen(readable, "rb", buffering=0) as pipe:
            while data := pipe.read(min(4096, n_bytes_left or 4096)):
                served += (index for (index,) in struct.iter_unpack("q", data))
                if n_bytes_left is not None and (n_bytes_left := n_bytes_left - len(data)) <= 0:
                    os.kill(pid, signal.SIGKILL)
                    n_bytes_left = None
        os.waitpid(pid, 0)
        reported |= set(order.lost(0, progress))
    assert order.n_left(progress) == 0
    twice = {index for index, n in Counter(served).items() if n > 1}
    assert len(reported) <= 4 * n_kills
    if in_flight == "again":
        assert set(served) == set(range(n_words))
        assert twice <= reported
    else:
        assert set(served) | reported == set(range(n_words))
        assert not twice


def be_worker(draw: Draw, server: int) -> None:
    """Four slots by turns, each iteration one write, all of it or nothing."""
    slot = 0
    while (index := draw.next(slot)) != NONE_LEFT:
        os.write(server, struct.pack("q", index))
        if slot != 3:  # the last slot's word stays in flight until its next turn
            draw.done(slot)
        slot = (slot + 1) % 4
        if slot == 3:
            draw.done(3)
    draw.done(3)
