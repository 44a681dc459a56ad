"""Slots: exactly the iterations that the gate lets begin, each measured once, whatever press() does."""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.clock import now_ns
from hybridpress.errors import ConnectError
from hybridpress.hot import NoWordError
from hybridpress.metrics.interval import CheckCounts, Health, Interval
from hybridpress.metrics.recorder import Recorder
from hybridpress.press import Press, check, step
from hybridpress.units import NEVER_NS, NS_PER_MS, NS_PER_S
from hybridpress.worker import slots as slots_module
from hybridpress.worker.gate import Gate, OpenGate
from hybridpress.worker.slots import CHECK_FAILED, WAKE_GAP_NS, Slots, SlotTrace, note_error
from tests.load import series

PATIENCE_S = 5.0


class Quiet(Press):
    """A scenario of one iteration that does nothing."""

    async def press(self) -> None:
        pass


def scenario(once: Callable[..., Any], **methods: Any) -> Press:
    """A scenario whose press() is *once*."""
    return type("Made", (Press,), {"press": once, **methods})()  # type: ignore[no-any-return]


@asynccontextmanager
async def made(
    press: Press,
    n_slots: int = 1,
    *,
    paced: bool = False,
    words: list[Any] | None = None,
    worker: int = 0,
    seed: int = 1,
    clock: Clock | None = None,
) -> AsyncIterator[Slots]:
    """Slots that nobody has started yet. Their end, by `drain`, is the caller's. With *clock* their turns read that."""
    recorder = Recorder(paced=paced)
    clients = Clients(HttpSettings(), SlotTrace(recorder))
    numbers = range(worker * n_slots, (worker + 1) * n_slots)
    slots = Slots(press, numbers, worker, clients, recorder, words=words or [], takes_word=words is not None, seed=seed)
    if clock is not None:
        slots.clock = lambda: clock.now_ns
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield slots
    finally:
        await clients.close()


async def idle(slots: Slots) -> None:
    """Wait until all that the gate holds has been started, and has ended."""
    while slots.gate.due_ns != NEVER_NS or slots.running_since_ns():
        await asyncio.sleep(0.001)


def flush(slots: Slots) -> Interval:
    """All that the slots did."""
    return slots.recorder.flush(0, None, slots.given_up_ns, Health())


async def press_all(
    press: Press, gate: Gate, n_slots: int = 1, *, paced: bool = False, words: list[Any] | None = None
) -> Interval:
    """Run all that *gate* lets begin, from start() to stop(); what was measured of it."""
    async with made(press, n_slots, paced=paced, words=words) as slots:
        assert await slots.start() == []
        slots.open()
        slots.follow(gate)
        await idle(slots)
        await slots.drain(now_ns() + 5 * NS_PER_S)
        await slots.stop(5)
        return flush(slots)


def pressed(press: Press, limit: int, n_slots: int = 1, *, words: list[Any] | None = None) -> Interval:
    """*limit* iterations of *press*, unpaced."""
    return uvloop.run(press_all(press, OpenGate(limit), n_slots, words=words))


# how many


@pytest.mark.parametrize(("limit", "n_slots"), [(0, 1), (1, 1), (1, 5), (3, 10), (64, 1), (65, 1), (1_000, 7)])
@pytest.mark.parametrize("awaits", [False, True])
def test_exactly_so_many(limit: int, n_slots: int, *, awaits: bool) -> None:
    """The slots together run exactly the iterations that the gate holds, and each is measured once."""
    n_calls = 0

    async def once(self: Press) -> None:
        nonlocal n_calls
        n_calls += 1
        if awaits:
            await asyncio.sleep(0)

    found = pressed(scenario(once), limit, n_slots)
    assert n_calls == limit
    assert (found.started, found.completed, found.failed, found.in_flight) == (limit, limit, 0, 0)
    assert found.service.count == found.response.count == found.lateness.count == limit


