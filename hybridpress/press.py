"""Press, check and step: what the author of a scenario touches.

A scenario is a subclass of `Press`. Each slot runs on a shallow copy of the scenario object: attributes that `start()`
sets are the slot's own, the connections and the word table are the worker's.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from hybridpress.clock import now_ns

if TYPE_CHECKING:
    import aiohttp

    from hybridpress.clients.http import HttpClient
    from hybridpress.clients.kit import Clients
    from hybridpress.clients.tcp import TcpClient
    from hybridpress.clients.thrift.client import ThriftClient
    from hybridpress.clients.trace import Step
    from hybridpress.clients.udp import UdpClient
    from hybridpress.clients.websocket import WebSocket
    from hybridpress.metrics.result import Result


T = TypeVar("T")


class Tally(Protocol):
    """How often a check held."""

    passed: int


class RunningSlot(Protocol):
    """The slot whose code runs now, as `check` and `step` see it."""

    @property
    def checks(self) -> Mapping[str, Tally]:
        """The checks seen before, by name: one that holds is counted right there."""

    def check(self, name: str, *, ok: bool) -> None:
        """Count a check; one that does not hold fails the iteration."""

    def step(self, name: str) -> Step:
        """Where the step of this name is counted."""


running_slot: ContextVar[RunningSlot] = ContextVar("running_slot")
"""Set once for each slot, in its own context: tasks that a press starts inherit it."""


def _nobody_runs(what: str) -> RuntimeError:
    return RuntimeError(f"{what} is for press(), verify(), start() and stop(): no slot runs here")


def check(ok: object, name: str) -> bool:
    """Count whether *ok* holds, under *name*. One that does not hold fails the iteration; press() goes on.

    Returns whether it held, so that press() may leave early: `if not check(…): return`.
    """
    try:
        slot = running_slot.get()
    except LookupError:
        raise _nobody_runs("check()") from None
    if not ok:
        slot.check(name, ok=False)
        return False
    tally = slot.checks.get(name)
    if tally is None:
        slot.check(name, ok=True)
    else:
        tally.passed += 1  # what nearly every check comes to
    return True


class step:  # noqa: N801 (read as a statement: `async with step("log in")`)
    """Time any code as a step of its own name: `async with step("log in"): …` (or `with`, where nothing is awaited).

    An exception that leaves the block counts the step as failed, and goes on.
    """

    __slots__ = ("_start_ns", "_step")

    def __init__(self, name: str) -> None:
        try:
            self._step = running_slot.get().step(name)
        except LookupError:
            raise _nobody_runs("step()") from None
        self._start_ns = 0

    def __enter__(self) -> Self:
        self._start_ns = now_ns()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        duration_ns = now_ns() - self._start_ns
        if kind is None:
            self._step.done(duration_ns, 0, 0)
        else:
            self._step.failed(duration_ns, 0, 0)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, frames)


class Press:
    """A scenario: a word table and the logic of one iteration.

    Any run setting (`qps`, `concurrent`, `duration`, `host`, …) may stand on the class, be given to the constructor,
    or on the command line; the later one of these wins.

        class Hello(Press):
            host = "http://127.0.0.1:8080"

            async def press(self):
                await self.http.get("/")

        if __name__ == "__main__":
            Hello(qps=100, concurrent=10).run()
    """

    host: str | None = None
    """What relative URLs are relative to."""
    params: Mapping[str, Any] = {}
    """What was given with --param KEY=VALUE."""
    vocab_list: Any
    """The word table, for a press() that draws from it by itself: a list, or as good as one. A constructor may fill it
    by hand, where there is no vocab().
    """
    slot: int = -1
    """This slot's number, from 0, over all workers."""
    worker: int = -1
    """The number of the worker this slot is in, from 0."""
    http: HttpClient
    """The fast HTTP/1.1 client; cookies and default headers are this slot's own."""

    settings: Mapping[str, Any] = {}
    """The run settings that were given to the constructor."""

    _clients: Clients

    def __init__(self, qps: float | str | None = None, concurrent: int | None = None, **settings: Any) -> None:
        self.vocab_list = []
        given = {"qps": qps, "concurrent": concurrent, **settings}
        for name, value in given.items():
            if value is not None:
                setattr(self, name, value)
        self.settings = {name: value for name, value in given.items() if value is not None}

    if TYPE_CHECKING:
        # A method, or the words themselves: `vocab = csv("users.csv")`.
        vocab: Any
    else:

        def vocab(self):
            """The word table: return or yield words (any picklable values), or a source such as `csv(…)`. Called once,
            before the load.
            """

    def prepare(self, word: Any) -> Any:
        """CPU work on a word before its iteration: what it returns is what press() gets instead.

        It is done ahead of the pace, in CPU workers, on an object that belongs to no slot: what it needs comes with the
        word, or stands on the class. What it returns can be pickled. An exception fails the iteration; nothing is sent.
        """
        return word

    def verify(self, word: Any, reply: Any) -> None:
        """CPU work on a reply after its iteration, in CPU workers, by `check`: *word* is the one in the table, *reply*
        what press() returned (where that was None there is nothing to verify).

        A check that does not hold, or an exception, fails the iteration.
        """

    if TYPE_CHECKING:
        # Either shape is a press(): `async def press(self, word)` and `async def press(self)`; without `async`, it runs
        # in a thread of its slot. So do start() and stop().
        press: Callable[..., Any]
        start: Callable[[], Any]
        stop: Callable[[], Any]
    else:

        async def press(self, word):
            """One iteration: one request, or a flow of several. May also be written without *word*."""
            raise NotImplementedError

        async def start(self):
            """Called once in each slot before the load, outside the measured time: log in, open what press() needs."""

        async def stop(self):
            """Called once in each slot after the load, outside the measured time."""

    async def in_thread(self, function: Callable[..., T], /, *args: Any, **named: Any) -> T:
        """`function(*args, **named)` in a thread of this worker: for a library that blocks, or that works on the CPU
        without Python's lock. In an async press(); *function* cannot use `check` and `step`.
        """
        call = functools.partial(function, *args, **named)
        return await asyncio.get_running_loop().run_in_executor(None, call)

    @property
    def session(self) -> aiohttp.ClientSession:
        """An aiohttp.ClientSession of this worker, for what the fast client leaves out; its requests are steps too."""
        return self._clients.session

    def thrift(self, source: Any, service: str | None = None, **options: Any) -> ThriftClient:
        """A client whose methods are those of a Thrift service: `await calc.add(1, 2)`.

        Args:
            source: an IDL file (a relative path is taken from the folder of the scenario), a service class of
                thriftpy2, or a service module that Apache's compiler made.
            service: its name in the IDL file; may be left out where there is but one.
            options: host, port, transport ("framed", "buffered", "http"), protocol ("binary", "compact", "json"),
                strict, multiplexed, tls, path and headers (HTTP), timeout (s), max_frame_bytes.

        Cheap to call: a worker makes one client for the same arguments.

        Raises:
            RequestError: the client cannot be made from these.
        """
        return self._clients.thrift(source, service, _folder_of(type(self)), options)

    def tcp(
        self,
        host: str,
        port: int,
        *,
        tls: bool = False,
        timeout: float | None = None,
        max_bytes: int | None = None,
        name: str = "",
    ) -> TcpClient:
        """A client of a TCP port: `reply = await self.tcp(host, port).ask(b"ping", until=b"…")`. Cheap to call.

        Its steps are called *name*, or "TCP host:port". *max_bytes* is the longest answer; left out, --max-body.
        """
        return self._clients.tcp(host, port, tls=tls, timeout=timeout, max_bytes=max_bytes, name=name)

    def udp(self, host: str, port: int, *, timeout: float | None = None, name: str = "") -> UdpClient:
        """A client of a UDP port: `reply = await self.udp(host, port, timeout=0.5).ask(b"ping")`. Cheap to call."""
        return self._clients.udp(host, port, timeout=timeout, name=name)

    def websocket(
        self,
        url: str,
        *,
        name: str | None = None,
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        protocols: Iterable[str] = (),
        max_bytes: int | None = None,
    ) -> WebSocket:
        """A WebSocket: `async with self.websocket("/ws") as ws: reply = await ws.ask("ping")`.

        *url* is below `--host`, or a whole one (ws://, wss://). Steps are called *name*, or "WS /ws".
        """
        return self._clients.websocket(
            url, name=name, timeout=timeout, headers=headers, protocols=protocols, max_bytes=max_bytes
        )

    def grpc(self, stub: Callable[[Any], Any], target: str, **options: Any) -> Any:
        """A generated gRPC stub on channels that time its calls: `await self.grpc(GreeterStub, "host:port").Hello(…)`.

        Options: tls, channels (connections a worker; else --grpc-channels), timeout (s), metadata (a dict). Cheap to
        call.
        """
        return self._clients.grpc(stub, target, **options)

    def run(self) -> Result:
        """Run this scenario as `hybridpress run` does, print as it does, and return the result.

        Raises:
            UsageError: a setting or the scenario itself cannot be used; nothing was sent.
            RunError: the run broke.
        """
        from hybridpress.run import run_scenario

        return run_scenario(self)

    def in_slot(self, number: int, worker: int, clients: Clients) -> Self:
        """The shallow copy that slot *number* runs on."""
        mine = copy.copy(self)
        mine.slot = number
        mine.worker = worker
        mine._clients = clients  # noqa: SLF001 (a copy of this very object)
        mine.http = clients.http()
        return mine


def _folder_of(scenario: type) -> Path | None:
    """The folder of the file in which *scenario* stands."""
    file = getattr(sys.modules.get(scenario.__module__), "__file__", None)
    return None if file is None else Path(file).resolve().parent
