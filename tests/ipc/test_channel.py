"""The channel: reports and orders arrive in order, and either side notices when the other is gone, however it went."""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkProcess
from multiprocessing.reduction import ForkingPickler
from typing import overload

import numpy as np
import psutil
import pytest

from hybridpress.ipc.channel import CoordinatorEnd, WorkerEnd, open_channel
from hybridpress.ipc.messages import Counts, Done, Measured, Order, Ready, Report, Stop
from hybridpress.metrics.interval import Interval, StepCounts

FORK = multiprocessing.get_context("fork")
PATIENCE_S = 20
# Of the test runner's own threads; a spawner has none when it forks.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


def counts(number: int) -> Counts:
    return Counts(0, number, number, number, 0, 0, 0)


@contextmanager
def worker(work: Callable[[WorkerEnd], None]) -> Iterator[tuple[CoordinatorEnd, ForkProcess]]:
    """A process that does *work* at its end of a channel, and the other end of it."""
    theirs, reports, orders = open_channel(FORK)

    def be_worker() -> None:
        reports.close()
        orders.close()
        work(theirs)

    process = FORK.Process(target=be_worker)
    process.start()
    ours = CoordinatorEnd.from_fds(os.dup(reports.fileno()), os.dup(orders.fileno()))
    reports.close()
    orders.close()
    theirs.abandon()
    try:
        yield ours, process
    finally:
        ours.close()
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


@overload
def next_of(end: CoordinatorEnd) -> list[Report] | None: ...
@overload
def next_of(end: WorkerEnd) -> list[Order] | None: ...
def next_of(end: CoordinatorEnd | WorkerEnd) -> list[Report] | list[Order] | None:
    """What comes next, as soon as there is anything; None: the end."""
    while (found := end.receive()) == []:
        assert select.select([end], [], [], PATIENCE_S)[0]
    return found


def hear_all(end: CoordinatorEnd) -> list[Report]:
    """Everything up to the end of the stream."""
    found: list[Report] = []
    while (reports := next_of(end)) is not None:
        found += reports
    return found


def test_reports_arrive_in_order() -> None:
    """All that a worker sent before it closed its end arrives, in order, and then the end."""

    def work(end: WorkerEnd) -> None:
        for number in range(500):
            end.send(counts(number))
        end.close()

    with worker(work) as (end, process):
        assert hear_all(end) == [counts(number) for number in range(500)]
        process.join(PATIENCE_S)
        assert process.exitcode == 0


def test_a_report_longer_than_a_pipe_holds() -> None:
    """A long report arrives whole; the sender is not held up while nobody reads."""
    interval = Interval(0)
    for step in range(30):
        found = interval.steps[f"step {step}"] = StepCounts(1_000)
        found.times.add(np.arange(1_000, dtype=np.int64) * 1_000_000)

    def work(end: WorkerEnd) -> None:
        end.send(Measured(0, interval))
        end.send(Ready(0, os.getpid(), 1, ()))
        end.close()

    with worker(work) as (end, _):
        first, second = hear_all(end)
        assert first == Measured(0, interval)
        assert isinstance(second, Ready)


def test_orders_arrive_in_order() -> None:
    """A worker hears what it is told, and then, when the coordinator is gone, the end."""

    def work(end: WorkerEnd) -> None:
        heard: list[Order] = []
        while (orders := next_of(end)) is not None:
            heard += orders
        end.send(Ready(0, os.getpid(), len(heard), tuple(str(order) for order in heard)))
        end.close()

    with worker(work) as (end, _):
        for number in range(20):
            assert end.send(Stop(number))
        end._orders.close()
        (report,) = hear_all(end)
    assert isinstance(report, Ready)
    assert report.failures == tuple(str(Stop(number)) for number in range(20))


def test_a_worker_that_is_stopped() -> None:
    """Nobody waits for it, however much it is told; when it goes on it hears all of that, in order."""
    n = 5_000

    def work(end: WorkerEnd) -> None:
        heard: list[Order] = []
        while len(heard) < n:
            heard += next_of(end) or []
        end.send(Ready(0, os.getpid(), n, tuple(str(order) for order in heard)))
        end.close()

    with worker(work) as (end, process):
        assert process.pid is not None
        os.kill(process.pid, signal.SIGSTOP)
        for number in range(n):
            assert end.send(Stop(number))
        assert end.n_unsent_bytes
        os.kill(process.pid, signal.SIGCONT)
        while end.n_unsent_bytes:
            assert select.select([], [end.orders_fileno()], [], PATIENCE_S)[1]
            assert end.flush()
        (report,) = hear_all(end)
    assert isinstance(report, Ready)
    assert report.failures == tuple(str(Stop(number)) for number in range(n))


