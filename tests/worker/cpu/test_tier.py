"""The stock and the backlog of one load worker: as much as the pace wants, never more than the bounds."""

from __future__ import annotations

import asyncio
import itertools
from array import array
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.load.arrivals import Uniform
from hybridpress.load.pacer import Pacer
from hybridpress.load.plan import Leg
from hybridpress.load.profile import constant
from hybridpress.metrics.cpu import CpuRecorder
from hybridpress.units import NEVER_NS, NS_PER_MS, NS_PER_S
from hybridpress.worker.cpu import tier as tier_module
from hybridpress.worker.cpu.batch import Prepared, Unprepared, Verified
from hybridpress.worker.cpu.cost import FIRST_BATCH, FIRST_ITEMS, MAX_BATCH, MAX_BYTES, MAX_ITEMS, Cost
from hybridpress.worker.cpu.dispatch import Batch
from hybridpress.worker.cpu.tier import AHEAD_NS, Tier
from hybridpress.worker.gate import OpenGate

NOW_NS = 1_000 * NS_PER_S
MS = NS_PER_MS


class Hand:
    """In the place of the dispatcher: it holds what it is given until the test answers."""

    def __init__(self, _: Any, __: Any, next_batch: Callable[[], Batch | None], *___: Any) -> None:
        self.next_batch = next_batch
        self.out: list[Batch] = []
        self.room = 2

    def dispatch(self) -> None:
        while len(self.out) < self.room and (batch := self.next_batch()) is not None:
            self.out.append(batch)

    def pending(self) -> list[Batch]:
        return self.out


@pytest.fixture(autouse=True)
def _by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tier_module, "Dispatcher", Hand)
    monkeypatch.setattr(tier_module, "now_ns", lambda: NOW_NS)


def tier_of(draw: Callable[[], int] | None = None, n_slots: int = 10) -> tuple[Tier, Hand]:
    tier = Tier(cast("asyncio.AbstractEventLoop", None), [], CpuRecorder(), draw, n_slots)
    return tier, cast("Hand", tier._dispatcher)


def numbers(n_words: int | None = None) -> Callable[[], int]:
    """0, 1, 2… without end, or so many."""
    found: Iterator[int] = itertools.count()
    if n_words is not None:
        found = itertools.chain(range(n_words), itertools.repeat(-1))
    return found.__next__


def answer(tier: Tier, hand: Hand, *, item_ns: int = MS, n_bytes: int = 100) -> int:
    """The CPU workers answer the oldest batch; how many words that were."""
    batch = hand.out.pop(0)
    durations = array("q", [item_ns] * len(batch))
    if batch.numbers is not None:
        tier._answered(batch, Prepared(1, [-number for number in batch.numbers], durations), n_bytes * len(batch))
    else:
        batch.n_bytes = n_bytes * len(batch)
        tier._answered(batch, Verified(1, durations), 10)
    hand.dispatch()
    return len(batch)


def paced(rate_per_s: float, n: int | None = None) -> Pacer:
    pacer = Pacer(0, constant(rate_per_s), Uniform())
    pacer.apply(Leg(0, n, NOW_NS, 0.0, None, (1,)))
    return pacer


def on_hand(tier: Tier, hand: Hand) -> int:
    """Words that are ready or on their way."""
    return tier.gate.n_free + sum(len(batch) for batch in hand.out if batch.numbers is not None)


def test_words_come_in_the_order_drawn() -> None:
    """The stock is handed out as it came back, each word with its number."""
    tier, hand = tier_of(numbers())
    gate = tier.over(OpenGate(None))
    answer(tier, hand)
    answer(tier, hand)
    found = []
    while not gate.is_starved:
        gate.take()
        found.append(tier.pop())
    assert found == [(number, -number) for number in range(len(found))]
    assert found


def test_words_that_overtake_wait() -> None:
    """Of two CPU workers the second may be done first: its words come after the first one's all the same."""
    tier, hand = tier_of(numbers())
    gate = tier.over(OpenGate(None))
    first, second = hand.out
    hand.room = 0
    hand.out = [second, *first.split()[::-1]]
    for n_left in range(len(first), 0, -1):
        answer(tier, hand)
        assert gate.is_starved, n_left
    answer(tier, hand)
    assert [tier.pop()[0] for _ in range(gate.n_free)] == list(range(len(first) + len(second)))


