"""Slots with stages: each iteration that the gate lets begin is prepared, pressed, verified and counted once."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import uvloop

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.clock import now_ns
from hybridpress.errors import TableChangedError
from hybridpress.metrics.cpu import CpuRecorder
from hybridpress.metrics.interval import Health, Interval
from hybridpress.metrics.recorder import Recorder
from hybridpress.press import Press, check
from hybridpress.scenario import shape_of
from hybridpress.units import NEVER_NS, NS_PER_S
from hybridpress.vocab.policy import Policy
from hybridpress.vocab.supply import Supply
from hybridpress.worker.cpu.batch import Bench, Prepared, ToPrepare, ToVerify, Verified, dump, load
from hybridpress.worker.cpu.dispatch import Batch
from hybridpress.worker.cpu.tier import Tier
from hybridpress.worker.gate import Gate, OpenGate
from hybridpress.worker.slots import SlotTrace
from hybridpress.worker.staged import StagedSlots
from hybridpress.worker.stages import Stages, tier_of
from tests.load.series import leg, series

PATIENCE_S = 5.0


class InLine:
    """In the place of the dispatcher: every batch is done at the loop's next turn, as a CPU worker would."""

    def __init__(self, tier: Tier, press: Press, words: list[Any]) -> None:
        self._tier = tier
        self._bench = Bench(press, words, [0])
        self._out: list[Batch] = []

    def dispatch(self) -> None:
        while not self._out and (batch := self._tier._next_batch()) is not None:
            self._out.append(batch)
            asyncio.get_running_loop().call_soon(self._do, batch)

    def _do(self, batch: Batch) -> None:
        ask = ToPrepare(1, batch.numbers) if batch.numbers is not None else ToVerify(1, batch.items or [])
        answer: Prepared | Verified = load(self._bench.answer(dump(ask)), "?")
        self._out.remove(batch)
        self._tier._answered(batch, answer, 100)
        self.dispatch()

    def pending(self) -> list[Batch]:
        return self._out

    def close(self) -> None: ...


@asynccontextmanager
async def made(
    press: Press, n_slots: int = 3, *, words: list[Any] | None = None, tier: bool = False, sample: float = 1.0,
    paced: bool = False, timeout_s: float = PATIENCE_S, policy: Policy | None = None,
    supply: Supply | None = None, ran_out: Callable[[], None] = lambda: None,
) -> AsyncIterator[StagedSlots]:  # fmt: skip
    recorder, shape = Recorder(paced=paced), shape_of(press)
    recorder.cpu = CpuRecorder()
    clients = Clients(HttpSettings(), SlotTrace(recorder))
    words = words or []
    if supply is None:
        supply = Supply(policy or Policy(), [n_slots], 1)
        supply.fill(words)

    def end() -> None:
        ran_out()
        slots.close()

    stages = Stages(
        press, shape, words, supply.draw(0) if shape.takes_word else None, recorder, recorder.cpu,
        timeout_s=timeout_s, sample=sample, seed="1/0", ran_out=end,
    )  # fmt: skip
    if tier:
        attached = tier_of(stages, [], n_slots)
        attached._dispatcher = cast("Any", InLine(attached, press, words))
        stages.attach(attached, is_gated=True)
    slots = StagedSlots(press, range(n_slots), 0, clients, recorder, {0: stages})
    if tier:
        attached.failed_late = lambda n: setattr(recorder, "n_failed", recorder.n_failed + n)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield slots
    finally:
        await clients.close()


async def press_all(press: Press, gate: Gate, **more: Any) -> Interval:
    """All that *gate* lets begin, from start() to stop(); what was measured of it."""
    async with made(press, **more) as slots:
        assert await slots.start() == []
        slots.open()
        slots.follow(gate)
        while slots.gate.due_ns != NEVER_NS or slots.running_since_ns():
            await asyncio.sleep(0.001)
        until_ns = now_ns() + NS_PER_S
        await slots.drain(until_ns)
        for found in slots.tiers.values():
            await found.settle(until_ns)
            found.close()
        await slots.stop(PATIENCE_S)
        return slots.recorder.flush(0, None, slots.given_up_ns, Health())


def pressed(press: Press, gate: Gate, **more: Any) -> Interval:
    return uvloop.run(press_all(press, gate, **more))


class Doubles(Press):
    """prepare() doubles, verify() looks; some words are bad, some replies wrong."""

    def prepare(self, word: int) -> int:
        if word == 7:
            raise ValueError("bad word")
        return 2 * word

    async def press(self, word: int) -> int | None:
        check(word % 2 == 0, "even")
        return None if word == 4 else word

    def verify(self, word: int, reply: int) -> None:
        if word == 3:
            raise KeyError("cannot read it")
        check(reply == 2 * word, "double")
        check(word != 5, "not five")


