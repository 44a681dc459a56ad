"""A load worker's end of the connection to one CPU worker: frames out without waiting, and frames in."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from hybridpress.ipc.frames import Frames, frame
from hybridpress.worker.cpu.process import Door

_READ_BYTES = 256 * 1024


class Link:
    """For work on press number *kind*. Calls *heard* with the body of each frame that comes, and *lost* when the CPU
    worker is gone; it may then be opened again.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        door: Door,
        kind: int,
        heard: Callable[[Link, bytes], None],
        lost: Callable[[Link], None],
    ) -> None:
        self._loop = loop
        self._door = door
        self._kind = kind
        self._heard = heard
        self._lost = lost
        self._socket: socket.socket | None = None
        self._frames = Frames()
        self._unsent = bytearray()

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    def open(self) -> None:
        """Connect, or connect again.

        Raises:
            OSError: it cannot be opened.
        """
        self._frames = Frames()
        self._unsent.clear()
        self._socket = self._door.come_in(self._kind)
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket.fileno(), self._read)

    def send(self, body: bytes) -> None:
        """Send a frame; what does not go out at once goes out when it can."""
        if self._socket is None:
            return
        data = frame(body)
        if self._unsent:
            self._unsent += data
            return
        n_sent = self._write(data)
        if n_sent < len(data):
            self._unsent += memoryview(data)[n_sent:]
            self._loop.add_writer(self._socket.fileno(), self._write_on)

    def close(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _write(self, data: bytes | bytearray) -> int:
        assert self._socket is not None
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)  # it is gone; the reader hears of it

    def _write_on(self) -> None:
        assert self._socket is not None
        del self._unsent[: self._write(self._unsent)]
        if not self._unsent:
            self._loop.remove_writer(self._socket.fileno())

    def _read(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._lost(self)
            return
        for body in self._frames.feed(data):
            self._heard(self, body)
