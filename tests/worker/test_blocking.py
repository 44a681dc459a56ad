"""A slot's thread: one call after another, timed there, given up when it takes too long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop

from hybridpress.clients.http import HttpSettings
from hybridpress.clients.kit import Clients
from hybridpress.clients.trace import Untraced
from hybridpress.errors import PressTimeoutError
from hybridpress.press import Press, check
from hybridpress.worker.blocking import SlotThread, give_thread

PATIENCE_S = 5.0


def with_thread(body: Callable[[SlotThread], Awaitable[Any]], timeout_s: float = PATIENCE_S) -> Any:
    async def main() -> Any:
        thread = SlotThread("slot-3", timeout_s)
        thread.start()
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await body(thread)
            finally:
                thread.finish()

    return uvloop.run(main())


def test_calls_go_through() -> None:
    """What a call returns comes back, with when it began and ended, and what it checked."""

    def work(word: int) -> str:
        check(word > 1, "large")
        return f"{threading.current_thread().name} {word}"

    async def body(thread: SlotThread) -> None:
        assert await thread.press(work, 1) == "slot-3 1"
        assert thread.last is not None
        assert 0 < thread.last.began_ns <= thread.last.ended_ns
        assert thread.last.notes.checked == [("large", False)]
        assert await thread.press(work, 2) == "slot-3 2"
        assert thread.last.notes.checked == [("large", True)]

    with_thread(body)


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError()])
def test_errors_come_back(error: BaseException) -> None:
    """Whatever it raises is raised where it is awaited."""

    def work() -> None:
        raise error

    async def body(thread: SlotThread) -> None:
        with pytest.raises(type(error)) as caught:
            await thread.press(work)
        assert caught.value is error
        assert thread.last is not None

    with_thread(body)


def test_a_coroutine_is_a_mistake() -> None:
    """A plain function that returns a coroutine would do nothing: it is told."""

    async def forgotten() -> None: ...

    async def body(thread: SlotThread) -> None:
        with pytest.raises(TypeError, match="write it as `async def press`"):
            await thread.press(forgotten)

    with_thread(body)


def test_a_call_that_takes_too_long() -> None:
    """It is given up at its time; the slot may go on when the call has ended, and what it came to is forgotten."""
    may_end = threading.Event()

    async def body(thread: SlotThread) -> None:
        with pytest.raises(PressTimeoutError, match="not done within 10 ms"):
            await thread.press(may_end.wait)
        assert thread.last is None
        assert thread.is_stuck
        may_end.set()
        await thread.freed()
        assert await thread.press(int, "7") == 7

    with_thread(body, timeout_s=0.01)


def test_nobody_waits_for_it_at_the_end() -> None:
    """Once the load is over, a call that is stuck is left to itself."""
    may_end = threading.Event()

    async def body(thread: SlotThread) -> None:
        with pytest.raises(PressTimeoutError):
            await thread.press(may_end.wait)
        thread.leave()
        await thread.freed()

    try:
        with_thread(body, timeout_s=0.01)
    finally:
        may_end.set()


def of(**methods: Callable[..., Any]) -> Press:
    made: Press = type("Made", (Press,), methods)()
    return made


@pytest.mark.parametrize("how", ["blocking", "async"])
def test_start_and_stop_may_block(how: str) -> None:
    """Each of start(), press() and stop() runs in the thread if it is a plain function, on the loop if it is async."""
    seen: list[str] = []

    def note(self: Press) -> None:
        seen.append(threading.current_thread().name)

    async def note_async(self: Press) -> None:
        seen.append(threading.current_thread().name)

    around = note if how == "blocking" else note_async

    async def main() -> None:
        clients = Clients(HttpSettings(), Untraced())
        press = of(start=around, press=note, stop=around).in_slot(3, 0, clients)
        assert give_thread(press, "slot-3", PATIENCE_S, presses=True) is not None
        await press.start()
        await press.press()
        await press.stop()
        await clients.close()

    uvloop.run(main())
    where = "slot-3" if how == "blocking" else "MainThread"
    assert seen == [where, "slot-3", where]


def test_no_thread_where_nothing_blocks() -> None:
    """An async scenario gets none."""

    async def press(self: Press) -> None: ...

    assert give_thread(of(press=press), "slot-0", 1.0, presses=False) is None


def test_the_async_clients_are_out_of_reach() -> None:
    """self.http in a plain press() would send nothing and say nothing: it is a mistake, and only there."""

    def press(self: Press) -> None:
        self.http.get("/")

    async def stop(self: Press) -> Any:
        return self.http

    async def main() -> None:
        clients = Clients(HttpSettings(), Untraced())
        made = of(press=press, stop=stop).in_slot(0, 0, clients)
        http = made.http
        give_thread(made, "slot-0", PATIENCE_S, presses=True)
        await made.start()
        with pytest.raises(TypeError, match="for an async press"):
            await made.press()
        assert await made.stop() is http
        await clients.close()

    uvloop.run(main())