def test_no_more_at_once_than_slots() -> None:
    """Each slot runs one iteration at a time."""
    running: Counter[int] = Counter()
    most: Counter[int] = Counter()

    async def once(self: Press) -> None:
        running[self.slot] += 1
        most[self.slot] = max(most[self.slot], running[self.slot])
        await asyncio.sleep(0)
        running[self.slot] -= 1

    pressed(scenario(once), 50, 3)
    assert most == {0: 1, 1: 1, 2: 1}


def test_a_gate_may_change() -> None:
    """From `follow` on the new gate alone counts, also for slots that wait since before."""

    async def main() -> Interval:
        async with made(Quiet(), 2) as slots:
            await slots.start()
            slots.open()
            await asyncio.sleep(0)
            for limit in (3, 5):
                slots.follow(OpenGate(limit))
                await idle(slots)
            await slots.drain(0)
            return flush(slots)

    assert uvloop.run(main()).completed == 8


def test_nothing_begins_after_the_close() -> None:
    """Slots that wait are let go; whoever asks later is told at once that there is no more."""

    async def main() -> None:
        async with made(Quiet(), 3) as slots:
            slots.open()
            await asyncio.sleep(0)
            slots.close()
            assert await slots.wait() == -1
            await slots.drain(now_ns() + NS_PER_S)
            assert flush(slots).started == 0

    uvloop.run(main())


# when


class Clock:
    """Virtual time: it moves to the next event when all that can run has run."""

    def __init__(self) -> None:
        self.now_ns = 10**9
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self.timer: HandTimer | None = None

    def open_timer(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> HandTimer:
        self.timer = HandTimer(wake)
        return self.timer

    async def sleep(self, duration_ns: int) -> None:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now_ns + duration_ns, next(self._numbers), future))
        await future

    def step(self) -> bool:
        """Move on to what comes next; whether there was anything."""
        assert self.timer is not None
        armed_ns = self.timer.armed_ns
        next_ns = min(armed_ns, self._sleepers[0][0] if self._sleepers else NEVER_NS)
        if next_ns == NEVER_NS:
            return False
        self.now_ns = max(self.now_ns, next_ns)
        while self._sleepers and self._sleepers[0][0] <= self.now_ns:
            heapq.heappop(self._sleepers)[2].set_result(None)
        if armed_ns <= self.now_ns:
            self.timer.armed_ns = NEVER_NS
            self.timer.wake()
        return True