def test_stopped_within_a_report() -> None:
    """Nobody waits for the rest of it; it is heard when it has come, with what follows."""

    def work(end: WorkerEnd) -> None:
        writer = end._reports._writer  # type: ignore[attr-defined]
        message = ForkingPickler.dumps(counts(1))
        data = len(message).to_bytes(4, "big") + message
        for k in range(len(data)):
            os.write(writer.fileno(), data[k : k + 1])
            if k % 20 == 3:
                os.kill(os.getpid(), signal.SIGSTOP)
        end.send(counts(2))
        end.close()

    found: list[Report] = []
    n_stops = 0
    with worker(work) as (end, process):
        assert process.pid is not None
        while (reports := end.receive()) is not None:
            found += reports
            if psutil.Process(process.pid).status() == psutil.STATUS_STOPPED:
                n_stops += 1
                assert found == []
                os.kill(process.pid, signal.SIGCONT)
    assert found == [counts(1), counts(2)]
    assert n_stops > 3


def test_the_coordinator_is_stopped_within_an_order() -> None:
    """The worker hears it when its rest has come; meanwhile it goes on, and does not take it for the end."""
    theirs, reports, orders = open_channel(FORK)
    message = ForkingPickler.dumps(Stop(7))
    data = len(message).to_bytes(4, "big") + message
    os.write(orders.fileno(), data[:10])
    assert theirs.receive() == []
    os.write(orders.fileno(), data[10:] + data[:3])
    assert theirs.receive() == [Stop(7)]
    os.write(orders.fileno(), data[3:])
    assert theirs.receive() == [Stop(7)]
    reports.close()
    orders.close()
    assert theirs.receive() is None
    theirs.close()


@pytest.mark.parametrize(
    "end_it", [lambda: os._exit(3), lambda: os.kill(os.getpid(), signal.SIGKILL)], ids=["exit", "kill"]
)
def test_a_worker_that_is_gone(end_it: Callable[[], None]) -> None:
    """What was written before a worker's sudden end arrives; then comes the end, and telling it something fails."""

    def work(end: WorkerEnd) -> None:
        end.send(counts(1))
        next_of(end)
        end_it()

    with worker(work) as (end, process):
        assert next_of(end) == [counts(1)]
        assert end.send(Stop(0))
        process.join(PATIENCE_S)
        assert hear_all(end) == []
        assert next_of(end) is None
        assert not end.send(Stop(1))


def test_killed_within_a_report() -> None:
    """A report that was cut off by its worker's death is none; it is the end."""

    def work(end: WorkerEnd) -> None:
        end.send(counts(1))
        next_of(end)
        writer = end._reports._writer  # type: ignore[attr-defined]
        os.write(writer.fileno(), b"\x00\x00\x10\x00only the beginning")
        os.kill(os.getpid(), signal.SIGKILL)

    with worker(work) as (end, _):
        assert next_of(end) == [counts(1)]
        assert end.send(Stop(0))
        assert next_of(end) is None


def test_readable_when_something_waits() -> None:
    """Both ends can be watched by a loop: readable when there is something to receive, the end included."""

    def work(end: WorkerEnd) -> None:
        assert select.select([end], [], [], PATIENCE_S)[0]
        next_of(end)
        end.send(counts(1))
        assert select.select([end], [], [], PATIENCE_S)[0]
        assert next_of(end) is None
        os._exit(7)

    with worker(work) as (end, process):
        assert not select.select([end], [], [], 0)[0]
        end.send(Stop(0))
        assert select.select([end], [], [], PATIENCE_S)[0]
        assert next_of(end) == [counts(1)]
        end._orders.close()
        assert select.select([end], [], [], PATIENCE_S)[0]
        assert next_of(end) is None
        process.join(PATIENCE_S)
        assert process.exitcode == 7


def test_a_closed_end() -> None:
    """Closing writes what was sent; an end that was closed hears nothing more, and can tell nothing more."""
    end, reports, orders = open_channel(FORK)
    ours = CoordinatorEnd.from_fds(os.dup(reports.fileno()), os.dup(orders.fileno()))
    reports.close()
    orders.close()
    end.send(Done(0, Interval(0), 0, 0))
    end.close()
    assert next_of(ours) == [Done(0, Interval(0), 0, 0)]
    assert end.receive() is None
    assert not ours.send(Stop(0))
    end._reports._writer.close()  # type: ignore[attr-defined]
    ours.close()
    assert ours.receive() is None
    assert not ours.send(Stop(0))
