"""Several presses in one worker's slots: each iteration is one part's, in turn, and counted as that part's."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from typing import Any, ClassVar

import uvloop

from hybridpress.clients.kit import Clients
from hybridpress.clock import now_ns
from hybridpress.metrics.interval import Health, Interval
from hybridpress.metrics.recorder import Recorder
from hybridpress.mixed import MixedPress
from hybridpress.parts import mixed_config, run_parts
from hybridpress.press import Press, check, step
from hybridpress.units import NEVER_NS, NS_PER_S
from hybridpress.worker.gate import OpenGate
from hybridpress.worker.mix import Mix, PartsClients, PartTrace
from hybridpress.worker.process import http_settings
from hybridpress.worker.slots import Slots


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


class Broken(Noted):
    async def press(self) -> None:
        await asyncio.sleep(0)
        raise ValueError("no such VM")

    async def stop(self) -> None:
        await super().stop()
        raise ValueError("cannot stop")


def run_mix(parts: Any, limit: int | None, n_slots: int = 4, *, stop_after: int = 0) -> Interval:
    """*limit* iterations of a mix, unpaced; without a limit, given up while *stop_after* of them are in flight."""
    Noted.calls.clear()
    return uvloop.run(_run_mix(MixedPress(parts), limit, n_slots, stop_after))


async def _run_mix(mixed: MixedPress, limit: int | None, n_slots: int, stop_after: int) -> Interval:
    config = mixed_config(mixed, {"concurrent": n_slots, "processes": 1, "seed": 1})
    parts = run_parts(mixed, config, {})
    for part in parts:
        part.build()
    recorder = Recorder(paced=False)
    clients = PartsClients({p.name: Clients(http_settings(p.config), PartTrace(recorder, p.name)) for p in parts})
    ended: list[str] = []
    mix = Mix(parts, 0, recorder, ended.append)
    slots = Slots(mix, range(n_slots), 0, clients, recorder, words=[], takes_word=False, seed=1)
    assert await slots.start() == []
    recorder.forget_steps()
    slots.open()
    slots.follow(OpenGate(limit))
    while (slots.gate.due_ns != NEVER_NS or slots.running_since_ns()) and not ended:
        await asyncio.sleep(0.001)
        if stop_after and len(slots.running_since_ns()) == stop_after:
            break
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

    class Endless(Noted):
        async def press(self) -> None:
            await asyncio.sleep(60)

    found = run_mix({Endless: 1}, None, n_slots=3, stop_after=3)
    assert (found.started, found.in_flight) == (3, 3)
    assert counts(found) == {"Endless": (3, 0, 0)}


def test_a_part_without_words_left() -> None:
    """When one part has no more words, its share cannot be held: the worker starts nothing more."""

    class Few(Quick):
        draw = "once"

    found = run_mix({Few: 1, Slow: 1}, None)
    assert counts(found)["Few"][0] == 5
    assert abs(counts(found)["Slow"][0] - 5) <= 1


def test_what_never_starts_is_its_parts_too() -> None:
    """The iterations that were due and did not start are those whose turns were next."""
    mixed = MixedPress({Slow: 2, Quick: 1})
    parts = run_parts(mixed, mixed_config(mixed, {"seed": 1}), {})
    for part in parts:
        part.build()
    interval = Interval(0)
    Mix(parts, 0, Recorder(paced=True), lambda _: None).drop(9, interval)
    assert {name: part.dropped for name, part in interval.parts.items()} == {"Slow": 6, "Quick": 3}
