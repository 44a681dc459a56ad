"""The channel between coordinator and one worker: a multiprocessing Queue up, a Pipe down.

Each worker has its own, and nobody else holds an end of it: when the worker dies, in whatever way, the coordinator
reads the end of the stream; when the coordinator dies, the worker does. The process that forks workers makes the
channel, keeps the worker's ends in the worker, and hands the coordinator's ends over as file descriptors.
"""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext
from multiprocessing.queues import Queue
from multiprocessing.reduction import ForkingPickler
from typing import Generic, TypeVar, cast

from hybridpress.ipc.frames import Frames, frame
from hybridpress.ipc.messages import Order, Report

_READ_BYTES = 64 * 1024
PATIENCE_S = 0.05
"""A worker that has half an order stood still, and more orders wait for it than a pipe holds: it hears them all before
it goes on, for it would start what they give to others."""
Message = TypeVar("Message")


class _Inbox(Generic[Message]):
    """What comes by a pipe, message by message. For the rest of one it waits for *patience_s* at most."""

    def __init__(self, connection: Connection[Message, Message], patience_s: float = 0.0) -> None:
        os.set_blocking(connection.fileno(), False)
        self._connection = connection
        self._patience_s = patience_s
        self._frames = Frames()

    def read(self) -> list[Message] | None:
        """The messages that have come, perhaps none; None when none will come any more."""
        messages: list[Message] = []
        is_open = True
        while is_open:
            try:
                data = os.read(self._connection.fileno(), _READ_BYTES)
            except BlockingIOError:
                if not self._frames.is_within or not self._connection.poll(self._patience_s):
                    break
                continue
            except OSError:
                data = b""
            is_open = bool(data)
            messages += [ForkingPickler.loads(body) for body in self._frames.feed(data)]
        return messages if messages or is_open else None


class WorkerEnd:
    """The worker's side. `send` never blocks: a thread of the Queue writes."""

    def __init__(self, reports: Queue[Report], orders: Connection[Order, Order]) -> None:
        self._reports = reports
        self._orders = orders
        self._inbox = _Inbox(orders, PATIENCE_S)

    def send(self, report: Report) -> None:
        self._reports.put(report)

    def fileno(self) -> int:
        """Readable when an order waits, or when the coordinator is gone."""
        return self._orders.fileno()

    def receive(self) -> list[Order] | None:
        """All orders that wait, perhaps none; None when the coordinator is gone."""
        return self._inbox.read()

    def abandon(self) -> None:
        """Close this copy of the end in the process that forked the worker."""
        self._reports.close()
        self._reports._writer.close()  # type: ignore[attr-defined]  # noqa: SLF001 (closed by its feeder alone)
        self._orders.close()

    def close(self) -> None:
        """Write all that was sent, then close."""
        self._reports.close()
        self._reports.join_thread()
        self._orders.close()


class CoordinatorEnd:
    """The coordinator's side. It waits for no worker: one that is stopped takes no orders until it goes on, and may
    have said half of what it had to say.
    """

    def __init__(self, reports: Connection[Report, Report], orders: Connection[Order, Order]) -> None:
        self._reports = reports
        self._orders = orders
        self._inbox = _Inbox(reports)
        self._unsent = bytearray()

    @classmethod
    def from_fds(cls, reports_fd: int, orders_fd: int) -> CoordinatorEnd:
        """From two file descriptors, which now belong to it."""
        os.set_blocking(orders_fd, False)
        return cls(Connection(reports_fd, writable=False), Connection(orders_fd, readable=False))

    def send(self, order: Order) -> bool:
        """Whether the worker can be told; it cannot when it is gone. For what the pipe has no room there is `flush`."""
        self._unsent += frame(ForkingPickler.dumps(order))
        return self.flush()

    def flush(self) -> bool:
        """Send what `send` left, as far as there is room now. Whether the worker is there."""
        try:
            while self._unsent:
                del self._unsent[: os.write(self.orders_fileno(), self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent.clear()
            return False
        return True

    @property
    def n_unsent_bytes(self) -> int:
        """The size of the orders for which the pipe had no room."""
        return len(self._unsent)

    def orders_fileno(self) -> int:
        """Writable when there is room for orders, or when the worker is gone."""
        return self._orders.fileno()

    def fileno(self) -> int:
        """Readable when a report waits, or when the worker is gone."""
        return self._reports.fileno()

    def has_news(self) -> bool:
        """Whether a report, or the end of the stream, can be received at once."""
        return self._reports.poll()

    def receive(self) -> list[Report] | None:
        """The reports that have come, perhaps none; None when the worker is gone."""
        return self._inbox.read()

    def close(self) -> None:
        self._reports.close()
        self._orders.close()


def open_channel(context: ForkContext) -> tuple[WorkerEnd, Connection, Connection]:
    """A channel, as (worker's end, the coordinator's reports, the coordinator's orders)."""
    queue: Queue[Report] = context.Queue()
    orders_in, orders_out = context.Pipe(duplex=False)
    # Queue has no public way to its reading end, which must leave this process.
    reports_in = cast("Connection", queue._reader)  # type: ignore[attr-defined]  # noqa: SLF001
    return WorkerEnd(queue, orders_in), reports_in, orders_out
