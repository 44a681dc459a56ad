"""Several presses in one worker's slots: each iteration is one part's, in turn, and counted as that part's."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import Any, ClassVar

import uvloop

from hybridpress.clients.kit import Clients
from hybridpress.clock import now_ns
from hybridpress.load.arrivals import Uniform
from hybridpress.load.pacer import Pacer
from hybridpress.load.plan import Leg
from hybridpress.load.profile import constant
from hybridpress.metrics.interval import Health, Interval
from hybridpress.metrics.recorder import Recorder
from hybridpress.mixed import MixedPress, Share
from hybridpress.parts import mixed_config, run_parts
from hybridpress.press import Press, check, step
from hybridpress.units import NEVER_NS, NS_PER_S
from hybridpress.worker.gate import Gate, OpenGate
from hybridpress.worker.groups import MixedSlots
from hybridpress.worker.mix import PartsClients, PartTrace
from hybridpress.worker.process import http_settings


class Noted(Press):
    """Notes what happens to it."""

    calls: ClassVar[list[tuple[str, Any]]] = []
    latency_s = 0.0

    async def start(self) -> None:
        self.calls.append((f"{type(self).__name__} starts", self.slot))

    async def stop(self) -> None:
        self.calls.append((f"{type(self).__name__} stops", self.slot))


class Part(Noted):
    """Has words."""

    async def press(self, word: int) -> None:
        self.calls.append((type(self).__name__, word))
        with step("wait"):
            await asyncio.sleep(self.latency_s)
        check(word != 2, "is not two")


class Slow(Part):
    vocab = range(3)
    draw = "sequential"
    latency_s = 0.003


class Quick(Part):
    vocab = range(5)


class Stuck(Noted):
    async def press(self) -> None:
        self.calls.append(("Stuck", 0))
        await asyncio.sleep(60)


class Broken(Noted):
    async def press(self) -> None:
        await asyncio.sleep(0)
        raise ValueError("no such VM")

    async def stop(self) -> None:
        await super().stop()
        raise ValueError("cannot stop")


def run_mix(parts: Any, gate: int | Gate | None, n_slots: int | None = 4, *, stop_after: int = 0) -> Interval:
    """What *gate* lets begin of a mix, or so many iterations, unpaced. Without a limit, those in flight are given up
    once *stop_after* are stuck.
    """
    Noted.calls.clear()
    gate = OpenGate(gate) if gate is None or isinstance(gate, int) else gate
    return uvloop.run(_run_mix(MixedPress(parts), gate, n_slots, stop_after))


async def _run_mix(mixed: MixedPress, gate: Gate, n_slots: int | None, stop_after: int) -> Interval:
    config = mixed_config(mixed, {"concurrent": n_slots, "processes": 1, "seed": 1})
    parts = run_parts(mixed, config, {})
    for part in parts:
        part.build()
    recorder = Recorder(paced=False)
    clients = PartsClients({p.name: Clients(http_settings(p.config), PartTrace(recorder, p.name)) for p in parts})
    ended: list[str] = []

    def ran_out(part: str) -> None:
        """As a worker does: at once."""
        ended.append(part)
        slots.close()

    slots = MixedSlots(parts, range(config.concurrent), 0, clients, recorder, ran_out)
    assert await slots.start() == []
    recorder.forget_steps()
    slots.open()
    slots.follow(gate)
    n_before = -1
    while (slots.gate.due_ns != NEVER_NS or slots.running_since_ns()) and not ended:
        await asyncio.sleep(0.001)
        n_stuck = sum(1 for name, _ in Noted.calls if name == "Stuck")
        if stop_after and n_stuck == stop_after and recorder.n_ended == n_before:
            break  # nothing moves any more
        n_before = recorder.n_ended
    await slots.drain(now_ns() + (0 if stop_after else NS_PER_S))
    await slots.stop(1)
    await clients.close()
    return recorder.flush(0, None, slots.given_up_ns, Health())


def counts(found: Interval) -> dict[str, tuple[int, int, int]]:
    return {name: (part.started, part.completed, part.failed) for name, part in found.parts.items()}


def test_shares_are_exact_whatever_the_latencies() -> None:
    """At every start, each part has had its share within one, though one of them is slow."""
    found = run_mix({Slow: 7, Quick: 3}, 100)
    names = [name for name, _ in Noted.calls if name in {"Slow", "Quick"}]
    for n in range(1, 101):
        assert abs(10 * names[:n].count("Slow") - 7 * n) < 10
    assert {name: started for name, (started, _, _) in counts(found).items()} == {"Slow": 70, "Quick": 30}
    assert found.started == 100


def test_each_part_keeps_its_own() -> None:
    """Words, steps, checks and failures are those of the part."""
    found = run_mix({Slow: 1, Quick: 1}, 60)
    assert [word for name, word in Noted.calls if name == "Slow"] == list(
        itertools.islice(itertools.cycle(range(3)), 30)
    )
    assert {name: counts.count for name, counts in found.steps.items()} == {"Slow: wait": 30, "Quick: wait": 30}
    assert (found.checks["Slow: is not two"].passed, found.checks["Slow: is not two"].failed) == (20, 10)
    assert counts(found)["Slow"] == (30, 20, 10)
    assert found.parts["Slow"].response.count == 30
    assert found.failed == sum(failed for _, _, failed in counts(found).values())


def test_start_and_stop_of_each_part() -> None:
    """Each slot starts and stops each part once, also after another's error."""
    found = run_mix({Broken: 1, Quick: 1}, 10, n_slots=2)
    tally = Counter(Noted.calls)
    for part in ("Broken", "Quick"):
        for slot in range(2):
            assert tally[f"{part} starts", slot] == tally[f"{part} stops", slot] == 1
    assert counts(found)["Broken"] == (5, 0, 5)
    assert found.errors[("ValueError", "no such VM")].count == 5


