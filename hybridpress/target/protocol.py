"""One connection: bytes in, requests answered in the order they came, bytes out; knows no path and no process.

A request whose very bytes were answered before, with a reply that depends on nothing else, is not parsed again:
its reply is looked up. All others go through httptools.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import traceback
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import cast

from hybridpress.clock import now_ns
from hybridpress.target import counters
from hybridpress.target.message import CONTINUE, Fate, Reply, Request, encode, framed, text
from hybridpress.target.reader import RequestReader
from hybridpress.target.routes import Route, Routes
from hybridpress.target.timer import Deadlines

_MAX_QUEUED = 64  # requests that wait for the reply before theirs; then the connection is not read
_MAX_KNOWN = 512
_MAX_KNOWN_BYTES = 8192  # of request and reply together
_LINGER_S = 1.0  # so long we read on after a refusal: closing over unread bytes would destroy the reply
_STALL_AFTER_S = 0.001  # so long a reply gets to leave

Known = dict[bytes, tuple[bytes, int, int]]
_NOTHING_KNOWN: Known = {}


class Site:
    """What all connections of one process share."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        routes: Routes,
        counts: memoryview[int],
        deadlines: Deadlines,
    ) -> None:
        self.loop = loop
        self.routes = routes
        self.counts = counts
        self.deadlines = deadlines
        self.known: Known = {}  # request bytes: reply bytes, where it is counted, how many bytes


