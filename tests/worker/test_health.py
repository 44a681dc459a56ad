"""The watch over a worker, with a clock and a timer that the test moves."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import pytest
import uvloop

from hybridpress.metrics.histogram import Histogram
from hybridpress.worker import health
from hybridpress.worker.health import PROBE_GAP_NS, Watch

MS = 1_000_000
NO_LOOP = cast("asyncio.AbstractEventLoop", None)


class Hand:
    """Clock, CPU clock and timer of a watch."""

    def __init__(self) -> None:
        self.now_ns = 5_000 * MS
        self.cpu_ns = 70 * MS
        self.armed_ns = 0
        self.is_open = True
        self.wake: Callable[[], None] = lambda: None

    def open_timer(self, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> Hand:
        self.wake = wake
        return self

    def arm(self, at_ns: int) -> None:
        self.armed_ns = at_ns

    def close(self) -> None:
        self.is_open = False

    def probe(self, late_ns: int) -> None:
        """The timer fires, so late."""
        self.now_ns = self.armed_ns + late_ns
        self.wake()


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    hand = Hand()
    monkeypatch.setattr(health, "now_ns", lambda: hand.now_ns)
    monkeypatch.setattr(health, "open_timer", hand.open_timer)
    monkeypatch.setattr("time.process_time_ns", lambda: hand.cpu_ns)
    return hand


@pytest.fixture
def watch(hand: Hand) -> Iterator[Watch]:
    watch = Watch(NO_LOOP)
    yield watch
    watch.close()


def times(*found_ns: int) -> Histogram:
    histogram = Histogram()
    histogram.add(np.array(found_ns, dtype=np.int64))
    return histogram


def test_lag_is_how_late_a_probe_comes(hand: Hand, watch: Watch) -> None:
    """Each probe counts how late it came; the next one is a whole gap after it came, not after it was due."""
    for late_ns in (0, 2 * MS, 40_000):
        hand.probe(late_ns)
        assert hand.armed_ns == hand.now_ns + PROBE_GAP_NS
    assert watch.take().loop_lag == times(0, 2 * MS, 40_000)


@pytest.mark.parametrize(
    ("late_ms", "lags_ms"),
    [
        (10, [10]),
        (11, [11, 1]),
        (20, [20, 10]),
        (35, [35, 25, 15, 5]),
        (100, [100, 90, 80, 70, 60, 50, 40, 30, 20, 10]),
    ],
)
def test_a_blocked_loop_counts_for_as_long_as_it_lasts(
    hand: Hand, watch: Watch, late_ms: int, lags_ms: list[int]
) -> None:
    """A loop that is blocked for long counts as all the probes that it let fall out, not as one."""
    hand.probe(late_ms * MS)
    assert watch.take().loop_lag == times(*(lag * MS for lag in lags_ms))


def test_each_second_by_itself(hand: Hand, watch: Watch) -> None:
    """`take` gives what was seen since the last one: CPU time over the time that passed."""
    hand.probe(MS)
    hand.now_ns += 990 * MS
    hand.cpu_ns += 250 * MS
    first = watch.take()
    assert (first.cpu_ns, first.span_ns) == (250 * MS, 1_001 * MS)
    hand.now_ns += 500 * MS
    hand.cpu_ns += 250 * MS
    second = watch.take()
    assert second.cpu_pct == 50.0
    assert second.loop_lag.count == 0


def test_the_load_alone_counts(hand: Hand, watch: Watch) -> None:
    """What was seen before `begin` belongs to the start, and is forgotten."""
    hand.probe(50 * MS)
    hand.cpu_ns += 900 * MS
    hand.now_ns += 900 * MS
    watch.begin()
    assert hand.armed_ns == hand.now_ns + PROBE_GAP_NS
    hand.now_ns += 10 * MS
    found = watch.take()
    assert (found.loop_lag.count, found.cpu_ns, found.span_ns) == (0, 0, 10 * MS)


def test_pauses_of_the_collector(hand: Hand, watch: Watch) -> None:
    """The collector's pauses are summed, and the longest of each second kept."""
    for pause_ms in (3, 8, 1):
        watch._gc("start", {})
        hand.now_ns += pause_ms * MS
        watch._gc("stop", {})
    found = watch.take()
    assert (found.gc_pause_ns, found.longest_gc_pause_ns) == (12 * MS, 8 * MS)
    found = watch.take()
    assert (found.gc_pause_ns, found.longest_gc_pause_ns) == (0, 0)


def test_the_collector_tells(hand: Hand) -> None:
    """The watch hears of every collection while it lasts, and of none afterwards."""
    watch = Watch(NO_LOOP)
    before = len(gc.callbacks)

    def later(*_: object) -> None:
        hand.now_ns += MS

    gc.callbacks.append(later)
    try:
        gc.collect()
        assert watch.take().gc_pause_ns >= MS
    finally:
        gc.callbacks.remove(later)
    watch.close()
    assert not hand.is_open
    assert len(gc.callbacks) == before - 1


def test_on_a_real_loop() -> None:
    """On a loop that turns, probes come by themselves, and the CPU time is the process's own."""

    async def main() -> None:
        watch = Watch(asyncio.get_running_loop())
        try:
            await asyncio.sleep(0.05)
            found = watch.take()
        finally:
            watch.close()
        assert 1 <= found.loop_lag.count <= 6
        assert found.cpu_ns >= 0
        assert found.span_ns >= 45 * MS

    uvloop.run(main())