def test_given_up() -> None:
    """What the drain gives up has started, and has not ended, of its part too."""
    found = run_mix({Stuck: 1}, None, n_slots=3, stop_after=3)
    assert (found.started, found.in_flight) == (3, 3)
    assert counts(found) == {"Stuck": (3, 0, 0)}


def test_a_part_without_words_left() -> None:
    """When one part has no more words, its share cannot be held: the worker starts nothing more."""

    class Few(Quick):
        draw = "once"

    found = run_mix({Few: 1, Slow: 1}, None)
    assert counts(found)["Few"][0] == 5
    assert abs(counts(found)["Slow"][0] - 5) <= 1


def test_what_never_starts_is_its_parts_too() -> None:
    """The iterations that were due and did not start are those whose turns were next."""
    pacer = overdue(9)  # all due, and nobody ever starts

    async def never() -> Interval:
        mixed = MixedPress({Slow: 2, Quick: 1})
        parts = run_parts(mixed, mixed_config(mixed, {"seed": 1, "processes": 1}), {})
        for part in parts:
            part.build()
        recorder = Recorder(paced=True)
        clients = PartsClients({p.name: Clients(http_settings(p.config), PartTrace(recorder, p.name)) for p in parts})
        slots = MixedSlots(parts, range(10), 0, clients, recorder, lambda _: None)
        found = Interval(0)
        slots.drop(pacer.n_due(now_ns()), found)
        await slots.drain(0)
        await clients.close()
        return found

    found = uvloop.run(never())
    assert {name: part.dropped for name, part in found.parts.items()} == {"Slow": 6, "Quick": 3}


# slots of their own


def overdue(n: int) -> Pacer:
    """A plan of *n* iterations that are all due."""
    pacer = Pacer(0, constant(1_000_000), Uniform())
    pacer.apply(Leg(0, n, now_ns() - NS_PER_S, 0.0, None, (1,)))
    return pacer


def test_a_slow_part_keeps_nobody_waiting() -> None:
    """Where a part has slots of its own, the others start all of theirs while all its slots are stuck."""
    found = run_mix({Stuck: Share(1, concurrent=2), Quick: 3}, overdue(100), n_slots=3, stop_after=2)
    assert counts(found)["Quick"] == (75, 75 - counts(found)["Quick"][2], counts(found)["Quick"][2])
    assert counts(found)["Stuck"] == (2, 0, 0)
    assert {slot for name, slot in Noted.calls if name == "Quick starts"} == {0, 1, 2}
    assert {slot for name, slot in Noted.calls if name == "Stuck starts"} == {3, 4}


def test_in_a_shared_group_it_would() -> None:
    """The same without slots of its own: the stuck part takes all slots in the end."""
    found = run_mix({Stuck: 1, Quick: 3}, overdue(100), n_slots=5, stop_after=5)
    assert counts(found)["Stuck"][0] == 5
    assert counts(found)["Quick"][0] < 25


def test_shares_of_what_is_due() -> None:
    """With slots of their own, parts have their shares of all that was due."""
    found = run_mix({Slow: Share(7, concurrent=2), Quick: Share(3, concurrent=1)}, overdue(200), n_slots=None)
    assert {name: started for name, (started, _, _) in counts(found).items()} == {"Slow": 140, "Quick": 60}
    assert found.started == 200


def test_unpaced_with_slots_of_their_own() -> None:
    """A number of iterations is shared by the weights; without one, each goes as fast as its own slots."""
    found = run_mix({Slow: Share(1, concurrent=2), Quick: 3}, 40)
    assert {name: started for name, (started, _, _) in counts(found).items()} == {"Slow": 10, "Quick": 30}


def test_each_slot_its_own_word_with_slots_of_their_own() -> None:
    """Word i belongs to the i-th of the slots that use the part."""

    class Mine(Part):
        vocab = range(10, 12)
        draw = "per_slot"

        async def press(self, word: int) -> None:
            self.calls.append(("Mine", (self.slot, word)))
            await asyncio.sleep(0)

    run_mix({Quick: 1, Mine: Share(1, concurrent=2)}, 40, n_slots=3)
    assert {call for name, call in Noted.calls if name == "Mine"} <= {(3, 10), (4, 11)}