def drawn(n: int, n_words: int) -> list[int]:
    draw = random.Random("1/0").random
    return [int(draw() * n_words) for _ in range(n)]


@pytest.mark.parametrize("tier", [False, True], ids=["in line", "in the tier"])
def test_each_stage_is_counted_once(*, tier: bool) -> None:
    """With a tier and without, the same words come to the same counts, errors and checks."""
    n = 300
    found = pressed(Doubles(), OpenGate(n), words=list(range(10)), tier=tier)
    seen = drawn(n, 10)
    n_bad, n_unread, n_five, n_silent = (seen.count(word) for word in (7, 3, 5, 2))
    assert found.started == n == found.completed + found.failed
    assert found.failed == n_bad + n_unread + n_five
    assert {key: error.count for key, error in found.errors.items()} == {
        ("PrepareError", "ValueError: bad word"): n_bad,
        ("VerifyError", "KeyError: 'cannot read it'"): n_unread,
        ("CheckFailed", "not five"): n_five,
    }
    assert found.checks["even"].passed == n - n_bad
    n_verified = n - n_bad - n_silent
    assert found.checks["double"].passed == n_verified - n_unread
    assert (found.checks["not five"].passed, found.checks["not five"].failed) == (
        n_verified - n_unread - n_five,
        n_five,
    )
    assert found.cpu.verify.count == n_verified
    assert found.cpu.prepare.count >= n
    assert found.cpu.verify_failed == n_unread + n_five
    assert found.cpu.prepare_failed == n_bad
    assert found.service.count == found.response.count == n


@pytest.mark.parametrize("tier", [False, True], ids=["in line", "in the tier"])
def test_a_sample(*, tier: bool) -> None:
    """Of the replies so many are verified, drawn at random."""
    found = pressed(Doubles(), OpenGate(1_000), words=[1, 2], tier=tier, sample=0.3)
    n_replies = 1_000 - drawn(1_000, 2).count(1)  # word 2 is number 1, and has none
    assert 0.2 * n_replies < found.cpu.verify.count < 0.4 * n_replies


def test_work_in_line_is_no_service_time() -> None:
    """prepare() makes the iteration late, verify() makes the slot late: neither is in the time of press()."""

    class Slow(Press):
        def prepare(self, word: int) -> int:
            time.sleep(0.01)
            return word

        async def press(self, word: int) -> int:
            return word

        def verify(self, word: int, reply: int) -> None:
            time.sleep(0.01)

    pacer = series(leg(now_ns(), 1_000_000, 5))
    found = pressed(Slow(), pacer, words=[1], n_slots=1, paced=True)
    assert found.service.max_ns < 5_000_000
    assert found.lateness.min_ns > 9_000_000
    assert (found.cpu.prepare.min_ns, found.cpu.verify.min_ns) > (9_000_000, 9_000_000)


def test_verify_without_words() -> None:
    """A press() without a word is verified with None."""
    seen: list[Any] = []

    class Wordless(Press):
        async def press(self) -> str:
            return "reply"

        def verify(self, word: Any, reply: Any) -> None:
            seen.append((word, reply))

    found = pressed(Wordless(), OpenGate(10), tier=True)
    assert seen == [(None, "reply")] * 10
    assert (found.completed, found.cpu.prepare.count) == (10, 0)


def of(press: Callable[..., Any]) -> Press:
    made: Press = type("Made", (Press,), {"press": press})()
    return made


def test_threads() -> None:
    """A plain press() runs in its slot's thread; its time is what it took there."""
    names = set()

    def press(self: Press) -> None:
        names.add((self.slot, threading.current_thread().name))
        time.sleep(0.002)
        check(ok=self.slot != 1, name="not slot 1")

    found = pressed(of(press), OpenGate(30))
    assert names == {(0, "slot-0"), (1, "slot-1"), (2, "slot-2")}
    assert found.started == 30 == found.completed + found.failed
    assert found.failed == found.checks["not slot 1"].failed > 0
    assert found.service.min_ns >= 2_000_000


@pytest.mark.parametrize("tier", [False, True], ids=["in line", "in the tier"])
def test_words_for_threads(*, tier: bool) -> None:
    """A word that cannot be prepared fails its own iteration; what the thread noted before is not noted again."""

    def prepare(self: Press, word: int) -> int:
        return 1 // word

    def press(self: Press, word: int) -> None:
        check(word == 1, "prepared")

    made: Press = type("Made", (Press,), {"prepare": prepare, "press": press})()
    found = pressed(made, OpenGate(200), words=[0, 1], tier=tier)
    n_bad = drawn(200, 2).count(0)
    assert (found.failed, found.completed) == (n_bad, 200 - n_bad)
    assert found.checks["prepared"].passed == 200 - n_bad


