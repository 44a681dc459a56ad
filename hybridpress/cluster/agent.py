"""The agent of a node: a Ray actor that starts the node's process, and carries messages to and from it.

It knows nothing of what they say. Where the head is not heard of for a while, it ends, and all on its node with it.
"""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import NamedTuple

from hybridpress import __version__
from hybridpress.clock import now_ns
from hybridpress.cluster import wire
from hybridpress.cluster.link import Inbox, Outbox, Piece
from hybridpress.cluster.messages import Hello
from hybridpress.errors import EXIT_BROKEN
from hybridpress.machine import n_cpus

TICK_S = 0.5
MOST_SILENT_TICKS = 14
"""The head asks twice a second at least. Ticks, not a time: a machine that stood still has not been left alone."""
GRACE_S = 1.0


class Answer(NamedTuple):
    """What comes back for an `exchange`. *exit_code*: the node's process is over, and this is its last word."""

    pieces: Sequence[Piece]
    heard: int
    exit_code: int | None


def versions() -> dict[str, str]:
    """What must be the same on all nodes."""
    import ray

    return {"Python": platform.python_version(), "Ray": ray.__version__, "hybridpress": __version__}


class Agent:
    """One node's agent. Its methods are called by the head, by way of Ray."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        self._outbox = Outbox()
        self._news = asyncio.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._exit_code: int | None = None
        self._n_silent_ticks = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def hello(self) -> Hello:
        """Who and where this is."""
        import ray

        address = str(ray.util.get_node_ip_address())
        return Hello(address, socket.gethostname(), os.getpid(), n_cpus(), versions())

    async def clock(self) -> int:
        """What the clock shows."""
        return now_ns()

    async def launch(self, job: bytes) -> int:
        """Start the node's process on *job*. Returns its pid."""
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "hybridpress.cluster.node.process", str(theirs.fileno())]
        # Ray's own paths come first in an actor's sys.path, and are not for the scenario.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        self._process = subprocess.Popen(  # noqa: S603, ASYNC220 (our own; it takes 1 ms)
            command, pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        ours.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=ours)
        wire.write(self._writer, job)
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._listen(reader)), loop.create_task(self._watch())]
        return self._process.pid

    async def exchange(self, pieces: Sequence[Piece], heard: int, patience_s: float, again: bool) -> Answer:
        """Take *pieces*, and give what there is: at once where there is anything, else within *patience_s*. The head
        has all up to *heard*; *again*: of what was sent since, some may be lost.
        """
        self._n_silent_ticks = 0
        for message in self._inbox.take(pieces):
            if self._writer is not None:
                wire.write(self._writer, message)
        self._outbox.confirmed(heard)
        if again:
            self._outbox.again()
        if patience_s and not self._outbox.has_news and self._exit_code is None:
            self._news.clear()
            try:
                async with asyncio.timeout(patience_s):
                    await self._news.wait()
            except TimeoutError:
                pass
        batch = self._outbox.batch()
        is_all = not batch and self._outbox.is_empty
        return Answer(batch, self._inbox.heard, self._exit_code if is_all else None)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while (message := await wire.read(reader)) is not None:
            self._outbox.put(message)
            self._news.set()
        assert self._process is not None
        self._exit_code = await asyncio.to_thread(self._process.wait)
        self._news.set()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._n_silent_ticks += 1
            if self._n_silent_ticks > MOST_SILENT_TICKS:
                self._end()

    def _end(self) -> None:
        """The head is gone: end the node's process, and with it its workers; then this one."""
        if self._process is not None and self._process.poll() is None:
            # Its workers end with it, by the kernel's doing.
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        os._exit(EXIT_BROKEN)
