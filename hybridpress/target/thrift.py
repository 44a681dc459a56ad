"""The target's Thrift side: calculator.thrift, framed or not, binary, compact or JSON, as each client begins.

Calls are counted with the paths of HTTP: under "Calculator.add", with status 200 for an answer, 400 for a declared
exception, 500 for a call that could not be done. A call whose bytes were answered before is not decoded again.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

from hybridpress.errors import ProtocolError
from hybridpress.target import counters
from hybridpress.target.counters import Counters

IDL: Final = Path(__file__).with_name("calculator.thrift")
MALFORMED: Final = "(malformed Thrift)"
METHODS: Final = ("ping", "add", "calculate", "echo", "delay", "note")
ANSWERED, DECLARED, FAILED = 200, 400, 500
MAX_FRAME_BYTES: Final = 64 * 2**20
MAX_DELAY_MS: Final = 3_600_000
_MAX_KNOWN: Final = 512
_MAX_KNOWN_BYTES: Final = 4096
_CALLS: Final = (1, 4)  # message types: a call, a oneway call
_REPLY, _EXCEPTION = 2, 3
_UNKNOWN_METHOD, _INTERNAL_ERROR = 1, 6


def countable_calls() -> list[tuple[str, int]]:
    """Every (path, status) under which a call may be counted."""
    statuses = (ANSWERED, DECLARED, FAILED)
    return [(f"Calculator.{name}", status) for name in METHODS for status in statuses] + [
        ("Calculator.(unknown method)", FAILED),
        (MALFORMED, FAILED),
    ]


class ThriftSite:
    """What all Thrift connections of one process share."""

    def __init__(self, loop: asyncio.AbstractEventLoop, all_counters: Counters, counts: memoryview[int]) -> None:
        import thriftpy2

        from hybridpress.clients.thrift.codec import BinaryCodec, CompactCodec, IncompleteError
        from hybridpress.clients.thrift.json import JsonCodec

        self.loop = loop
        self.counts = counts
        self.incomplete = IncompleteError
        self.types: Any = thriftpy2.load(str(IDL))
        self.service = self.types.Calculator
        self.slots = {name: all_counters.slots(f"Calculator.{name}") for name in (*METHODS, "(unknown method)")}
        self.malformed_slot = all_counters.slots(MALFORMED)[FAILED]
        self.codecs: dict[str, Any] = {
            "binary": BinaryCodec(),
            "loose": BinaryCodec(strict=False),
            "compact": CompactCodec(),
            "json": JsonCodec(),
        }
        # Frames of strict binary calls without their number: the reply's bytes around its own, and where it is counted.
        self.known: dict[bytes, tuple[bytes, bytes, int]] = {}

    def do(self, name: str, args: Any) -> Any:
        """What the method answers. Raises its declared exception."""
        if name == "add":
            return args.left + args.right
        if name == "calculate":
            return self._calculate(args.work)
        return args.text if name == "echo" else None

    def _calculate(self, work: Any) -> int:
        left, right, operation = work.left, work.right, work.operation
        if operation == 1:
            return cast("int", left + right)
        if operation == 2:
            return cast("int", left - right)
        if operation == 3:
            return cast("int", left * right)
        if operation == 4 and right:
            return cast("int", left // right)
        why = "division by zero" if operation == 4 else "no such operation"
        raise self.types.InvalidOperation(operation, why)


class ThriftConnection(asyncio.Protocol):
    """The server's end of one connection: one call after another."""

    _transport: asyncio.Transport

    def __init__(self, site: ThriftSite) -> None:
        self._site = site
        self._counts = site.counts
        self._known = site.known
        self._buffer = b""
        self._n_left = 0  # bytes behind the call that was just answered
        self._is_framed: bool | None = None  # not known before the first bytes
        self._codec: Any = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._write = self._transport.write
        self._counts[counters.ACCEPTED] += 1
        self._counts[counters.OPEN] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._counts[counters.OPEN] -= 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._counts[counters.WAITING] -= 1
            self._counts[counters.ABANDONED] += 1

    def data_received(self, data: bytes) -> None:
        counts = self._counts
        counts[counters.BYTES_IN] += len(data)
        if not self._buffer and len(data) > 12 and self._timer is None:
            at = 12 + data[11]  # where the number of a strict binary call stands: behind its name
            known = self._known.get(data[:at] + data[at + 4 :])
            if known is not None:
                before, after, slot = known
                counts[slot] += 1
                reply = before + data[at : at + 4] + after
                counts[counters.BYTES_OUT] += len(reply)
                self._write(reply)
                return
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        """Answer the calls that are whole, as long as none has to wait."""
        while self._buffer and self._timer is None and not self._transport.is_closing():
            try:
                n_used = self._answer_one()
            except ProtocolError:
                self._counts[self._site.malformed_slot] += 1
                self._transport.close()
                return
            if not n_used:
                return
            self._buffer = self._buffer[n_used:]

    def _answer_one(self) -> int:
        """Answer the first call in the buffer; how many bytes it took, 0 if it is not whole."""
        data = self._buffer
        if self._is_framed is None and not self._find_out(data):
            return 0
        n_used = len(data)
        message = data
        if self._is_framed:
            size = int.from_bytes(data[:4])
            if size > MAX_FRAME_BYTES:
                raise ProtocolError("the frame is too long")
            n_used = size + 4
            if len(data) < n_used:
                return 0
            message = data[4:n_used]
        try:
            self._answer(message)
        except self._site.incomplete:
            if self._is_framed:
                raise ProtocolError("the frame ends before its message") from None
            return 0
        return n_used if self._is_framed else n_used - self._n_left

    def _find_out(self, data: bytes) -> bool:
        """Tell transport and protocol from the first bytes; whether they were enough."""
        if data[0] in b"\x80\x82[":
            self._is_framed = False
            first = data[0]
        elif len(data) > 4:
            # A frame's length, or that of a method's name, as a call without version begins with.
            self._is_framed = data[4] in b"\x80\x82[\x00"
            first = data[4] if self._is_framed else 0
        else:
            return False
        codecs = self._site.codecs
        self._codec = {0x80: codecs["binary"], 0x82: codecs["compact"], 0x5B: codecs["json"]}.get(
            first, codecs["loose"]
        )
        return True

    def _answer(self, message: bytes) -> None:
        site, codec = self._site, self._codec
        name, kind, number = codec.read_head(message)
        if kind not in _CALLS:
            raise ProtocolError("it is no call")
        name = name.rpartition(":")[2]  # multiplexed: there is but one service
        if name not in METHODS:
            self._n_left = 0
            self._refuse(name, number, "(unknown method)", _UNKNOWN_METHOD, f"there is no method {name}")
            return
        args = getattr(site.service, f"{name}_args")()
        codec.read_struct(args)
        self._n_left = 0 if self._is_framed else codec.n_left()  # a oneway call may stand before the next one
        result = getattr(site.service, f"{name}_result")()
        status = ANSWERED
        try:
            value = site.do(name, args)
            if name in {"add", "calculate", "echo"}:
                result.success = value
        except site.types.InvalidOperation as declared:
            result.invalid = declared
            status = DECLARED
        except (TypeError, AttributeError) as error:  # an argument is missing
            self._refuse(name, number, name, _INTERNAL_ERROR, str(error))
            return
        slot = site.slots[name][status]
        if kind == _CALLS[1]:
            self._counts[slot] += 1
            return
        reply = self._framed(codec.write(name, _REPLY, number, result))
        if name == "delay" and args.ms:
            self._counts[counters.WAITING] += 1
            delay_s = min(max(args.ms, 0), MAX_DELAY_MS) / 1e3
            self._timer = site.loop.call_later(delay_s, partial(self._late, reply, slot))
            return
        self._send(reply, slot)
        self._keep(message, name, reply, slot)

    def _keep(self, message: bytes, name: str, reply: bytes, slot: int) -> None:
        """Remember the answer to a strict binary call in a frame: but for the number, it is the same each time."""
        site = self._site
        if not self._is_framed or self._codec is not site.codecs["binary"] or name == "delay":
            return
        call = self._buffer[: 4 + len(message)]
        at = 12 + call[11]
        if len(call) + len(reply) > _MAX_KNOWN_BYTES or call[8:11] != b"\0\0\0":
            return
        if len(site.known) >= _MAX_KNOWN:
            site.known.clear()
        begins = 12 + reply[11]
        site.known[call[:at] + call[at + 4 :]] = (reply[:begins], reply[begins + 4 :], slot)

    def _refuse(self, name: str, number: int, path: str, kind: int, text: str) -> None:
        from thriftpy2.thrift import TApplicationException

        reply = self._codec.write(name, _EXCEPTION, number, TApplicationException(kind, text))
        self._send(self._framed(reply), self._site.slots[path][FAILED])

    def _late(self, reply: bytes, slot: int) -> None:
        self._timer = None
        self._counts[counters.WAITING] -= 1
        self._send(reply, slot)
        self._go_on()

    def _framed(self, message: bytes) -> bytes:
        return len(message).to_bytes(4) + message if self._is_framed else message

    def _send(self, reply: bytes, slot: int) -> None:
        self._counts[slot] += 1
        self._counts[counters.BYTES_OUT] += len(reply)
        self._write(reply)