class Connection(asyncio.Protocol):
    """The server's end of one connection."""

    __slots__ = (
        "_counts",
        "_is_closing",
        "_is_fresh",
        "_is_full",
        "_is_observer",
        "_is_over",
        "_is_waiting",
        "_keepable",
        "_known",
        "_n_answered",
        "_queue",
        "_reader",
        "_site",
        "_stream",
        "_transport",
        "_write",
    )

    _transport: asyncio.Transport

    def __init__(self, site: Site) -> None:
        self._site = site
        self._counts = site.counts
        self._known = site.known  # while it may not answer from memory, it knows nothing
        self._reader: RequestReader | None = None  # made when there is something to parse
        self._queue: deque[Request | Reply] = deque()
        self._is_fresh = True  # nothing was asked yet
        self._is_observer = False  # the first thing asked was a control path: not counted
        self._is_waiting = False  # a reply is not due yet, or on its way in pieces
        self._is_full = False  # the client does not read what we wrote
        self._is_over = False  # nothing more is read
        self._is_closing = False  # nothing more is written
        self._stream: Iterator[bytes] | None = None
        # What was answered to the bytes that were just fed, and whether that can be kept.
        self._n_answered = 0
        self._keepable: tuple[bytes, int, int] | None = None

    # ---- what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self._transport = cast("asyncio.Transport", transport)
        self._write = self._transport.write
        self._counts[counters.ACCEPTED] += 1
        self._counts[counters.OPEN] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it, and whoever is left without a reply."""
        counts = self._counts
        if not self._is_observer:
            counts[counters.OPEN] -= 1
        if self._is_waiting:
            if self._stream is None:
                counts[counters.WAITING] -= 1
                counts[counters.ABANDONED] += 1
            self._is_waiting = False
        counts[counters.ABANDONED] += sum(isinstance(item, Request) for item in self._queue)
        self._queue.clear()
        self._stream = None
        self._is_over = self._is_closing = True
        self._known = _NOTHING_KNOWN
        self._reader = None  # it refers to us

    def data_received(self, data: bytes) -> None:
        """Answer what is whole, keep what is not."""
        counts = self._counts
        counts[counters.BYTES_IN] += len(data)
        known = self._known.get(data)
        if known is None:
            if not self._is_over:
                self._parse(data)
            return
        reply, slot, n_bytes = known
        self._is_fresh = False
        counts[slot] += 1
        counts[counters.BYTES_OUT] += n_bytes
        self._write(reply)

    def eof_received(self) -> bool:
        """The client asks no more: a reply on its way is still sent, one that is not due yet is abandoned.

        A client that hung up looks just like one that only stopped sending, until we write to it. We take it
        for gone, so that a request cut off by its time limit is told as abandoned when that happens.
        """
        self._is_over = True
        return self._stream is not None

    def pause_writing(self) -> None:
        """Answer no more until the client has read."""
        self._is_full = True
        self._known = _NOTHING_KNOWN

    def resume_writing(self) -> None:
        """Go on where we were."""
        self._is_full = False
        if self._stream is not None:
            self._pump()
        self._go_on()

    # ---- reading

    def _parse(self, data: bytes) -> None:
        reader = self._reader
        if reader is None:
            reader = self._reader = RequestReader(self._take, self._go_ahead)
        starts_clean = not (reader.is_mid_request or self._is_waiting or self._queue)
        self._n_answered = 0
        self._keepable = None
        refusal = reader.feed(data)
        if self._is_over:
            return
        if refusal is not None:
            self._end_reading(refusal)
        elif reader.is_upgraded:  # answered as if that had not been asked for, which the client must allow
            self._end_reading(None)
        else:
            if starts_clean and self._n_answered == 1 and not reader.is_mid_request:
                self._keep(data)
            self._recall()

    def _keep(self, data: bytes) -> None:
        """Remember the reply to *data*, which were exactly one request."""
        keepable = self._keepable
        if keepable is not None and len(data) + keepable[2] <= _MAX_KNOWN_BYTES:
            known = self._site.known
            if len(known) >= _MAX_KNOWN:
                known.clear()
            known[data] = keepable

    def _recall(self) -> None:
        """Answer from memory if nothing stands before the next request, else not."""
        is_mid_request = self._reader is not None and self._reader.is_mid_request
        is_busy = is_mid_request or self._is_waiting or self._is_full or self._is_over or self._queue
        self._known = _NOTHING_KNOWN if is_busy else self._site.known

    def _end_reading(self, refusal: Reply | None) -> None:
        """Hang up after the replies that are still due, with *refusal* for the last one."""
        self._is_over = True
        self._known = _NOTHING_KNOWN
        if refusal is not None:
            self._queue.append(refusal)
        self._go_on()

    def _go_ahead(self) -> None:
        """Tell a client that it may send its body. One that pipelines is not told, and sends it in the end."""
        if not (self._is_waiting or self._queue or self._is_over):
            self._write(CONTINUE)

    def _take(self, request: Request) -> None:
        """Answer a request, or let it wait its turn."""
        if self._is_over:
            return
        if self._is_waiting or self._is_full or self._queue:
            self._queue.append(request)
            if len(self._queue) >= _MAX_QUEUED:
                self._transport.pause_reading()
        else:
            self._answer(request)

    # ---- answering

    def _go_on(self) -> None:
        """Answer those who waited for the reply before theirs, then read on."""
        queue = self._queue
        while queue and not (self._is_waiting or self._is_full or self._is_closing):
            item = queue.popleft()
            if isinstance(item, Request):
                self._answer(item)
            else:
                self._hang_up(item)
        if self._is_closing or self._is_waiting or self._is_full:
            return
        if self._is_over:
            self._close()
            return
        if not self._transport.is_reading():
            self._transport.resume_reading()
        self._recall()

    def _hang_up(self, reply: Reply) -> None:
        """Send a refusal, and close once the client has had time to read it."""
        self._send_bytes(self._site.routes.malformed, reply, _NOBODY, keep_alive=False)
        self._is_closing = True
        self._transport.write_eof()
        if not self._transport.is_reading():
            self._transport.resume_reading()
        self._site.loop.call_later(_LINGER_S, self._transport.close)

    def _answer(self, request: Request) -> None:
        route, tail = self._site.routes.find(request.path)
        self._count_connection(route, request)
        try:
            reply = route.reply(request, tail)
        except Exception:  # noqa: BLE001 -- a fault of ours must show, and must not end the server
            traceback.print_exc(file=sys.stderr)
            reply = text("the target has a fault; see its stderr", 500)
        if reply.wait_ns:
            self._is_waiting = True
            self._known = _NOTHING_KNOWN
            self._counts[counters.WAITING] += 1
            due_ns = now_ns() + reply.wait_ns
            self._site.deadlines.call_at(due_ns, partial(self._send_late, route, reply, request))
        else:
            self._send(route, reply, request)

    def _count_connection(self, route: Route, request: Request) -> None:
        """Take back what was counted for a control request: its bytes, and a connection made for it alone."""
        if route.is_control:
            self._counts[counters.BYTES_IN] -= request.fed_bytes
            if self._is_fresh:
                self._is_observer = True
                self._counts[counters.ACCEPTED] -= 1
                self._counts[counters.OPEN] -= 1
        self._is_fresh = False

    def _send_late(self, route: Route, reply: Reply, request: Request) -> None:
        if not self._is_waiting or self._is_closing:  # the client left
            return
        self._counts[counters.WAITING] -= 1
        self._is_waiting = False
        self._send(route, reply, request)
        self._go_on()

    def _send(self, route: Route, reply: Reply, request: Request) -> None:
        keep_alive = request.keep_alive and reply.fate is Fate.KEEP
        if reply.stream is not None and reply.length is None and request.is_http_1_0:
            keep_alive = False  # there, the end of such a body is the end of the connection
        if reply.fate is Fate.RESET:
            self._reset(route)
            return
        if not keep_alive:
            self._is_over = True
            self._queue.clear()
        if reply.stream is not None and request.method != b"HEAD":
            is_chunked = reply.length is None and not request.is_http_1_0
            self._stream = framed(reply.stream) if is_chunked else reply.stream
            self._is_waiting = True
        sent, slot = self._send_bytes(route, reply, request, keep_alive=keep_alive)
        self._n_answered += 1
        if reply.after is not None:
            self._site.loop.call_later(_STALL_AFTER_S, reply.after)
        if self._stream is not None:
            self._pump()
        if self._stream is not None:  # the rest when the client has read
            return
        if not keep_alive:
            self._close()
        elif reply.is_pure and not route.is_control:
            self._keepable = (sent, slot, len(sent))

    def _send_bytes(self, route: Route, reply: Reply, request: Request, *, keep_alive: bool) -> tuple[bytes, int]:
        # Counted before it is sent: who has the reply finds it counted.
        sent = encode(reply, request, keep_alive=keep_alive)
        slot = route.slots[reply.status]
        self._counts[slot] += 1
        if not route.is_control:
            self._counts[counters.BYTES_OUT] += len(sent)
        self._write(sent)
        return sent, slot

    def _pump(self) -> None:
        """Write the reply that comes in pieces as far as the client reads it."""
        stream = self._stream
        assert stream is not None
        while not self._is_full:
            piece = next(stream, None)
            if piece is None:
                self._stream = None
                self._is_waiting = False
                return
            self._counts[counters.BYTES_OUT] += len(piece)
            self._write(piece)

    def _reset(self, route: Route) -> None:
        self._counts[route.slots[0]] += 1
        linger_none = struct.pack("ii", 1, 0)  # closing then sends RST and drops what is unsent
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_none)
        self._is_over = self._is_closing = True
        self._known = _NOTHING_KNOWN
        self._queue.clear()
        self._transport.abort()

    def _close(self) -> None:
        self._is_over = self._is_closing = True
        self._known = _NOTHING_KNOWN
        self._transport.close()


_NOBODY = Request(b"GET", b"/", [], b"")
