"""Timers: the last arming counts, and wakes once. How late, bench/test_timer.py says."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import uvloop

from hybridpress.clock import now_ns
from hybridpress.units import NS_PER_MS, NS_PER_S
from hybridpress.worker.timer import LoopTimer, Timerfd, open_timer

AnyTimer = Timerfd | LoopTimer
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="timerfd is Linux's")
KINDS = [pytest.param(Timerfd, marks=only_linux), LoopTimer]
FAR_NS = 60 * NS_PER_S


class Wakes:
    """When a timer woke."""

    def __init__(self) -> None:
        self.at_ns: list[int] = []
        self._more = asyncio.Event()

    def wake(self) -> None:
        self.at_ns.append(now_ns())
        self._more.set()

    async def until(self, count: int) -> None:
        """Wait until it woke *count* times."""
        async with asyncio.timeout(10):
            while len(self.at_ns) < count:
                self._more.clear()
                await self._more.wait()


def with_timer(kind: Callable[..., AnyTimer], test: Callable[[AnyTimer, Wakes], Any]) -> None:
    """Run *test* with a timer of *kind* on the loop that workers use."""

    async def main() -> None:
        wakes = Wakes()
        with closing(kind(asyncio.get_running_loop(), wakes.wake)) as timer:
            await test(timer, wakes)

    uvloop.run(main())


async def quiet() -> None:
    """Time enough for a wake that should not be."""
    await asyncio.sleep(0.012)


@pytest.mark.parametrize("kind", KINDS)
def test_wakes_once(kind: type[AnyTimer]) -> None:
    """An arming wakes once, and then no more."""

    async def test(timer: AnyTimer, wakes: Wakes) -> None:
        timer.arm(now_ns() + 2 * NS_PER_MS)
        await wakes.until(1)
        await quiet()
        assert len(wakes.at_ns) == 1

    with_timer(kind, test)


@only_linux
def test_a_timerfd_is_never_early() -> None:
    """The kernel's timer wakes at the instant or after it, not before."""

    async def test(timer: AnyTimer, wakes: Wakes) -> None:
        for n in range(1, 20):
            at_ns = now_ns() + n * 50_000
            timer.arm(at_ns)
            await wakes.until(n)
            assert wakes.at_ns[-1] >= at_ns

    with_timer(Timerfd, test)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ago_ns", [-1, 0, 1, NS_PER_S, "the beginning of time"])
def test_what_is_past_wakes_at_once(kind: type[AnyTimer], ago_ns: int | str) -> None:
    """An instant that is past, however long, wakes at once."""

    async def test(timer: AnyTimer, wakes: Wakes) -> None:
        timer.arm(0 if isinstance(ago_ns, str) else now_ns() - ago_ns)
        await wakes.until(1)

    with_timer(kind, test)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_arming_counts(kind: type[AnyTimer]) -> None:
    """A new instant, sooner or later, replaces the one before."""

    async def test(timer: AnyTimer, wakes: Wakes) -> None:
        timer.arm(now_ns() + FAR_NS)
        timer.arm(now_ns() + NS_PER_MS)
        await wakes.until(1)
        timer.arm(now_ns() + NS_PER_MS)
        timer.arm(now_ns() + FAR_NS)
        await quiet()
        assert len(wakes.at_ns) == 1

    with_timer(kind, test)


@pytest.mark.parametrize("kind", KINDS)
def test_arming_anew_after_it_fired(kind: type[AnyTimer]) -> None:
    """Armed anew when it has fired and the loop has not looked yet, it wakes for the new instant at least."""

    async def test(timer: AnyTimer, wakes: Wakes) -> None:
        timer.arm(now_ns())
        until_ns = now_ns() + 3 * NS_PER_MS
        while now_ns() < until_ns:
            pass
        timer.arm(now_ns() + NS_PER_MS)
        await wakes.until(1)
        timer.arm(now_ns() + NS_PER_MS)
        await wakes.until(2)

    with_timer(kind, test)


@pytest.mark.parametrize("kind", KINDS)
def test_armed_from_its_own_wake(kind: type[AnyTimer]) -> None:
    """Whoever is woken may arm for the next time: that is how the slots' wake goes on."""
    wakes: list[int] = []

    async def main() -> None:
        done = asyncio.Event()

        def wake() -> None:
            wakes.append(now_ns())
            if len(wakes) == 20:
                done.set()
            else:
                timer.arm(now_ns() + 100_000)

        with closing(kind(asyncio.get_running_loop(), wake)) as timer:
            timer.arm(now_ns())
            async with asyncio.timeout(10):
                await done.wait()

    uvloop.run(main())
    assert wakes == sorted(wakes)


@pytest.mark.parametrize("kind", KINDS)
def test_no_wake_after_the_close(kind: type[AnyTimer]) -> None:
    """A closed timer wakes nobody, though it was armed; what it held of the system is given back."""
    wakes: list[int] = []

    async def main() -> None:
        n_open = n_descriptors()
        timer = kind(asyncio.get_running_loop(), lambda: wakes.append(1))
        timer.arm(now_ns() + 2 * NS_PER_MS)
        timer.close()
        assert n_descriptors() == n_open
        await quiet()

    uvloop.run(main())
    assert wakes == []


def n_descriptors() -> int:
    """How many file descriptors this process holds; 0 where that cannot be seen."""
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0  # noqa: PTH208 (it is counted, not read)


def test_a_timer_that_was_never_armed() -> None:
    """It can be closed all the same."""

    async def main() -> None:
        LoopTimer(asyncio.get_running_loop(), lambda: None).close()
        open_timer(asyncio.get_running_loop(), lambda: None).close()

    uvloop.run(main())


def test_the_best_of_the_system() -> None:
    """On Linux the timerfd, elsewhere the loop's own timer."""

    async def main() -> type[AnyTimer]:
        with closing(open_timer(asyncio.get_running_loop(), lambda: None)) as timer:
            return type(timer)

    assert uvloop.run(main()) is (Timerfd if sys.platform == "linux" else LoopTimer)


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """The system refuses another file descriptor."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@only_linux
def test_the_system_refuses() -> None:
    """When the system gives no timer, the error says so, with its number."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        Timerfd(loop, lambda: None).close()  # what it loads, it loads now
        with no_descriptors_left(), pytest.raises(OSError, match="timerfd_create") as caught:
            Timerfd(loop, lambda: None)
        assert caught.value.errno == errno.EMFILE

    uvloop.run(main())