@pytest.mark.parametrize(("rate", "n_wanted"), [(1_000, 250), (100, 25), (1, 1), (0.01, 1), (10**6, MAX_ITEMS)])
def test_the_stock_follows_the_pace(rate: float, n_wanted: int) -> None:
    """Ready is what is due within the look-ahead, at least one word, and no more than the bound."""
    tier, hand = tier_of(numbers())
    tier.over(paced(rate))
    for _ in range(2_000):
        if hand.out:
            answer(tier, hand, item_ns=100)
    assert n_wanted / 2 <= on_hand(tier, hand) <= n_wanted + 1
    assert AHEAD_NS == 250 * MS, "what the numbers stand for"


def test_nothing_is_prepared_beyond_the_plan() -> None:
    """What the plan does not hold is not drawn."""
    tier, hand = tier_of(numbers())
    gate = tier.over(paced(1_000, 20))
    n_taken = 0
    while gate.due_ns != NEVER_NS:
        if gate.is_starved:
            answer(tier, hand)
        else:
            gate.take()
            tier.pop()
            n_taken += 1
    assert n_taken == 20
    assert on_hand(tier, hand) == 0


def test_a_table_that_runs_out() -> None:
    """When the draw has no more words, the iterations end with the last of them."""
    tier, hand = tier_of(numbers(7))
    gate = tier.over(OpenGate(None))
    found = []
    while gate.due_ns != NEVER_NS:
        if gate.is_starved:
            answer(tier, hand)
        else:
            gate.take()
            found.append(tier.pop()[0])
    assert found == list(range(7))


@given(st.integers(1, 10 * MS), st.integers(1, 10**8))
def test_batches_and_bounds(item_ns: int, n_bytes: int) -> None:
    """A batch is some ms of work, or what fits; all that waits fits into memory."""
    cost = Cost()
    cost.saw(4, 4 * item_ns, 4 * n_bytes)
    assert 1 <= cost.batch <= MAX_BATCH
    assert cost.batch == 1 or cost.batch * item_ns <= 4 * MS
    assert cost.limit == 1 or cost.limit * n_bytes <= MAX_BYTES
    assert cost.batch <= max(cost.limit, 1)


def test_little_is_asked_for_while_nothing_is_known() -> None:
    """Before the first answer a batch is small, and so is the stock."""
    assert (Cost().batch, Cost().limit, Cost().limit_within(10**12)) == (FIRST_BATCH, FIRST_ITEMS, FIRST_ITEMS)


def test_iterations_that_waited_are_counted() -> None:
    """Those that the first words after a drought let begin had waited for them; later ones had not."""
    tier, hand = tier_of(numbers())
    gate = tier.over(paced(10_000))
    takes = 2

    def wake() -> None:
        for _ in range(takes):
            gate.take()
            tier.pop()

    tier.refilled = wake
    answer(tier, hand)
    assert tier._recorder.n_waits == takes
    gate.take()
    answer(tier, hand)
    assert tier._recorder.n_waits == takes, "this one found its word"


def test_words_that_were_given_up() -> None:
    """They stand in the stock as failures, so that their iterations fail and no others."""
    tier, hand = tier_of(numbers())
    tier.over(OpenGate(None))
    batch = hand.out.pop(0)
    tier._give_up(batch, ("PrepareError", "gone", ""))
    number, word = tier.pop()
    assert number == 0
    assert isinstance(word, Unprepared)
    assert word.error[1] == "gone"


# replies


def test_replies_go_in_batches() -> None:
    """A reply waits until its batch is full, or until the next tick, or the end."""
    tier, hand = tier_of()
    tier.over(OpenGate(None))
    for n_given in range(FIRST_BATCH):
        assert hand.out == [], n_given
        tier.hand_over(1, "reply", has_failed=False)
    assert [len(batch) for batch in hand.out] == [FIRST_BATCH]
    tier.hand_over(1, "last", has_failed=False)
    tier.end()
    assert [len(batch) for batch in hand.out] == [FIRST_BATCH, 1]


def test_the_backlog_holds_iterations_back() -> None:
    """With no room for replies nothing begins; when some were verified, what had waited does."""
    tier, hand = tier_of()
    gate = tier.over(OpenGate(None))
    refills: list[int] = []
    tier.refilled = lambda: refills.append(gate.n_taken)
    n_given = 0
    while not gate.is_starved:
        gate.take()
        tier.hand_over(1, "reply", has_failed=False)
        n_given += 1
    assert n_given == FIRST_ITEMS
    answer(tier, hand)
    assert gate.due_ns == 0


