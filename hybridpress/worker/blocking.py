"""A thread for each slot whose press(), start() or stop() blocks: named, started once, one call at a time.

The event loop never waits for one, and a thread never touches what the loop measures: what checks and steps say comes
back as notes, together with the instants at which the call began and ended in the thread.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from hybridpress.clock import now_ns
from hybridpress.errors import PressTimeoutError
from hybridpress.press import Press, running_slot
from hybridpress.units import format_span
from hybridpress.worker.notes import Notes


@dataclass(slots=True)
class Called:
    """One call that ended: what it returned or raised, when it began and ended, and what it noted."""

    value: Any
    error: BaseException | None
    began_ns: int
    ended_ns: int
    notes: Notes


_Work = tuple[Callable[..., Any], tuple[Any, ...], asyncio.Future[Called]]


class SlotThread:
    """The thread of one slot. A call that outlives its time goes on, for a thread cannot be stopped: it `is_stuck`
    then, and `freed` tells when it no more is.
    """

    def __init__(self, name: str, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._calls: SimpleQueue[_Work | None] = SimpleQueue()
        # A daemon: the process must end, whatever a press() waits for.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._is_leaving = False
        self._freed: asyncio.Future[None] | None = None
        self.last: Called | None = None
        """The call that ended last; None: it was given up, or there was none."""

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system allows no more threads.
        """
        self._thread.start()

    @property
    def is_stuck(self) -> bool:
        """Whether a call that was given up still goes on."""
        return self._freed is not None

    async def freed(self) -> None:
        """Wait until the call that was given up has ended, or nobody will need the thread any more."""
        if self._freed is not None:
            await asyncio.shield(self._freed)

    def leave(self) -> None:
        """No more calls will come but the last ones: do not wait for one that is stuck."""
        self._is_leaving = True
        self._free()

    def finish(self) -> None:
        """End the thread, once it has done what it was given."""
        self._calls.put(None)

    async def press(self, function: Callable[..., Any], *args: Any) -> Any:
        """`function(*args)` in the thread, for the thread's time at most; how it went is then in `last`.

        Raises:
            PressTimeoutError: it took longer; what it comes to is forgotten.
            BaseException: what it raised.
        """
        self.last = None
        waiter = self._call(function, args)
        timer = self._loop.call_later(self._timeout_s, self._give_up, waiter)
        try:
            called = self.last = await waiter
        finally:
            timer.cancel()
        if called.error is not None:
            raise called.error
        return called.value

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """`function(*args)` in the thread, however long it takes: start() and stop(). Checks are not counted."""
        called = await self._call(function, args)
        if called.error is not None:
            raise called.error
        return called.value

    def _call(self, function: Callable[..., Any], args: tuple[Any, ...]) -> asyncio.Future[Called]:
        waiter: asyncio.Future[Called] = self._loop.create_future()
        self._calls.put((function, args, waiter))
        return waiter

    def _give_up(self, waiter: asyncio.Future[Called]) -> None:
        if waiter.done():
            return
        limit = format_span(self._timeout_s)
        if not self._is_leaving:
            self._freed = self._loop.create_future()
        text = f"press() was not done within {limit}; its thread cannot be stopped, and its slot waits for it"
        waiter.set_exception(PressTimeoutError(text))

    def _ended(self, waiter: asyncio.Future[Called], called: Called) -> None:
        if not waiter.done():
            waiter.set_result(called)
        else:
            self._free()  # it was given up, and now is over

    def _free(self) -> None:
        freed, self._freed = self._freed, None
        if freed is not None and not freed.done():
            freed.set_result(None)

    def _run(self) -> None:
        while (work := self._calls.get()) is not None:
            function, args, waiter = work
            called = Called(None, None, 0, 0, Notes())
            running_slot.set(called.notes)
            called.began_ns = now_ns()
            try:
                called.value = _plain(function(*args))
            except BaseException as error:  # noqa: BLE001 (whatever it raises is data)
                called.error = error
            called.ended_ns = now_ns()
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._ended, waiter, called)
            del work, function, args, waiter, called  # a thread that waits holds on to nothing


def _plain(value: Any) -> Any:
    """*value*, which a function that blocks returned.

    Raises:
        TypeError: it is a coroutine, which nobody would run.
    """
    if inspect.iscoroutine(value):
        value.close()
        raise TypeError("press() returned a coroutine: write it as `async def press`")
    return value


class _AsyncOnly:
    """In the place of the async clients while a plain function runs: what it began with them would never be awaited."""

    def __getattr__(self, name: str) -> Any:
        raise TypeError("self.http and self.session are for an async press(), start() and stop(): write `async def`")


def _guarded(press: Press, function: Callable[..., Any]) -> Callable[..., Any]:
    """*function*, a method of *press*, with the async clients out of its reach."""

    def call(*args: Any) -> Any:
        own = vars(press)
        http, clients = own["http"], own["_clients"]
        own["http"] = own["_clients"] = _AsyncOnly()
        try:
            return function(*args)
        finally:
            own["http"], own["_clients"] = http, clients

    return call


def give_thread(press: Press, name: str, timeout_s: float, *, presses: bool) -> SlotThread | None:
    """Have those of *press*'s start(), stop() and, if it *presses* there, press() that are plain functions called in a
    thread; None: there is none. *press* is one slot's own copy.
    """
    start, stop = press.start, press.stop
    start_blocks, stop_blocks = (not inspect.iscoroutinefunction(function) for function in (start, stop))
    if not (presses or start_blocks or stop_blocks):
        return None
    thread = SlotThread(name, timeout_s)

    async def start_in_thread() -> Any:
        thread.start()
        return await (thread.call(_guarded(press, start)) if start_blocks else start())

    async def stop_in_thread() -> Any:
        try:
            return await (thread.call(_guarded(press, stop)) if stop_blocks else stop())
        finally:
            thread.finish()

    press.start, press.stop = start_in_thread, stop_in_thread
    if presses:
        function = _guarded(press, press.press)

        async def press_in_thread(*words: Any) -> Any:
            return await thread.press(function, *words)

        press.press = press_in_thread
    return thread
