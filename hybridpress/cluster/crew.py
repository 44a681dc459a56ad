"""The nodes as the coordinator's crew: orders go to their agents, and what agents bring is heard.

There is always one call under way that asks an agent for news; an order goes by a call of its own, at once. Calls may
be lost with a connection; what they carried is then sent again (hybridpress/cluster/link.py).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hybridpress.cluster.agent import Answer
from hybridpress.cluster.link import Inbox, Outbox, Piece
from hybridpress.cluster.messages import Closing, Muster, Told
from hybridpress.cluster.packing import pack, unpack
from hybridpress.ipc.messages import Order, Report

PATIENCE_S = 0.5
"""So long an agent that has no news keeps the call."""
AGAIN_S = 0.2
"""After a call that was lost."""


class LostCallError(Exception):
    """A call came to nothing; the agent may live."""


class GoneError(Exception):
    """The agent is gone, and whatever was on its node."""


class Agents(Protocol):
    """The agents, by number, as their calls come back."""

    def exchange(
        self, node: int, pieces: Sequence[Piece], heard: int, patience_s: float, *, again: bool
    ) -> Awaitable[Answer]:
        """`Agent.exchange` of the one of *node*.

        Raises:
            LostCallError: the call was lost.
            GoneError: the agent is gone.
        """

    def kill(self, node: int) -> None:
        """End the agent now, and whatever is on its node."""


class NodeHearer(Protocol):
    """Who is told what happens to the nodes."""

    def forked(self, worker: int, pid: int) -> None: ...

    def heard_from(self, report: Report | Told | Closing) -> None: ...

    def exited(self, worker: int, exit_code: int) -> None: ...


@dataclass(slots=True)
class _Line:
    """What goes to one node, and what comes from it."""

    outbox: Outbox
    inbox: Inbox
    is_gone: bool = False
    is_pushing: bool = False
    listening: asyncio.Task[None] | None = None
    pushes: set[asyncio.Task[None]] = field(default_factory=set)


class NodeCrew:
    """The nodes with these *pids*; the clock of each is so many ns ahead."""

    def __init__(
        self, agents: Agents, lines: Sequence[tuple[Outbox, Inbox]], pids: Sequence[int], ahead_ns: Sequence[int]
    ):
        self._agents = agents
        self._lines = [_Line(*line) for line in lines]
        self._pids = list(pids)
        self._ahead_ns = list(ahead_ns)
        self._hearer: NodeHearer | None = None

    def open(self, hearer: Any) -> None:
        loop = asyncio.get_running_loop()
        self._hearer = hearer
        for node, line in enumerate(self._lines):
            line.listening = loop.create_task(self._listen(node, line, hearer))

    def fork(self, worker: int) -> None:
        self._put(worker, Muster(self._ahead_ns[worker]))
        if self._hearer is not None:
            asyncio.get_running_loop().call_soon(self._hearer.forked, worker, self._pids[worker])

    def send(self, worker: int, order: Order) -> None:
        self._put(worker, order)

    def kill(self, worker: int) -> None:
        line = self._lines[worker]
        if not line.is_gone:
            self._agents.kill(worker)
            asyncio.get_running_loop().call_soon(self._is_gone, worker, line, -signal.SIGKILL)

    def shut(self) -> None:
        for line in self._lines:
            for task in (line.listening, *line.pushes):
                if task is not None:
                    task.cancel()

    def _put(self, node: int, message: object) -> None:
        line = self._lines[node]
        if line.is_gone:
            return
        line.outbox.put(pack(message))
        if not line.is_pushing:
            # What is said in one go goes in one call.
            line.is_pushing = True
            asyncio.get_running_loop().call_soon(self._push, node, line)

    def _push(self, node: int, line: _Line) -> None:
        line.is_pushing = False
        task = asyncio.get_running_loop().create_task(self._once(node, line, 0.0))
        line.pushes.add(task)
        task.add_done_callback(line.pushes.discard)

    async def _listen(self, node: int, line: _Line, hearer: NodeHearer) -> None:
        while not line.is_gone:
            await self._once(node, line, PATIENCE_S)

    async def _once(self, node: int, line: _Line, patience_s: float, *, again: bool = False) -> None:
        """One call there and back."""
        while not line.is_gone:
            try:
                batch = line.outbox.batch()
                answer = await self._agents.exchange(node, batch, line.inbox.heard, patience_s, again=again)
            except LostCallError:
                line.outbox.again()
                again = True
                await asyncio.sleep(AGAIN_S)
                continue
            except GoneError:
                self._is_gone(node, line, -signal.SIGKILL)
                return
            break
        else:
            return
        line.outbox.confirmed(answer.heard)
        for message in line.inbox.take(answer.pieces):
            if self._hearer is not None and not line.is_gone:
                self._hearer.heard_from(unpack(message))
        if answer.exit_code is not None:
            self._is_gone(node, line, answer.exit_code)

    def _is_gone(self, node: int, line: _Line, exit_code: int) -> None:
        if not line.is_gone:
            line.is_gone = True
            if self._hearer is not None:
                self._hearer.exited(node, exit_code)