def test_words_and_replies_share_the_cpu_workers() -> None:
    """However scarce words are, replies are verified: a backlog that is half full goes first."""
    tier, hand = tier_of(numbers(), n_slots=1_000)
    hand.room = 1
    gate = tier.over(OpenGate(None))
    n_verified = 0
    for _ in range(2_000):
        while not gate.is_starved:
            gate.take()
            tier.hand_over(tier.pop()[0], "reply", has_failed=False)
        is_reply = hand.out[0].items is not None
        n_verified += answer(tier, hand) * is_reply
    assert n_verified > 100
    assert tier._n_unverified <= tier._most_unverified


def test_settled_without_a_gap() -> None:
    """What is settled is known from the first reply on: an answer that overtakes another does not count yet."""
    tier, hand = tier_of()
    tier.over(OpenGate(None))
    for _ in range(2 * FIRST_BATCH):
        tier.hand_over(1, "reply", has_failed=False)
    assert (tier.n_given, tier.n_settled) == (2 * FIRST_BATCH, 0)
    first, second = hand.out
    hand.out = [second, first]
    answer(tier, hand)
    assert tier.n_settled == 0
    answer(tier, hand)
    assert tier.n_settled == 2 * FIRST_BATCH


def test_late_failures_are_told() -> None:
    """Of replies that are given up, those fail their iterations that had not failed before."""
    tier, hand = tier_of()
    told: list[int] = []
    tier.failed_late = told.append
    tier.hand_over(1, "a", has_failed=False)
    tier.hand_over(1, "b", has_failed=True)
    tier.end()
    batch = hand.out.pop(0)
    tier._give_up(batch, ("VerifyError", "gone", ""))
    assert told == [1]
    assert tier._recorder.n_verify_failed == 2


# for iterations that begin by another gate


async def begun(n_words: int | None = None) -> tuple[Tier, Hand, list[int]]:
    """A tier in a loop, what it has given out, and the slots that words were drawn for."""
    slots: list[int] = []
    tier = Tier(asyncio.get_running_loop(), [], CpuRecorder(), numbers(n_words), 10, slots.append)
    tier.foresee(OpenGate(None))
    return tier, cast("Hand", tier._dispatcher), slots


def test_those_who_wait_are_served_in_their_order() -> None:
    """Who came first has the first word that is ready, and it is drawn for its slot then, not before."""

    async def main() -> None:
        tier, hand, slots = await begun()
        assert tier.take(7) is None
        waiters = [tier.wait(slot) for slot in (7, 3)]
        assert slots == []
        answer(tier, hand)
        assert [waiter.result() for waiter in waiters] == [(0, 0), (1, -1)]
        assert tier.take(5) == (2, -2)
        assert slots == [7, 3, 5]

    asyncio.run(main())


def test_nobody_takes_the_word_of_one_who_waits() -> None:
    """Who comes later waits too; who was given up is passed over, and nothing is drawn for it."""

    async def main() -> None:
        tier, hand, slots = await begun()
        first, second = tier.wait(1), tier.wait(2)
        assert tier.take(3) is None
        first.cancel()
        answer(tier, hand)
        assert second.result() == (0, 0)
        assert slots == [2]

    asyncio.run(main())


def test_those_who_wait_for_words_that_are_used_up() -> None:
    """They are told that there are none, and so is who asks next; the worker hears of it."""

    async def main() -> None:
        tier, hand, _ = await begun(1)
        ends: list[int] = []
        tier.ran_out = lambda: ends.append(1)
        waiters = [tier.wait(slot) for slot in (1, 2)]
        while hand.out:
            answer(tier, hand)
        assert [waiter.result() for waiter in waiters] == [(0, 0), None]
        assert tier.wait(3).result() is None
        assert ends

    asyncio.run(main())


def test_a_word_that_is_asked_for() -> None:
    """It is prepared at once, beside the stock, and goes to who asked for it; so does the error, if that fails."""

    async def main() -> None:
        tier, hand, slots = await begun()
        hand.room = 5
        waiters = [tier.ask(number) for number in (40, 41)]
        asked = [batch for batch in hand.out if batch.asked_by]
        assert [number for batch in asked for number in batch.numbers or ()] == [40, 41]
        hand.out.sort(key=lambda batch: not batch.asked_by)
        answer(tier, hand)
        assert waiters[0].result() == -40
        tier._give_up(hand.out.pop(0), ("PrepareError", "died over it", ""))
        assert isinstance(waiters[1].result(), Unprepared)
        assert slots == []

    asyncio.run(main())


def test_words_for_those_who_wait_at_the_end() -> None:
    """Iterations that had begun when the load ended have their words still; others are not made ready."""

    async def main() -> None:
        tier, hand, _ = await begun()
        waiter = tier.wait(1)
        tier.end()
        while hand.out:
            answer(tier, hand)
        assert waiter.result() == (0, 0)

    asyncio.run(main())
