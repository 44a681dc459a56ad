"""The link between a run and its page, a pair of sockets. Knows not what is told over it.

The run tells: frames of a length and a pickle, each the name of a call and its arguments. The page asks: lines of JSON,
because it speaks with the network, and a run must not unpickle what comes from there.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hybridpress.errors import HybridpressError

MOST_WAITING_BYTES = 64 * 2**20
"""So much may wait for a page that does not read. More is no hiccup any more: the page is given up."""
PATIENCE_S = 5.0
_LENGTH = struct.Struct(">I")


class RunEnd:
    """The run's end. `tell` never waits while a loop runs; what the page asks goes to *obey*."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self._waiting: deque[bytes] = deque()
        self._n_waiting_bytes = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = b""
        self._obey: Callable[[str], dict[str, Any]] | None = None
        self._lost: Callable[[], None] | None = None
        self.is_broken = False
        """Whether the page is gone."""

    def tell(self, call: str, *args: Any) -> None:
        """Say *call* to the page.

        Raises:
            HybridpressError: the page is gone, or does not read.
        """
        if self.is_broken:
            raise HybridpressError("the process of the live page is gone; the run goes on without it")
        data = pickle.dumps((call, args), protocol=pickle.HIGHEST_PROTOCOL)
        self._waiting.append(_LENGTH.pack(len(data)) + data)
        self._n_waiting_bytes += len(data) + _LENGTH.size
        if self._n_waiting_bytes > MOST_WAITING_BYTES:
            self._break()
            raise HybridpressError("the live page does not keep up; the run goes on without it")
        if len(self._waiting) == 1:
            self._flush()

    def attach(self, obey: Callable[[str], dict[str, Any]], lost: Callable[[], None]) -> None:
        """Take commands from now on, on the running loop; *lost* is called when the page is gone."""
        self._loop = asyncio.get_running_loop()
        self._obey, self._lost = obey, lost
        self._socket.setblocking(False)
        if not self.is_broken:
            self._loop.add_reader(self._socket.fileno(), self._read)

    def detach(self) -> None:
        """The loop ends: take no more commands, and wait, within reason, when something is told."""
        if self._loop is not None and not self.is_broken:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
        self._loop = None
        if not self.is_broken:
            self._socket.settimeout(PATIENCE_S)
            self._flush()

    def close(self) -> None:
        self._break()

    def _flush(self) -> None:
        """Send what waits. On a loop what does not go now goes when there is room; without one it is waited for."""
        while self._waiting:
            data = self._waiting[0]
            try:
                n_sent = self._socket.send(data)
            except BlockingIOError:
                assert self._loop is not None
                self._loop.add_writer(self._socket.fileno(), self._flush)
                return
            except OSError:  # a TimeoutError too: out of the loop a page that does not read is given up
                self._break()
                return
            self._n_waiting_bytes -= n_sent
            self._waiting.popleft()
            if n_sent < len(data):
                self._waiting.appendleft(data[n_sent:])
        if self._loop is not None:
            self._loop.remove_writer(self._socket.fileno())

    def _read(self) -> None:
        try:
            data = self._socket.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._break()
            if self._lost is not None:
                self._lost()
            return
        *lines, self._asked = (self._asked + data).split(b"\n")
        for line in lines:
            asked = json.loads(line)
            assert self._obey is not None
            with suppress(HybridpressError):
                self.tell("reply", asked["id"], self._obey(asked["command"]))

    def _break(self) -> None:
        if self.is_broken:
            return
        self.is_broken = True
        self._waiting.clear()
        if self._loop is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
        self._socket.close()


class PageEnd:
    """The page's end. `follow` hands on what the run tells; `ask` gives it a command and waits for the reply."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self._writer: asyncio.StreamWriter | None = None
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._n_asked = 0

    async def follow(self, told: Callable[[str, tuple[Any, ...]], None]) -> None:
        """Call *told* with the name and the arguments of each call, until the run closes its end."""
        reader, self._writer = await asyncio.open_connection(sock=self._socket)
        try:
            while True:
                (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
                call, args = pickle.loads(await reader.readexactly(length))  # noqa: S301 (a process of our own)
                if call == "reply":
                    number, reply = args
                    if not (waiting := self._replies.pop(number)).done():
                        waiting.set_result(reply)
                else:
                    told(call, args)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for waiting in self._replies.values():
                waiting.cancel()
            self._writer.close()
            self._writer = None

    async def ask(self, command: str) -> dict[str, Any]:
        """Have the run obey *command*: what it replies, see `Helm.obey`."""
        if self._writer is None:
            return {"ok": False, "text": "the load is over"}
        self._n_asked += 1
        number = self._n_asked
        self._replies[number] = asyncio.get_running_loop().create_future()
        self._writer.write(json.dumps({"id": number, "command": command}).encode() + b"\n")
        try:
            return await asyncio.wait_for(self._replies[number], PATIENCE_S)
        except TimeoutError:
            self._replies.pop(number, None)
            return {"ok": False, "text": f"the run did not answer within {PATIENCE_S:g} s; it may be starting still"}
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            return {"ok": False, "text": "the load is over"}
