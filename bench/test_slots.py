"""What the engine itself costs: iterations of a press() that does nothing, recorded, in the real loop of a slot.

Goal: 500,000 iterations a second on a core, unpaced. What the flush of each second adds, bench/test_recorder.py says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import uvloop
from harness import ROUNDS_UNDER_PYTEST, Bench, Measured, main, measure

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.clock import now_ns
from hybridpress.load.arrivals import Uniform
from hybridpress.load.pacer import Pacer
from hybridpress.load.plan import Leg
from hybridpress.load.profile import constant
from hybridpress.metrics.interval import Health
from hybridpress.metrics.recorder import Recorder
from hybridpress.mixed import MixedPress, Share
from hybridpress.parts import mixed_config, run_parts
from hybridpress.press import Press, check
from hybridpress.units import NEVER_NS
from hybridpress.vocab.policy import Policy
from hybridpress.vocab.supply import Supply
from hybridpress.worker.drawn import Drawing, DrawnPress
from hybridpress.worker.gate import Gate, OpenGate
from hybridpress.worker.groups import MixedSlots
from hybridpress.worker.mix import PartsClients, PartTrace
from hybridpress.worker.slots import Slots, SlotTrace

N_ITERATIONS = 100_000
N_SLOW = 5_000


class Nothing(Press):
    async def press(self) -> None:
        pass


class WithWord(Press):
    async def press(self, word: int) -> None:
        pass


class OneTurn(Press):
    """Gives way to the loop once, as the wait for a reply does."""

    async def press(self) -> None:
        await asyncio.sleep(0)


class Checks(Press):
    async def press(self) -> None:
        check(ok=True, name="holds")


class Raises(Press):
    async def press(self) -> None:
        raise ValueError("no such VM")


class FailsCheck(Press):
    async def press(self) -> None:
        check(ok=False, name="holds")


@dataclass
class State:
    """A worker's slots on a loop of their own, about to begin."""

    loop: asyncio.AbstractEventLoop
    recorder: Recorder
    slots: Slots | MixedSlots
    clients: Clients | PartsClients


async def _make(press: Press, n_slots: int, words: list[Any], *, paced: bool) -> tuple[Slots, Clients, Recorder]:
    recorder = Recorder(paced=paced)
    clients = Clients(HttpSettings(), SlotTrace(recorder))
    takes_word = bool(words)
    slots = Slots(press, range(n_slots), 0, clients, recorder, words=words, takes_word=takes_word, seed=1)
    return slots, clients, recorder


async def _make_drawn(
    press: Press, n_slots: int, words: list[Any], *, how: str, paced: bool
) -> tuple[Slots, Clients, Recorder]:
    """Slots whose words are drawn in another way than at random."""
    recorder = Recorder(paced=paced)
    clients = Clients(HttpSettings(), SlotTrace(recorder))
    supply = Supply(Policy(how), [n_slots], 1)  # type: ignore[arg-type]  # one of them
    supply.fill(words)
    drawn = DrawnPress(press, Drawing(supply, 0, lambda: None))
    slots = Slots(drawn, range(n_slots), 0, clients, recorder, words=words, takes_word=False, seed=1)
    return slots, clients, recorder


async def _make_mix(
    press: Press, n_slots: int, words: list[Any], *, paced: bool
) -> tuple[MixedSlots, PartsClients, Recorder]:
    """Slots that run three parts, 7:2:1."""
    shares = {press: Share(7, name="a"), Nothing(): Share(2, name="b"), Nothing(): Share(1, name="c")}
    mixed = MixedPress(shares, concurrent=n_slots, processes=1)
    parts = run_parts(mixed, mixed_config(mixed, {}), {})
    parts[0].supply.fill(words)
    recorder = Recorder(paced=paced)
    clients = PartsClients({part.name: Clients(HttpSettings(), PartTrace(recorder, part.name)) for part in parts})
    return MixedSlots(parts, range(n_slots), 0, clients, recorder, lambda _: None), clients, recorder


async def _run(slots: Slots | MixedSlots, gate: Gate) -> None:
    slots.open()
    slots.follow(gate)
    while slots.gate.due_ns != NEVER_NS or slots.running_since_ns():
        await asyncio.sleep(0.001)


async def _end(slots: Slots | MixedSlots, clients: Clients | PartsClients) -> None:
    await slots.drain(now_ns() + 10**9)
    await clients.close()


def overdue(n_iterations: int) -> Pacer:
    """A plan that is all due already: a paced worker that is behind."""
    pacer = Pacer(0, constant(1_000_000), Uniform())
    pacer.apply(Leg(0, n_iterations, now_ns() - 10**9, 0.0, None, (1,)))
    return pacer


def bench_of(
    name: str,
    press: type[Press],
    n_slots: int = 1,
    *,
    n: int = N_ITERATIONS,
    gate: Callable[[int], Gate] = OpenGate,
    words: list[Any] | None = None,
    fails: bool = False,
    make: Callable[..., Any] | None = None,
) -> Bench:
    """*n* iterations of *press* in *n_slots* slots of one process."""

    def set_up() -> State:
        loop = uvloop.new_event_loop()
        making = (make or _make)(press(), n_slots, words or [], paced=gate is overdue)
        slots, clients, recorder = loop.run_until_complete(making)
        return State(loop, recorder, slots, clients)

    def run(state: State) -> None:
        state.loop.run_until_complete(_run(state.slots, gate(n)))

    def count(state: State) -> None:
        state.loop.run_until_complete(_end(state.slots, state.clients))
        state.loop.close()
        found = state.recorder.flush(0, None, [], Health())
        assert (found.started, found.failed) == (n, n if fails else 0)

    return lambda n_rounds: measure(name, n_rounds, n, run, set_up, count)


def in_way(how: str) -> Callable[..., Any]:
    """Slots whose words are drawn *how*."""
    return partial(_make_drawn, how=how)


BENCHES = [
    bench_of("nothing, 1 slot", Nothing),
    bench_of("nothing, 100 slots", Nothing, 100),
    bench_of("nothing, 100 slots, paced, overdue", Nothing, 100, gate=overdue),
    bench_of("a word, 100 slots", WithWord, 100, words=list(range(1_000))),
    bench_of("a word in order, 100 slots", WithWord, 100, words=list(range(1_000)), make=in_way("sequential")),
    bench_of("a word once, 100 slots", WithWord, 100, words=list(range(2 * N_ITERATIONS)), make=in_way("once")),
    bench_of("a mix of three, 100 slots", WithWord, 100, words=list(range(1_000)), make=_make_mix),
    bench_of("a check that holds, 100 slots", Checks, 100),
    bench_of("one turn of the loop, 1 slot", OneTurn),
    bench_of("one turn of the loop, 100 slots", OneTurn, 100),
    bench_of("a check that does not hold, 100 slots", FailsCheck, 100, n=N_SLOW, fails=True),
    bench_of("an error, 100 slots", Raises, 100, n=N_SLOW, fails=True),
]


@pytest.mark.slow
@pytest.mark.parametrize("bench", BENCHES)
def test_slots(bench: Bench) -> None:
    """The bench runs and counts right."""
    assert bench(ROUNDS_UNDER_PYTEST).median_ns > 0


def with_rate(bench: Bench) -> Bench:
    """Says, too, how many iterations a second that is."""

    def run(n_rounds: int) -> Measured:
        found = bench(n_rounds)
        print(f"{1e9 / found.median_ns:>12,.0f}/s  ", end="")
        return found

    return run


if __name__ == "__main__":
    main([with_rate(bench) for bench in BENCHES])