def test_a_thread_that_is_stuck_holds_its_slot_only() -> None:
    """Its iteration fails at its time, the other slots go on, and the end does not wait for it."""
    may_end = threading.Event()
    n_calls = 0

    def press(self: Press) -> None:
        nonlocal n_calls
        if self.slot == 0:
            n_calls += 1
            may_end.wait()

    try:
        found = pressed(of(press), OpenGate(50), timeout_s=0.2)
    finally:
        may_end.set()
    assert n_calls == 1
    assert (found.failed, found.completed) == (1, 49)
    [(kind, _)] = found.errors
    assert kind == "PressTimeoutError"


def test_given_up() -> None:
    """What is in flight at the end of the drain is in flight, in whatever stage."""
    may_end = threading.Event()

    def press(self: Press) -> None:
        may_end.wait()

    async def main() -> Interval:
        async with made(of(press)) as slots:
            await slots.start()
            slots.open()
            slots.follow(OpenGate(3))
            while len(slots.running_since_ns()) < 3:
                await asyncio.sleep(0.001)
            await slots.drain(now_ns())
            return slots.recorder.flush(0, None, slots.given_up_ns, Health())

    try:
        found = uvloop.run(main())
    finally:
        may_end.set()
    assert (found.started, found.in_flight, found.completed, found.failed) == (3, 3, 0, 0)


NOT_AT_RANDOM = {
    "sequential": list(range(40)) * 2,
    "shuffle": None,
    "partitioned": list(range(40)) * 2,
    "once": list(range(40)),
}


@pytest.mark.parametrize("tier", [False, True], ids=["in line", "in the tier"])
@pytest.mark.parametrize("draw", NOT_AT_RANDOM)
def test_words_in_their_order(draw: Any, *, tier: bool) -> None:
    """However they are drawn, words are pressed in that order, also where they were made ready before."""
    seen: list[int] = []
    n_ends = 0

    class Noted(Press):
        def prepare(self, word: int) -> int:
            return word

        async def press(self, word: int) -> None:
            seen.append(word)

    def ran_out() -> None:
        nonlocal n_ends
        n_ends += 1

    gate = OpenGate(None if draw == "once" else 80)
    found = pressed(Noted(), gate, words=list(range(40)), tier=tier, policy=Policy(draw), n_slots=1, ran_out=ran_out)
    if draw == "shuffle":
        assert sorted(seen[:40]) == sorted(seen[40:]) == list(range(40)) != seen[:40]
    else:
        assert seen == NOT_AT_RANDOM[draw]
    assert found.completed == len(seen)
    assert bool(n_ends) == (draw == "once")


@pytest.mark.parametrize("tier", [False, True], ids=["in line", "in the tier"])
def test_each_slot_its_own_word(*, tier: bool) -> None:
    """With prepare() too, word i is that of slot i, and each is prepared anew for each iteration."""
    seen: set[tuple[int, int]] = set()

    class Mine(Press):
        def prepare(self, word: int) -> int:
            return 10 * word

        async def press(self, word: int) -> None:
            seen.add((self.slot, word))
            await asyncio.sleep(0)

    found = pressed(Mine(), OpenGate(60), words=[0, 1, 2], tier=tier, policy=Policy("per_slot"))
    assert seen == {(0, 0), (1, 10), (2, 20)}
    assert found.completed == 60 == found.cpu.prepare.count


@pytest.mark.parametrize("tier", [False, True], ids=["in line", "in the tier"])
def test_words_in_flight_again(*, tier: bool) -> None:
    """A process that takes another's place has prepared and pressed again what that had in flight, then the rest."""
    seen: list[int] = []

    class Noted(Press):
        def prepare(self, word: int) -> int:
            return word

        async def press(self, word: int) -> None:
            seen.append(word)
            await asyncio.sleep(0)

    policy = Policy("once", in_flight="again")
    supply = Supply(policy, [3], 1)
    supply.fill(range(20))
    dead = supply.draw(0)
    for slot in (0, 1, 2, 0):
        dead.next(slot)  # slot 0 had word 0 and was done with it
    found = pressed(Noted(), OpenGate(None), words=list(range(20)), tier=tier, supply=supply)
    assert sorted(seen) == [1, 2, *range(3, 20)]
    assert set(seen[:3]) == {1, 2, 3}
    assert found.completed == 19
    assert supply.n_left == 0
    assert supply.told_lost() == []


def test_a_word_that_cannot_be_read() -> None:
    """It fails its own iteration, and the slot goes on."""

    class Words(list[int]):
        def __getitem__(self, index: Any) -> Any:
            if index == 1:
                raise TableChangedError("users.csv", 1, "cut short")
            return super().__getitem__(index)

    def press(self: Press, word: int) -> None:
        check(word != 1, "read")

    found = pressed(of(press), OpenGate(6), words=Words([0, 1, 2]), policy=Policy("sequential"))
    assert (found.completed, found.failed) == (4, 2)
    assert [kind for kind, _ in found.errors] == ["TableChangedError"]
