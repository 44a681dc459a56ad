"""Due times kept on a real event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from hybridpress.clock import now_ns
from hybridpress.target import timer
from hybridpress.target.timer import Deadlines


def run_deadlines(offsets_us: list[int]) -> list[tuple[int, int, int]]:
    """(offset in µs, due, fired) of calls due so long from now, in the order they came."""
    loop = uvloop.new_event_loop()
    deadlines = Deadlines(loop)
    fired: list[tuple[int, int, int]] = []

    def note(offset_us: int, due_ns: int) -> Callable[[], None]:
        def callback() -> None:
            fired.append((offset_us, due_ns, now_ns()))
            if len(fired) == len(offsets_us):
                loop.stop()

        return callback

    now = now_ns()
    for offset_us in offsets_us:
        deadlines.call_at(now + offset_us * 1000, note(offset_us, now + offset_us * 1000))
    loop.run_forever()
    deadlines.close()
    loop.close()
    return fired


OFFSETS_US = [5000, 300, 301, 0, 20_000, 1500, 300, 12_345]


@pytest.mark.parametrize("alarm", [timer._TimerFd, timer._LoopTimer])
def test_calls_come_in_order_and_never_early(
    alarm: Callable[[asyncio.AbstractEventLoop, Callable[[], None]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call comes after its due time, in the order of due times, by the kernel's timer and by the loop's."""
    monkeypatch.setattr(timer, "_TimerFd", alarm)
    fired = run_deadlines(OFFSETS_US)
    assert [offset for offset, _, _ in fired] == sorted(OFFSETS_US)
    assert all(at >= due for _, due, at in fired)


@pytest.mark.slow
@pytest.mark.alone
def test_a_call_is_less_than_a_ms_late() -> None:
    """Half of the calls come within 0.3 ms of their due time: the loop's own timers would take up to 1 ms."""
    fired = run_deadlines([n * 1700 for n in range(300)])
    late_ns = sorted(at - due for _, due, at in fired)
    print(f"late by p50 {late_ns[150] / 1e3:.0f} µs, p99 {late_ns[297] / 1e3:.0f} µs")
    assert late_ns[150] < 300_000
