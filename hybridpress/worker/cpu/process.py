"""A CPU worker: a process that does batches. It knows neither pace nor slots.

Load workers come in by its door: a socket that outlives the CPU worker, through which each sends it one end of a
connection. So a load worker needs no name of it, and whoever takes the place of one that died finds at the door all who
have come again.
"""

from __future__ import annotations

import mmap
import os
import selectors
import signal
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

from hybridpress.clock import now_ns
from hybridpress.press import Press
from hybridpress.vocab.table import Table
from hybridpress.worker.cpu.batch import Bench

NICENESS = 10
"""So much CPU workers give way: a batch may wait for some ms, a loop may not."""
_LOOK_EVERY_S = 1.0
_KIND = struct.Struct("!I")


class Door:
    """The way to one CPU worker. Made before both sides are forked; the process that forks them keeps it open, and
    sees by `beat` whether anybody is at work behind it.
    """

    def __init__(self) -> None:
        self._outside, self._inside = socket.socketpair()
        self.pulse = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("q")[:1]
        """When the CPU worker did anything last, in ns; in memory that all share."""

    def beat(self) -> int:
        """Changes whenever the CPU worker does anything, and, as long as it does not hang, once a second."""
        return self.pulse[0]

    def fileno(self) -> int:
        """Readable when somebody waits at the door."""
        return self._inside.fileno()

    def come_in(self, kind: int) -> socket.socket:
        """The caller's end of a new connection to the CPU worker, or to the one who comes after it: for work on the
        press number *kind*.

        Raises:
            OSError: it cannot be opened.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._outside, [_KIND.pack(kind)], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
        return ours

    def open(self) -> tuple[Connection, int] | None:
        """The CPU worker's end of the next connection that waits at the door, and the number of the press that it is
        for; None: none will come any more.
        """
        said, fds, _, _ = socket.recv_fds(self._inside, _KIND.size, 1)
        return (Connection(fds[0]), _KIND.unpack(said)[0]) if fds else None

    def leave(self) -> None:
        """Close this process's side of those who come in."""
        self._outside.close()

    def close(self) -> None:
        self._outside.close()
        self._inside.close()


def be_cpu_worker(work: Sequence[tuple[Press, Table]], door: Door) -> None:
    """Do what comes in by *door*, until the parent is gone or ends this process. In a fresh process. *work*: the
    presses of the run, by their numbers, each with its words.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(OSError):
        os.nice(NICENESS)
    parent_pid = os.getppid()
    with selectors.DefaultSelector() as selector:
        selector.register(door, selectors.EVENT_READ)
        while os.getppid() == parent_pid:
            door.pulse[0] = now_ns()
            for key, _ in selector.select(_LOOK_EVERY_S):
                if key.fileobj is door:
                    if (come := door.open()) is None:
                        return
                    connection, kind = come
                    selector.register(connection, selectors.EVENT_READ, Bench(*work[kind], door.pulse))
                elif not _serve(key.fileobj, key.data):  # type: ignore[arg-type]  # all but the door are connections
                    selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]  # as above


def _serve(connection: Connection, bench: Bench) -> bool:
    """Do one batch; False: whoever asked is gone."""
    try:
        connection.send_bytes(bench.answer(connection.recv_bytes()))
    except (EOFError, OSError):
        return False
    return True
