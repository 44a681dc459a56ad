"""Who holds up the loop: the innermost line of the user's code that runs when a beat is overdue."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from hybridpress.worker.stall import AGAIN_S, OVERDUE_S, StallFinder


@pytest.fixture
def finder() -> Iterator[StallFinder]:
    finder = StallFinder()
    yield finder
    finder.close()


def block_the_loop(seconds: float) -> None:
    threading.Event().wait(seconds)


@pytest.mark.slow
def test_a_blocking_call_is_found(finder: StallFinder) -> None:
    """A call that takes longer than a beat may is told, once, by its place."""
    assert finder.beat() is None
    block_the_loop(OVERDUE_S + 5 * AGAIN_S)
    place = finder.beat()
    assert place is not None
    assert place.startswith("tests/worker/test_stall.py:")
    assert place.endswith(" in block_the_loop()")
    assert finder.beat() is None


@pytest.mark.slow
def test_a_busy_loop_is_found(finder: StallFinder) -> None:
    """So is one that calculates."""
    finder.beat()
    until = time.monotonic() + OVERDUE_S + 5 * AGAIN_S
    while time.monotonic() < until:
        pass
    assert "test_a_busy_loop_is_found" in (finder.beat() or "")


@pytest.mark.slow
def test_who_started_the_run_is_not_blamed() -> None:
    """A loop that was not given the CPU, with nothing of the user's running, is nobody's fault: not that of the
    script that called it, which is on the stack all the time.
    """

    async def main() -> tuple[str | None, str | None]:
        finder = StallFinder()
        finder.beat()
        signal.sigtimedwait([signal.SIGUSR1], OVERDUE_S + 5 * AGAIN_S)  # called by a coroutine: blamed
        blamed = finder.beat()
        loop = asyncio.get_running_loop()
        # Called by the loop itself, as all that is in C.
        loop.call_soon(signal.sigtimedwait, [signal.SIGUSR1], OVERDUE_S + 5 * AGAIN_S)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        idle = finder.beat()
        finder.close()
        return blamed, idle

    blamed, idle = asyncio.run(main())
    assert blamed is not None
    assert blamed.endswith(" in main()")
    assert idle is None


def test_a_loop_on_time(finder: StallFinder) -> None:
    """Beats on time blame nobody."""
    assert [finder.beat() for _ in range(100)] == [None] * 100


def test_the_alarm_is_given_back() -> None:
    """After it, the alarm belongs to whom it belonged before, and is off."""
    before = signal.getsignal(signal.SIGALRM)
    finder = StallFinder()
    finder.beat()
    finder.close()
    assert signal.getsignal(signal.SIGALRM) in (before, signal.SIG_IGN)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_elsewhere_it_is_silent() -> None:
    """In a thread that hears no alarms it says nothing, and disturbs nobody."""
    found: list[str | None] = []

    def run() -> None:
        finder = StallFinder()
        found.append(finder.beat())
        finder.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [None]
