"""Iterations that are followed: noted with their steps, bounded in number, and a scenario stays what it was."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from hybridpress.clients.follow import following
from hybridpress.metrics.interval import Health, Interval
from hybridpress.metrics.recorder import MAX_STEPS, OTHER_STEPS
from hybridpress.press import Press, running_slot, step
from hybridpress.worker.follow import MAX_A_SECOND, FollowingRecorder, follow


class Slot:
    """As much of a slot as a scenario sees of it."""

    def __init__(self, recorder: FollowingRecorder) -> None:
        self.checks: dict[str, Any] = {}
        self.failed = False
        self.step = recorder.step

    def check(self, name: str, *, ok: bool) -> None:
        self.failed |= not ok


class Shop(Press):
    async def press(self, word: int) -> int:
        async with step("buy"):
            if word < 0:
                raise ValueError(word)
        return word


def pressed(words: list[int], share: float = 1.0) -> Interval:
    """The second in which a copy of the scenario had these words."""
    recorder = FollowingRecorder(paced=False)
    press = Shop()
    follow(press, recorder, share)
    mine = copy.copy(press)
    assert type(mine).__name__ == "Shop"
    assert isinstance(mine, Shop)

    async def run() -> None:
        running_slot.set(Slot(recorder))
        for word in words:
            if word < 0:
                with pytest.raises(ValueError, match=str(word)):
                    await mine.press(word)
            else:
                assert await mine.press(word) == word
            assert following.get() is None

    asyncio.run(run())
    return recorder.flush(0, None, [], Health())


def test_an_iteration_and_its_steps() -> None:
    """The iteration's span holds those of its steps; what failed says so; the step is counted as ever."""
    interval = pressed([1, -1])
    assert interval.steps["buy"].count == 2
    assert interval.steps["buy"].failed == 1
    for iteration, has_failed in zip(interval.followed, (False, True), strict=True):
        root, buy = iteration.spans
        assert (root.name, buy.name, root.parent_id, buy.parent_id) == ("Shop", "buy", "", root.span_id)
        assert root.begin_ns <= buy.begin_ns <= buy.end_ns <= root.end_ns
        assert root.failed is buy.failed is has_failed
    assert len({span.span_id for iteration in interval.followed for span in iteration.spans}) == 4


def test_no_more_than_so_many() -> None:
    """A share of too many iterations is cut, and how many that were is known."""
    interval = pressed([*range(MAX_A_SECOND + 30)])
    assert (len(interval.followed), interval.n_unfollowed) == (MAX_A_SECOND, 30)


def test_a_share() -> None:
    """About so many are followed; the others leave no trace."""
    n = len(pressed([*range(1_000)], 0.05).followed)
    assert 15 <= n <= 100


def test_too_many_names() -> None:
    """Steps beyond the most that are kept are one step, which is noted once."""
    recorder = FollowingRecorder(paced=False)
    for number in range(MAX_STEPS + 50):
        recorder.step(f"step {number}").done(1_000, 0, 0)
    assert recorder.step("one more") is recorder.step(OTHER_STEPS)
    interval = recorder.flush(0, None, [], Health())
    assert sum(counts.count for counts in interval.steps.values()) == MAX_STEPS + 50


def test_seconds_keep_theirs() -> None:
    """Merged over workers they come together; over time they are not kept."""
    one, two, total = pressed([1]), pressed([2]), Interval(0)
    one.merge(two)
    assert len(one.followed) == 2
    total.extend(one)
    assert total.followed == []
