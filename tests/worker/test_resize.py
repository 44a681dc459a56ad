"""Slots that come and go while the others press."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
import uvloop

from hybridpress.clock import now_ns
from hybridpress.press import Press
from hybridpress.units import NS_PER_MS, NS_PER_S
from hybridpress.worker.gate import ClosedGate, OpenGate
from hybridpress.worker.slots import Slots
from tests.load import series
from tests.worker.test_slots import flush, made, scenario


async def most_at_once(slots: Slots, seconds: float = 0.03) -> int:
    """How many iterations run at once, at most, from a moment later on."""
    await asyncio.sleep(0.01)
    most = 0
    until_s = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until_s:
        most = max(most, len(slots.running_since_ns()))
        await asyncio.sleep(0.001)
    return most


async def briefly(_: Press) -> None:
    await asyncio.sleep(0.002)


@pytest.mark.parametrize("sizes", [[3, 8, 1, 5], [0, 8, 0, 2], [8, 7, 6, 7, 8]])
def test_as_many_press_as_are_asked_for(sizes: list[int]) -> None:
    """Unpaced, just so many slots are busy after each change, and the counts are whole."""

    async def main() -> None:
        async with made(scenario(briefly), 8) as slots:
            await slots.start()
            slots.open()
            slots.follow(OpenGate(None))
            for size in sizes:
                slots.resize(size)
                assert slots.n_pressing == size
                assert await most_at_once(slots) == size
            await slots.drain(now_ns() + NS_PER_S)
            found = flush(slots)
            assert found.started == found.completed

    uvloop.run(main())


def test_changes_one_upon_the_other() -> None:
    """Changes that come before the one before has taken effect end in what was asked for last."""

    async def main() -> None:
        async with made(scenario(briefly), 8) as slots:
            await slots.start()
            slots.open()
            slots.follow(OpenGate(None))
            await asyncio.sleep(0)
            for size in (2, 7, 0, 8, 1, 4):
                slots.resize(size)
            assert await most_at_once(slots) == 4
            slots.follow(ClosedGate())
            await asyncio.sleep(0.01)
            for size in (1, 6, 2, 3):
                slots.resize(size)
            slots.follow(OpenGate(None))
            assert await most_at_once(slots) == 3
            await slots.drain(now_ns() + NS_PER_S)

    uvloop.run(main())


def test_new_slots_go_through_start() -> None:
    """Slots that are added start() first, outside the count, have their own numbers, and press once they are let in."""
    started: list[int] = []
    ran: Counter[int] = Counter()

    class Starting(Press):
        async def start(self) -> None:
            if self.slot == 12:
                raise ValueError("not this one")
            started.append(self.slot)

        async def press(self) -> None:
            ran[self.slot] += 1
            await asyncio.sleep(0.001)

    async def main() -> None:
        async with made(Starting(), 2) as slots:
            await slots.start()
            slots.open()
            slots.follow(OpenGate(None))
            failures = await slots.add([10, 11, 12])
            assert [str(error) for error in failures] == ["not this one"]
            slots.resize(4)
            await asyncio.sleep(0.02)
            await slots.drain(now_ns() + NS_PER_S)

    uvloop.run(main())
    assert started == [0, 1, 10, 11]
    assert set(ran) == {0, 1, 10, 11}


def test_paced_slots_lose_nothing() -> None:
    """With a plan, too, slots may come and go: what is due is started once."""

    async def main() -> int:
        pacer = series.series(series.leg(now_ns(), float(NS_PER_MS), 60))
        async with made(scenario(briefly), 6, paced=True) as slots:
            await slots.start()
            slots.open()
            slots.follow(pacer)
            for size in (1, 6, 2, 5, 3, 6):
                slots.resize(size)
                await asyncio.sleep(0.01)
            while not pacer.is_over:
                await asyncio.sleep(0.001)
            await slots.drain(now_ns() + NS_PER_S)
            return slots.recorder.n_ended

    assert uvloop.run(main()) == 60
