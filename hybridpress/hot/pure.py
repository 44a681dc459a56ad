"""What runs for each iteration and each exchange, in Python. `compiled.pyx` is the same in C, where it could be built.

The classes here hold what that code touches, as bases: `Slot`, `Recorder`, `Connection`, `Request` and their kin add
the rest. So one twin takes the place of the other, and nobody else knows which it is. The tests of both rooms' users
run with either (`HYBRIDPRESS_PURE=1`).

Change it only with numbers from bench/test_http_client.py and bench/test_slots.py, and the other twin with it.
"""

from __future__ import annotations

import asyncio
import types
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hybridpress.clock import now_ns

if TYPE_CHECKING:
    from collections.abc import Coroutine

ALONE_NS = 100_000
"""When so long no other slot's iteration ended, a slot gives way to the loop: its press() may not await anything."""

_set_result = asyncio.Future.set_result
"""As a function: looked up as a future's method, it costs CPython 3.11 40 ns more."""


# Samples


class StepBase:
    """One step's samples since the last flush."""

    __slots__ = ("bytes_in", "bytes_out", "durations_ns", "n_failed")

    def __init__(self) -> None:
        self.durations_ns = array("q")
        self.bytes_in = 0
        self.bytes_out = 0
        self.n_failed = 0

    def done(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        self.durations_ns.append(duration_ns)
        self.bytes_out += bytes_out
        self.bytes_in += bytes_in

    def failed(self, duration_ns: int, bytes_out: int, bytes_in: int) -> None:
        self.n_failed += 1
        self.done(duration_ns, bytes_out, bytes_in)


class RecorderBase:
    """The samples of a worker's iterations since the last flush, and when the next one is due."""

    __slots__ = ("checks", "cut", "last_end_ns", "lateness_ns", "n_failed", "paced", "service_ns", "until_ns")

    checks: dict[str, Any]
    cut: Callable[[int], None]
    last_end_ns: int
    lateness_ns: array[int]
    n_failed: int
    paced: bool
    service_ns: array[int]
    until_ns: int


# The turn of a slot


class NoWordError(BaseException):
    """There is no word for the iteration that was to begin, and will be none: it has not begun, and the slot ends."""


class SlotsBase:
    """What the slots of a worker share in their turns."""

    __slots__ = ("clock", "gate", "last_index", "recorder", "started_ns")

    clock: Callable[[], int] | None
    """None: the run's own. A test may give one that it sets by hand."""
    gate: Any
    last_index: int
    recorder: Any
    started_ns: array[int]


class SlotBase:
    """One virtual user, as `turns` sees it."""

    __slots__ = ("checks", "failed", "group", "index", "press")

    checks: dict[str, Any]
    failed: bool
    group: Any
    index: int
    press: Any

    def fail(self, error: BaseException) -> None:
        raise NotImplementedError


async def turns(slot: SlotBase) -> None:
    """Run *slot*'s iterations until its gate has no more. One clock reading a turn where the next is due already."""
    group, index = slot.group, slot.index
    recorder, started_ns, clock = group.recorder, group.started_ns, group.clock or now_ns
    note_service, note_lateness = recorder.service_ns.append, recorder.lateness_ns.append
    paced = recorder.paced
    call, takes_word = slot.press.press, group.takes_word
    words, n_words, draw = group.words, len(group.words), group.rng.random
    start = abs(started_ns[index])
    alone_since = end = clock()
    while True:
        gate = group.gate
        if gate.due_ns <= end:
            take = gate.take  # read first, then called: CPython 3.11 would look it up the long way for a call, 40 ns
            due = take()
            start = end
        else:
            started_ns[index] = -start
            due = await group.wait()
            if due < 0:
                return
            alone_since = start = clock()
        started_ns[index] = start
        try:
            if takes_word:
                await call(words[int(draw() * n_words)])
            else:
                await call()
        except BaseException as error:  # noqa: BLE001 (whatever press() raises is data)
            is_cut = isinstance(error, GeneratorExit | asyncio.CancelledError)
            if is_cut and (group.is_given_up() or isinstance(error, GeneratorExit)):
                return  # given up: it has not ended
            if isinstance(error, NoWordError):
                started_ns[index] = -start
                return
            slot.fail(error)
            if isinstance(error, asyncio.CancelledError):
                uncancel()
        end = clock()
        if end >= recorder.until_ns:
            recorder.cut(end)
            flush_ns = clock() - end  # neither this iteration's time nor the next one's
            due, start, end = due + flush_ns, start + flush_ns, end + flush_ns
        note_service(end - start)
        if paced:
            note_lateness(start - due)
        recorder.last_end_ns = end
        if slot.failed:
            slot.failed = False
            recorder.n_failed += 1
        if group.last_index != index:
            group.last_index = index
            alone_since = end
        elif end - alone_since > ALONE_NS:
            started_ns[index] = -start
            await give_way()
            alone_since = end = clock()


@types.coroutine
def give_way() -> Any:
    """Let the loop run once: asyncio.sleep(0) without its coroutine."""
    yield


def uncancel() -> None:
    """A cancellation that was meant for something else is over: timeouts and task groups count them."""
    if (task := asyncio.current_task()) is not None:
        task.uncancel()


# An HTTP exchange


class HeadBase:
    """The head of a reply: its bytes, and how long head and body are together (−1: the head alone does not tell)."""

    __slots__ = ("head_bytes", "raw", "reply_bytes", "status")

    head_bytes: int
    raw: bytes
    reply_bytes: int
    status: int


class ResponseBase:
    """A reply. Filled by who makes it: a call of __init__ costs a hundredth of an exchange."""

    __slots__ = ("_asked", "_head", "body", "elapsed_ns", "status")

    _asked: Any
    _head: Any
    body: bytes
    elapsed_ns: int
    status: int


class Waits:
    """How exchanges of one loop wait for their replies."""

    __slots__ = ("create_future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.create_future: Callable[[], asyncio.Future[Any]] = loop.create_future


class RouteBase:
    """What is the same for all requests of a route."""

    __slots__ = ("idle", "likely", "reply_type", "step", "waits")

    idle: list[Any]
    likely: Any
    reply_type: type[Any]
    step: Any
    waits: Waits


class RequestBase:
    """A request ready to be sent. If it is *quick*, nobody need look at a reply under the likely head."""

    __slots__ = ("data", "quick", "route", "timeout_ns")

    data: bytes
    quick: bool
    route: Any
    timeout_ns: int

    if TYPE_CHECKING:

        def exchange(self, data: bytes, started_ns: int) -> Coroutine[Any, Any, Any]:
            """The exchange where it is not quick: for any request, over any connection."""

        def conclude(self, connection: Any, outcome: Any, data: bytes, started_ns: int) -> Coroutine[Any, Any, Any]:
            """The rest of an exchange that ended with another *outcome* than the likely head."""


class ConnectionBase(asyncio.Protocol):
    """One connection, as a quick exchange sees it.

    An exchange under way has a `future`, resolved with how it ended. While a head is `likely`, all the bytes of a reply
    under that head may come at once, and need no parser.
    """

    __slots__ = ("body", "closed", "deadline_ns", "end_ns", "future", "likely", "write")

    body: bytes
    closed: bool
    deadline_ns: int
    end_ns: int
    future: Any
    likely: Any
    write: Callable[[bytes], None]

    if TYPE_CHECKING:

        def drop(self) -> None:
            """Close at once."""

        def received(self, data: bytes) -> None:
            """Take bytes that are no likely reply."""

    def data_received(self, data: bytes) -> None:
        likely = self.likely
        if likely is not None and len(data) == likely.reply_bytes and data.startswith(likely.raw):
            end_ns = now_ns()
            try:
                _set_result(self.future, likely)
            except asyncio.InvalidStateError:
                self.drop()  # nobody asked, or who asked was cancelled in this very turn of the loop
                return
            self.end_ns = end_ns
            self.body = data[likely.head_bytes :]
            return
        self.received(data)


async def exchange(request: RequestBase, body: bytes | None = None) -> Any:
    """Send *request*, return the reply, and report both to its step: one `done` or `failed`, a second try included.

    *body* is that of a request whose bytes end with "Content-Length: ".

    A cancelled exchange drops its connection and is not reported: it has no outcome.

    Raises:
        ClientError: there is no reply; one of its subclasses tells why.
    """
    data = request.data if body is None else b"%b%d\r\n\r\n%b" % (request.data, len(body), body)
    route = request.route
    idle = route.idle
    started_ns = now_ns()
    if not request.quick or not idle or (connection := idle.pop()).closed:
        return await request.exchange(data, started_ns)
    create_future, write = route.waits.create_future, connection.write
    likely = connection.likely = route.likely
    future = connection.future = create_future()
    connection.deadline_ns = started_ns + request.timeout_ns
    write(data)
    try:
        outcome = await future
    except BaseException:
        connection.drop()
        raise
    if outcome is not likely:
        return await request.conclude(connection, outcome, data, started_ns)
    idle.append(connection)
    response = route.reply_type()
    response.status = likely.status
    response.body = connection.body
    response.elapsed_ns = duration_ns = connection.end_ns - started_ns
    response._head = likely  # noqa: SLF001  # Response has no __init__, for speed
    response._asked = request  # noqa: SLF001  # as above
    route.step.done(duration_ns, len(data), likely.reply_bytes)
    return response