class HandTimer:
    """A timer that its test fires."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.armed_ns = NEVER_NS

    def arm(self, at_ns: int) -> None:
        self.armed_ns = at_ns

    def close(self) -> None:
        self.armed_ns = NEVER_NS


async def settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


gaps_ns = st.integers(1, 200_000)


@given(
    st.lists(st.tuples(gaps_ns, st.integers(0, 8)), min_size=1, max_size=4),
    st.integers(1, 4),
    st.lists(st.integers(0, 300_000), min_size=1, max_size=7),
)
def test_all_that_is_due_and_nothing_early(plan: list[tuple[int, int]], n_slots: int, durations_ns: list[int]) -> None:
    """Iterations begin in the order of their due times, none before it, and no later than one wake's gap after it
    while a slot is free. What is noted of each is its own.
    """
    clock = Clock()
    legs, expected, index, first_due_ns = [], [], 0, clock.now_ns + 1_000
    for delay_ns, count in plan:
        legs.append(series.leg(first_due_ns, float(delay_ns), count, index))
        expected += series.due_times(first_due_ns, float(delay_ns), count)
        index, first_due_ns = index + count, first_due_ns + delay_ns * count
    pacer = series.series(*legs)
    n_started = 0
    ran: list[tuple[int, int]] = []  # from and until when, in the order of their ends

    async def once(self: Press) -> None:
        nonlocal n_started
        n_started += 1
        start_ns = clock.now_ns
        await clock.sleep(durations_ns[n_started % len(durations_ns)])
        ran.append((start_ns, clock.now_ns))

    async def main() -> None:
        async with made(scenario(once), n_slots, paced=True, clock=clock) as slots:
            recorder = slots.recorder
            assert (slots.last_start_ns(), recorder.last_end_ns) == (0, 0)
            slots.open()
            await settle()
            slots.follow(pacer)
            await settle()
            while clock.step():
                await settle()
                n_free = n_slots - len(slots.running_since_ns())
                assert not n_free or pacer.due_ns > clock.now_ns - WAKE_GAP_NS
                assert slots.last_start_ns() == max([start for start, _ in ran] + slots.running_since_ns(), default=0)
            starts = [start for start, _ in ran]
            dues = [start - late for start, late in zip(starts, recorder.lateness_ns, strict=True)]
            assert n_started == len(expected)
            assert sorted(dues) == expected
            assert all(due <= start for due, start in zip(dues, starts, strict=True))
            assert list(recorder.service_ns) == [end - start for start, end in ran]
            assert recorder.last_end_ns == max((end for _, end in ran), default=0)
            assert slots.running_since_ns() == []
            by_due = [start for _, start in sorted(zip(dues, starts, strict=True))]
            assert by_due == sorted(by_due)
            await slots.drain(clock.now_ns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slots_module, "now_ns", lambda: clock.now_ns)
        patch.setattr(slots_module, "open_timer", clock.open_timer)
        uvloop.run(main())


def test_one_wake_starts_all_that_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came due while nobody looked begins at one wake, as far as there are slots; the rest as slots come free."""
    clock = Clock()
    monkeypatch.setattr(slots_module, "now_ns", lambda: clock.now_ns)
    monkeypatch.setattr(slots_module, "open_timer", clock.open_timer)
    pacer = series.series(series.leg(clock.now_ns + 1_000_000, 1_000.0, 8))

    async def once(self: Press) -> None:
        await clock.sleep(1_000_000)

    async def main() -> None:
        async with made(scenario(once), 3, paced=True, clock=clock) as slots:
            slots.open()
            slots.follow(pacer)
            await settle()
            assert clock.timer is not None
            assert clock.timer.armed_ns == clock.now_ns + 1_000_000
            clock.now_ns += 1_005_500
            assert clock.step()
            await settle()
            assert len(slots.running_since_ns()) == 3
            assert pacer.n_due(NEVER_NS) == 5
            assert pacer.n_due(clock.now_ns) == 3
            assert clock.step()
            await settle()
            assert pacer.n_due(NEVER_NS) == 2
            while clock.step():
                await settle()
            found = flush(slots)
            assert found.completed == 8
            assert found.lateness.max_ns > found.lateness.min_ns > 0
            await slots.drain(0)

    uvloop.run(main())


BEGIN_NS = Clock().now_ns


