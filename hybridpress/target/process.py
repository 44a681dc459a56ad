"""One serving process: an event loop on one listening socket, which ends when its parent does."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from functools import partial

import uvloop

from hybridpress.target import counters
from hybridpress.target.counters import Counters
from hybridpress.target.login import Login
from hybridpress.target.protocol import Connection, Site
from hybridpress.target.routes import Routes
from hybridpress.target.sides import serve_side
from hybridpress.target.timer import Deadlines

BACKLOG = 4096
STALL = struct.Struct("<q")  # what a process writes to its parent: the ns for which to freeze everybody
_PR_SET_PDEATHSIG = 1


def serve_until_death(
    listener: socket.socket,
    sides: Mapping[str, socket.socket],
    number: int,
    all_counters: Counters,
    secret: bytes,
    *,
    parent: int,
    life_line: int,
    ready: int,
    stall: int,
) -> None:
    """Serve *listener*, and the other protocols on theirs, as process *number*, until the parent ends it or is gone.

    Called in a process fresh from fork, with signals blocked. *life_line* is the reading end of a pipe that only
    the parent holds open. A byte is written to *ready* once connections are taken.
    """
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    for number_of_signal in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number_of_signal, signal.SIG_DFL)  # nothing to tidy up: the counts are in shared memory
    signal.pthread_sigmask(signal.SIG_SETMASK, ())

    loop = uvloop.new_event_loop()
    counts = all_counters.row(number)
    counts[counters.PID] = os.getpid()
    routes = Routes(all_counters, Login(secret), partial(_ask_for_stall, stall))
    site = Site(loop, routes, counts, Deadlines(loop))
    server = loop.run_until_complete(loop.create_server(partial(Connection, site), sock=listener, backlog=BACKLOG))
    for side, other in sides.items():
        loop.run_until_complete(serve_side(side, other, BACKLOG, all_counters, counts))
    loop.add_reader(life_line, loop.stop)
    os.write(ready, b"+")
    os.close(ready)
    gc.collect()
    gc.freeze()
    loop.run_forever()
    server.close()


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, however that comes about. See prctl(2)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _ask_for_stall(pipe: int, stall_ms: float) -> None:
    os.write(pipe, STALL.pack(int(stall_ms * 1e6)))
