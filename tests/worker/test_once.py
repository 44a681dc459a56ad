"""One iteration in this very process: what came of it, and what was seen of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from hybridpress.config import Layer, RunConfig
from hybridpress.errors import ConnectError
from hybridpress.metrics.interval import CheckCounts
from hybridpress.press import Press, check, step
from hybridpress.scenario import shape_of
from hybridpress.vocab.supply import Supply
from hybridpress.worker.once import Outcome, run_once
from hybridpress.worker.process import Seat


class Seen:
    """Exchanges as they went over the wire."""

    def __init__(self) -> None:
        self.exchanges: list[tuple[str, bytes, bytes, BaseException | None]] = []

    def exchange(self, name: str, request: bytes, reply: bytes, duration_ns: int, error: BaseException | None) -> None:
        self.exchanges.append((name, request, reply, error))


def seat(press: Press, words: list[Any], **settings: Any) -> Seat:
    config = RunConfig.build("made.py:Made", [Layer({"seed": 3, **settings}, lambda name: name)])
    supply = Supply(config.policy, [1], 3)
    supply.fill(words)
    return Seat(0, config, press, shape_of(press), supply, range(1))


def once(press: Callable[..., Any], words: list[Any] | None = None, **methods: Any) -> Outcome:
    """What comes of one iteration of *press*."""
    made: Press = type("Made", (Press,), {"press": press, **methods})()
    return uvloop.run(run_once(seat(made, words or []), Seen()))


def test_an_iteration_as_it_should_be() -> None:
    """Told are the word, what press() returned, its checks and its steps; start() came before, stop() after it."""
    order: list[str] = []

    async def start(self: Press) -> None:
        order.append(f"start {self.slot} {self.worker}")

    async def press(self: Press, word: str) -> str:
        order.append("press")
        async with step("think"):
            await asyncio.sleep(0.001)
        check(word, "has a word")
        return word.upper()

    async def stop(self: Press) -> None:
        order.append("stop")

    outcome = once(press, ["vm-1"], start=start, stop=stop)
    assert order == ["start 0 0", "press", "stop"]
    assert (outcome.word, outcome.returned, outcome.has_failed) == ("vm-1", "VM-1", False)
    assert outcome.checks == {"has a word": CheckCounts(1, 0)}
    assert outcome.errors == []
    assert list(outcome.step_times_ns) == ["think"]
    assert 0 < outcome.step_times_ns["think"] <= outcome.duration_ns


def test_without_a_word() -> None:
    """A press() that takes no word is given none, even when there is a table."""

    async def press(self: Press) -> int:
        return len(self.vocab_list)

    outcome = once(press)
    assert (outcome.word, outcome.returned) == (None, 0)


def test_the_word_follows_the_seed() -> None:
    """The same seed draws the same word, again and again."""

    async def press(self: Press, word: int) -> int:
        return word

    assert len({once(press, list(range(1_000))).returned for _ in range(5)}) == 1


class OutcomeError(BaseException):
    """As the assertion libraries of some test tools raise: no Exception."""


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("no such VM"), "ValueError", "no such VM"),
        (SystemExit(2), "SystemExit", "2"),
        (ConnectError("refused", "127.0.0.1:1"), "ConnectError", "refused"),
        (asyncio.CancelledError(), "CancelledError", ""),
        (OutcomeError("expected 200"), "OutcomeError", "expected 200"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_iteration_that_raises(error: BaseException, kind: str, message: str) -> None:
    """Whatever press() raises is told with the scenario's own line; stop() runs all the same."""
    stopped: list[int] = []

    async def press(self: Press) -> None:
        raise error

    async def stop(self: Press) -> None:
        stopped.append(1)

    outcome = once(press, stop=stop)
    assert outcome.has_failed
    assert [(found, said) for found, said, _ in outcome.errors] == [(kind, message)]
    assert "test_once.py" in outcome.errors[0][2]
    assert stopped == [1]


def test_a_check_that_does_not_hold() -> None:
    """The iteration has failed though nothing was raised, and what it returned is told."""

    async def press(self: Press) -> str:
        check(ok=False, name="status is 200")
        return "reply"

    outcome = once(press)
    assert outcome.has_failed
    assert outcome.returned == "reply"
    assert outcome.checks == {"status is 200": CheckCounts(0, 1)}
    assert [kind for kind, _, _ in outcome.errors] == ["CheckFailed"]


def test_a_start_that_fails() -> None:
    """Without its start() there is no press()."""
    pressed: list[int] = []

    async def start(self: Press) -> None:
        raise ValueError("wrong password")

    async def press(self: Press) -> None:
        pressed.append(1)

    outcome = once(press, start=start)
    assert pressed == []
    assert outcome.has_failed
    assert [message for _, message, _ in outcome.errors] == ["wrong password"]


def test_exchanges_are_seen() -> None:
    """Every exchange is shown as it went over the wire, and is a step."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    async def press(self: Press) -> str:
        return (await self.http.get("/vm?id=1", name="query vm")).text()

    made: Press = type("Made", (Press,), {"press": press})()
    seen = Seen()

    async def main() -> Outcome:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await run_once(seat(made, [], host=f"http://127.0.0.1:{port}"), seen)

    outcome = uvloop.run(main())
    assert (outcome.returned, outcome.has_failed) == ("ok", False)
    assert list(outcome.step_times_ns) == ["query vm"]
    ((name, request, reply, error),) = seen.exchanges
    assert (name, error) == ("query vm", None)
    assert request.startswith(b"GET /vm?id=1 HTTP/1.1\r\n")
    assert reply.endswith(b"\r\n\r\nok")


def test_cpu_work_and_threads() -> None:
    """prepare() and verify() are done in line, and a plain press() in a thread; both are told as in a run."""

    def prepare(self: Press, word: int) -> int:
        return 2 * word

    def press(self: Press, word: int) -> int:
        check(threading.current_thread().name == "slot-0", "in a thread")
        return word + 1

    def verify(self: Press, word: int, reply: int) -> None:
        check(reply == 2 * word + 2, "right")

    outcome = once(press, [4], prepare=prepare, verify=verify)
    assert (outcome.word, outcome.returned, outcome.has_failed) == (4, 9, True)
    assert outcome.checks == {"in a thread": CheckCounts(1, 0), "right": CheckCounts(0, 1)}
    assert list(outcome.step_times_ns) == ["prepare()", "verify()"]


def test_a_word_that_cannot_be_prepared() -> None:
    """press() is not called, and the error says why."""

    def prepare(self: Press, word: int) -> int:
        raise ValueError("bad")

    async def press(self: Press, word: int) -> None:
        raise AssertionError

    outcome = once(press, [4], prepare=prepare)
    assert [error[:2] for error in outcome.errors] == [("PrepareError", "ValueError: bad")]
    assert outcome.has_failed