@pytest.mark.parametrize(
    ("until_ns", "end_ns", "counts"),
    [
        (BEGIN_NS + 2 * NS_PER_MS - 1, BEGIN_NS + 2 * NS_PER_MS, (2, 1, 1)),
        (BEGIN_NS + 2 * NS_PER_MS, BEGIN_NS + 2 * NS_PER_MS, (2, 1, 1)),
        (BEGIN_NS + 2 * NS_PER_MS + 1, BEGIN_NS + 3 * NS_PER_MS, (3, 2, 1)),
        (BEGIN_NS + 4 * NS_PER_MS, BEGIN_NS + 4 * NS_PER_MS, (4, 3, 1)),
    ],
)
def test_an_iteration_cuts_before_it_is_noted(
    until_ns: int, end_ns: int, counts: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first iteration that ends at the boundary or after it cuts there, once, and counts as in flight till then."""
    clock = Clock()
    monkeypatch.setattr(slots_module, "now_ns", lambda: clock.now_ns)
    monkeypatch.setattr(slots_module, "open_timer", clock.open_timer)
    told: list[Interval] = []

    async def once(self: Press) -> None:
        await clock.sleep(NS_PER_MS)
        if clock.now_ns == end_ns:
            raise ValueError("no such VM")

    async def main() -> None:
        async with made(scenario(once), clock=clock) as slots:
            recorder = slots.recorder

            def cut(at_ns: int) -> None:
                assert at_ns == clock.now_ns == end_ns
                assert slots.running_since_ns() == [at_ns - NS_PER_MS]
                told.append(recorder.flush(0, until_ns, slots.running_since_ns(), Health()))
                recorder.until_ns = NEVER_NS

            recorder.until_ns, recorder.cut = until_ns, cut
            slots.open()
            slots.follow(OpenGate(4))
            await settle()
            while clock.step():
                await settle()
            told.append(flush(slots))
            await slots.drain(0)

    uvloop.run(main())
    first, rest = told
    assert (first.started, first.completed, first.in_flight) == counts
    assert (first.failed, rest.failed, rest.in_flight) == (0, 1, 0)
    assert first.started + rest.started == first.completed + rest.completed + rest.failed == 4


def test_a_check_after_a_flush() -> None:
    """Checks are counted in the interval in which they are made, in every slot, however often was flushed before."""

    async def once(self: Press) -> None:
        check(ok=True, name="holds")
        check(self.slot == 0, "is slot 0")
        await asyncio.sleep(0)

    async def main() -> list[Interval]:
        found = []
        async with made(scenario(once), 2) as slots:
            slots.open()
            for limit in (8, 6, 10):
                slots.follow(OpenGate(limit))
                await idle(slots)
                found.append(flush(slots))
            await slots.drain(0)
        return found

    for interval, limit in zip(uvloop.run(main()), (8, 6, 10), strict=True):
        assert interval.checks["holds"] == CheckCounts(limit, 0)
        assert interval.checks["is slot 0"] == CheckCounts(interval.completed, interval.failed)
        assert interval.completed + interval.failed == limit


def test_pacing_on_the_real_clock() -> None:
    """With the system's own timer, too, nothing begins early, and every due time is served once."""
    begin_ns = now_ns() + 2 * NS_PER_MS
    pacer = series.series(series.leg(begin_ns, 700_000.0, 40))
    noted: list[tuple[int, int]] = []

    async def main() -> Interval:
        starts = []

        async def once(self: Press) -> None:
            starts.append(slots.started_ns[self.slot])
            assert starts[-1] <= now_ns()

        async with made(scenario(once), 3, paced=True) as slots:
            slots.open()
            slots.follow(pacer)
            await idle(slots)
            await slots.drain(now_ns() + NS_PER_S)
            assert slots.last_start_ns() == max(starts)
            noted.extend((start - late, start) for start, late in zip(starts, slots.recorder.lateness_ns, strict=True))
            return flush(slots)

    found = uvloop.run(main())
    assert (found.completed, found.failed) == (40, 0)
    assert sorted(due for due, _ in noted) == series.due_times(begin_ns, 700_000.0, 40)
    assert all(start >= due for due, start in noted)
    assert found.response.sum_ns == found.service.sum_ns + found.lateness.sum_ns


# what belongs to whom


def test_each_slot_has_its_own() -> None:
    """What start() sets on self is the slot's alone; numbers run over all workers; the scenario itself is untouched."""
    seen: list[tuple[int, int, str, Any]] = []

    async def start(self: Any) -> None:
        self.token = f"token of {self.slot}"
        self.http.headers["Authorization"] = self.token

    async def once(self: Any) -> None:
        seen.append((self.slot, self.worker, self.token, self.http.headers["Authorization"]))
        await asyncio.sleep(0)

    press = scenario(once, start=start)

    async def main() -> None:
        async with made(press, 3, worker=2) as slots:
            await slots.start()
            slots.open()
            slots.follow(OpenGate(30))
            await idle(slots)
            await slots.drain(0)

    uvloop.run(main())
    assert set(seen) == {(n, 2, f"token of {n}", f"token of {n}") for n in (6, 7, 8)}
    assert len(seen) == 30
    assert (press.slot, press.worker) == (-1, -1)
    assert not hasattr(press, "token")
    assert not hasattr(press, "http")


def test_the_word_table_is_shared() -> None:
    """All slots draw from one and the same table, which is never copied."""
    words = [object() for _ in range(5)]
    tables, drawn = set(), set()

    async def once(self: Press, word: object) -> None:
        tables.add(id(self.vocab_list))
        drawn.add(word)
        await asyncio.sleep(0)

    press = scenario(once)
    press.vocab_list = words
    assert pressed(press, 400, 3, words=words).completed == 400
    assert tables == {id(words)}
    assert drawn == set(words)


def test_words_follow_the_seed() -> None:
    """The same seed draws the same words in the same order; another seed and another worker draw others."""
    words = list(range(1_000))

    def drawn(worker: int, seed: int) -> list[int]:
        found: list[int] = []

        async def once(self: Press, word: int) -> None:
            found.append(word)

        async def main() -> None:
            async with made(scenario(once), words=words, worker=worker, seed=seed) as slots:
                slots.open()
                slots.follow(OpenGate(50))
                await idle(slots)
                await slots.drain(0)

        uvloop.run(main())
        return found

    assert drawn(0, 7) == drawn(0, 7)
    assert len({tuple(drawn(0, 7)), tuple(drawn(0, 8)), tuple(drawn(1, 7))}) == 3


note_of_the_slot: contextvars.ContextVar[int] = contextvars.ContextVar("note_of_the_slot")


def test_tasks_of_a_press_are_its_slots() -> None:
    """Tasks that press() starts count their checks, steps and failures for the iteration that started them, and see the
    context variables that it set.
    """
    wrong: list[tuple[int, int]] = []

    async def part(self: Press, number: int) -> None:
        async with step(f"part {number}"):
            await asyncio.sleep(0)
        check(self.slot != 1 or number != 2, "part is right")
        if note_of_the_slot.get() != self.slot:
            wrong.append((note_of_the_slot.get(), self.slot))

    async def once(self: Press) -> None:
        note_of_the_slot.set(self.slot)
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(part(self, number))
        per_slot[self.slot] += 1

    per_slot: Counter[int] = Counter()
    found = pressed(scenario(once), 40, 4)
    assert wrong == []
    assert found.failed == per_slot[1] > 0
    assert found.checks["part is right"] == CheckCounts(120 - per_slot[1], per_slot[1])
    assert {name: counts.count for name, counts in found.steps.items()} == {f"part {n}": 40 for n in range(3)}


# what goes wrong


class OutcomeError(BaseException):
    """As the assertion libraries of some test tools raise: no Exception."""


class UnsayableError(Exception):
    def __str__(self) -> str:
        raise AttributeError("code")


ERRORS: list[tuple[BaseException, str, str]] = [
    (ValueError("no such VM"), "ValueError", "no such VM"),
    (ValueError("first line\nsecond line"), "ValueError", "first line"),
    (ConnectError("connection refused", "127.0.0.1:1"), "ConnectError", "connection refused"),
    (SystemExit(3), "SystemExit", "3"),
    (asyncio.CancelledError(), "CancelledError", ""),
    (TimeoutError(), "TimeoutError", ""),
    (ExceptionGroup("both", [ValueError("a"), KeyError("b")]), "ExceptionGroup", "both (2 sub-exceptions)"),
    (OutcomeError("expected 200"), "OutcomeError", "expected 200"),
    (StopAsyncIteration(), "StopAsyncIteration", ""),
]


@pytest.mark.parametrize(("error", "kind", "message"), ERRORS, ids=lambda value: str(value)[:30])
def test_whatever_press_raises_is_data(error: BaseException, kind: str, message: str) -> None:
    """An iteration that raises has failed, is measured all the same, and the slot goes on."""
    n_calls = 0

    async def once(self: Press) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls % 2:
            await asyncio.sleep(0)
            raise error

    found = pressed(scenario(once), 20, 2)
    assert (found.started, found.completed, found.failed, found.in_flight) == (20, 10, 10, 0)
    assert found.service.count == 20
    assert {key: counts.count for key, counts in found.errors.items()} == {(kind, message): 10}
    (counts,) = found.errors.values()
    assert counts.example.startswith(kind)
    assert "test_slots.py" in counts.example


def test_an_error_that_cannot_be_told() -> None:
    """An error whose own str() raises is counted under its kind; the slot goes on."""

    async def once(self: Press) -> None:
        raise UnsayableError

    found = pressed(scenario(once), 5)
    assert (found.failed, found.in_flight) == (5, 0)
    assert [(kind, counts.count) for (kind, _), counts in found.errors.items()] == [("UnsayableError", 5)]


def test_an_iteration_fails_once() -> None:
    """However many checks do not hold and errors come together, the iteration fails once; the next may complete."""
    n_calls = 0

    async def once(self: Press) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls % 2 == 0:
            assert check(1, "holds")
            return
        for _ in range(3):
            assert not check([], "has items")
        self._clients._trace.fail(ConnectError("refused"))
        raise ValueError("and this")

    found = pressed(scenario(once), 10)
    assert (found.completed, found.failed) == (5, 5)
    assert found.checks == {"has items": CheckCounts(0, 15), "holds": CheckCounts(5, 0)}
    assert {key: counts.count for key, counts in found.errors.items()} == {
        (CHECK_FAILED, "has items"): 15,
        ("ConnectError", "refused"): 5,
        ("ValueError", "and this"): 5,
    }


def test_start_fails_no_iteration() -> None:
    """A check that does not hold in start() says nothing of the first iteration."""

    async def start(self: Press) -> None:
        check(ok=False, name="logged in")

    async def once(self: Press) -> None:
        pass

    found = pressed(scenario(once, start=start), 4, 2)
    assert (found.completed, found.failed) == (4, 0)


def test_a_press_that_cancels_itself() -> None:
    """A press() that cancels the task it runs in costs no slot, and nothing due is lost."""

    async def once(self: Press) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    async def main() -> Interval:
        begin_ns = now_ns() + NS_PER_MS
        pacer = series.series(series.leg(begin_ns, float(NS_PER_MS), 10))
        async with made(scenario(once), 1, paced=True) as slots:
            slots.open()
            slots.follow(pacer)
            await asyncio.sleep(0.03)
            n_unstarted = slots.gate.n_due(now_ns())
            await slots.drain(now_ns() + NS_PER_S)
            found = flush(slots)
            found.dropped = n_unstarted
            return found

    found = uvloop.run(main())
    assert (found.started, found.dropped) == (10, 0)
    assert found.completed + found.failed == 10


def test_a_cancellation_leaves_nothing_behind() -> None:
    """After an iteration that was cancelled, task groups and timeouts of the next ones work as ever."""
    n_calls = 0

    async def fails() -> None:
        raise ValueError("a part failed")

    async def once(self: Press) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 1:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(0)
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            await asyncio.get_running_loop().create_future()

    found = pressed(scenario(once), 3)
    assert {kind: counts.count for (kind, _), counts in found.errors.items()} == {
        "CancelledError": 1,
        "ExceptionGroup": 2,
    }


def test_failures_outside_of_a_slot() -> None:
    """A client that fails where no slot runs is counted as an error, and fails no iteration."""
    recorder = Recorder(paced=False)
    SlotTrace(recorder).fail(ConnectError("refused", "127.0.0.1:1"))
    found = recorder.flush(0, None, [], Health())
    assert found.failed == 0
    assert found.errors["ConnectError", "refused"].count == 1


def test_errors_alike_are_one() -> None:
    """Client errors are grouped by what does not change from one to the next; the whole story is the example."""
    recorder = Recorder(paced=False)
    for port in range(5):
        note_error(recorder, ConnectError("connection refused", f"127.0.0.1:{port}"))
    found = recorder.flush(0, None, [], Health())
    (key,) = found.errors
    assert key == ("ConnectError", "connection refused")
    assert found.errors[key].count == 5
    assert "127.0.0.1:0" in found.errors[key].example


# beside others


@pytest.mark.parametrize("busy_ns", [0, 40_000])
@pytest.mark.parametrize("n_slots", [1, 3])
def test_a_press_that_never_awaits(n_slots: int, busy_ns: int) -> None:
    """A press() that awaits nothing starves neither the loop nor the other slots, quick or not."""
    seen_at: list[int] = []
    per_slot: Counter[int] = Counter()
    limit = 4_000 if busy_ns == 0 else 1_500

    async def once(self: Press) -> None:
        per_slot[self.slot] += 1
        if per_slot.total() == 1:
            asyncio.get_running_loop().call_soon(lambda: seen_at.append(per_slot.total()))
        until_ns = now_ns() + busy_ns
        while now_ns() < until_ns:
            pass

    assert pressed(scenario(once), limit, n_slots).completed == limit
    assert seen_at[0] < limit / 2
    assert len(per_slot) == n_slots


def test_a_slot_that_hangs_holds_up_no_other() -> None:
    """The other slots take what a slot that hangs cannot."""
    hold = asyncio.Event()
    n_done = 0

    async def once(self: Press) -> None:
        nonlocal n_done
        if self.slot == 0:
            await hold.wait()
        n_done += 1
        if n_done == 20:
            hold.set()

    assert pressed(scenario(once), 21, 3).completed == 21


# the beginning and the end


def test_a_slot_that_cannot_start_does_not_press() -> None:
    """A slot whose start() fails is retired, whatever was raised; the others press, and do not miss it."""
    seen, stopped = set(), set()
    errors: dict[int, BaseException] = {
        0: ValueError("wrong password"),
        2: SystemExit(1),
        3: asyncio.CancelledError(),
        5: OutcomeError("no"),
    }

    async def start(self: Press) -> None:
        await asyncio.sleep(0)
        if self.slot in errors:
            raise errors[self.slot]

    async def once(self: Press) -> None:
        seen.add(self.slot)
        await asyncio.sleep(0)

    async def stop(self: Press) -> None:
        stopped.add(self.slot)

    async def main() -> None:
        async with made(scenario(once, start=start, stop=stop), 6) as slots:
            assert await slots.start() == list(errors.values())
            assert len(slots) == 2
            slots.open()
            slots.follow(OpenGate(20))
            await idle(slots)
            await slots.drain(0)
            await slots.stop(1)
            assert flush(slots).completed == 20

    uvloop.run(main())
    assert seen == stopped == {1, 4}


def test_all_slots_start_at_the_same_time() -> None:
    """No slot's start() waits for another's."""
    n_inside = 0
    together = asyncio.Event()

    async def start(self: Press) -> None:
        nonlocal n_inside
        n_inside += 1
        if n_inside == 5:
            together.set()
        await together.wait()

    async def once(self: Press) -> None:
        pass

    assert pressed(scenario(once, start=start), 5, 5).completed == 5


def test_the_drain_waits_for_what_is_in_flight() -> None:
    """Iterations that end within the drain's time count as ended."""

    async def once(self: Press) -> None:
        await asyncio.sleep(0.02)

    async def main() -> Interval:
        async with made(scenario(once), 4) as slots:
            slots.open()
            slots.follow(OpenGate(None))
            while len(slots.running_since_ns()) < 4:
                await asyncio.sleep(0)
            await slots.drain(now_ns() + 5 * NS_PER_S)
            assert slots.given_up_ns == slots.running_since_ns() == []
            return flush(slots)

    found = uvloop.run(main())
    assert (found.started, found.completed, found.in_flight) == (4, 4, 0)


def test_the_drain_gives_up_what_hangs() -> None:
    """What has not ended in time is cancelled; the starts of just those are told, and they count as in flight."""
    cancelled: list[int] = []

    async def main() -> Interval:
        starts = []

        async def once(self: Press) -> None:
            starts.append(slots.started_ns[self.slot])
            if self.slot % 2:
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    cancelled.append(self.slot)

        async with made(scenario(once), 4) as slots:
            slots.open()
            await asyncio.sleep(0)
            begun_ns = now_ns()
            slots.follow(OpenGate(20))
            while slots.gate.due_ns != NEVER_NS:
                await asyncio.sleep(0)
            await slots.drain(now_ns() + 5 * NS_PER_MS)
            assert len(slots.given_up_ns) == 2
            assert all(begun_ns <= ns <= now_ns() for ns in slots.given_up_ns)
            assert slots.last_start_ns() == max(starts)
            return flush(slots)

    found = uvloop.run(main())
    assert sorted(cancelled) == [1, 3]
    assert (found.started, found.completed, found.failed, found.in_flight) == (20, 18, 0, 2)


async def swallow() -> None:
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        pass


async def replace_by(error: BaseException) -> None:
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        raise error from None


@pytest.mark.parametrize(
    "hang",
    [
        swallow,
        lambda: replace_by(ValueError("cleaning up failed")),
        lambda: replace_by(SystemExit(1)),
        lambda: replace_by(OutcomeError("no")),
    ],
    ids=["swallows", "raises", "exits", "raises no Exception"],
)
def test_an_iteration_that_ends_otherwise_when_given_up(hang: Callable[[], Any]) -> None:
    """A press() that makes something else of its cancellation is still one iteration, counted once."""

    async def once(self: Press) -> None:
        await hang()

    async def main() -> Interval:
        async with made(scenario(once), 3) as slots:
            slots.open()
            slots.follow(OpenGate(3))
            while len(slots.running_since_ns()) < 3:
                await asyncio.sleep(0)
            await slots.drain(0)
            return flush(slots)

    found = uvloop.run(main())
    assert found.started == 3
    assert found.completed + found.failed + found.in_flight == 3


def test_a_worker_that_fails_midway() -> None:
    """Slots end with the task that opened them, busy or not: its error comes out, and the loop can be closed."""

    async def once(self: Press) -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        async with made(scenario(once), 3) as slots:
            slots.open()
            await asyncio.sleep(0)
            slots.follow(OpenGate(2))
            while len(slots.running_since_ns()) < 2:
                await asyncio.sleep(0)
            slots._timer.close()  # as drain() would have; here the end of the process is what closes it
            raise OSError("the channel broke")

    with pytest.raises(OSError, match="the channel broke"):
        uvloop.run(main())


def test_stop_runs_in_every_slot() -> None:
    """Each slot's stop() runs once; one that raises or hangs keeps no other from it, and none holds up the end."""
    stopped: list[int] = []

    async def once(self: Press) -> None:
        pass

    async def stop(self: Press) -> None:
        stopped.append(self.slot)
        if self.slot == 1:
            raise ValueError("no goodbye")
        if self.slot == 2:
            raise SystemExit(2)
        if self.slot == 3:
            await asyncio.get_running_loop().create_future()
        check(ok=True, name="said goodbye")

    async def main() -> None:
        async with made(scenario(once, stop=stop), 5) as slots:
            await slots.start()
            slots.open()
            await slots.drain(0)
            await slots.stop(0.01)

    uvloop.run(main())
    assert sorted(stopped) == [0, 1, 2, 3, 4]


# no word


@pytest.mark.parametrize("n_slots", [1, 5])
def test_an_iteration_without_a_word(n_slots: int) -> None:
    """Where the words end, the iteration that was to begin has not begun: not counted, not in flight, no error."""
    words = iter(range(7))

    async def press(self: Press) -> None:
        if next(words, None) is None:
            raise NoWordError
        await asyncio.sleep(0)

    async def press_all_words() -> Interval:
        async with made(scenario(press), n_slots) as slots:
            slots.open()
            slots.follow(OpenGate(None))
            while not all(task.done() for task in slots._tasks):
                await asyncio.sleep(0)
            assert slots.running_since_ns() == []
            await slots.drain(now_ns())
            return flush(slots)

    found = uvloop.run(press_all_words())
    assert (found.started, found.completed, found.failed, found.in_flight) == (7, 7, 0, 0)
    assert found.errors == {}
