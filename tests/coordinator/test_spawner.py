"""The process that forks the workers: one table for all, news of each one's beginning and end, and no strays."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path

import psutil
import pytest

from hybridpress.coordinator.spawner import (
    _FORK,
    CpuWorkerExited,
    Exited,
    Forked,
    News,
    Prepare,
    Prepared,
    Spawner,
    Work,
    die_with_parent,
)
from hybridpress.errors import EXIT_BROKEN, RunError, ScenarioError, UsageError
from hybridpress.ipc.channel import CoordinatorEnd, WorkerEnd
from hybridpress.ipc.messages import Ready, Report, Stop

PATIENCE_S = 20
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word for a parent's death is Linux's")
pytestmark = [
    pytest.mark.usefixtures("no_stray_processes"),
    # Of the test runner's own threads; a coordinator has none when it forks.
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),
]


@dataclass
class Worker:
    """A worker as the coordinator sees it."""

    pid: int
    channel: CoordinatorEnd

    def says_no_more(self) -> bool:
        """Whether its channel comes to its end, with nothing before it."""
        while (found := self.channel.receive()) == []:
            assert select.select([self.channel], [], [], PATIENCE_S)[0], "its channel is open"
        return found is None

    def hear(self) -> Ready:
        found: list[Report] | None = []
        while found == []:
            assert select.select([self.channel], [], [], PATIENCE_S)[0], "the worker says nothing"
            found = self.channel.receive()
        assert found is not None
        (report,) = found
        assert isinstance(report, Ready)
        return report


def introduce(number: int, end: WorkerEnd, n_slots: int = 0, *facts: str) -> None:
    end.send(Ready(number, os.getpid(), n_slots, facts))


def wait_for_orders(number: int, end: WorkerEnd) -> None:
    """A worker that says who it is, and then does as it is told."""
    introduce(number, end)
    while True:
        select.select([end], [], [])
        for order in end.receive() or [Stop(0)]:
            assert isinstance(order, Stop)
            if not order.drain_until_ns:
                end.close()
                return
            introduce(number, end, order.drain_until_ns)


def hang(number: int, end: WorkerEnd) -> None:
    """A worker that does nothing any more, and hears nothing."""
    introduce(number, end)
    time.sleep(1_000)


def preparing(work: Work, n_words: int = 0) -> Prepare:
    return lambda: (n_words, work)


def news(spawner: Spawner) -> News | None:
    assert select.select([spawner], [], [], PATIENCE_S)[0], "the spawner says nothing"
    return spawner.receive()


def fork(spawner: Spawner, number: int) -> Worker:
    spawner.fork(number)
    forked = news(spawner)
    assert isinstance(forked, Forked)
    assert forked.worker == number
    return Worker(forked.pid, spawner.receive_channel())


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(*pids: int) -> bool:
    """Whether all *pids* have ended, after some patience."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        if all(map(is_gone, pids)):
            return True
        time.sleep(0.005)
    return False


@pytest.fixture
def spawned() -> Iterator[Callable[[Prepare], Spawner]]:
    """Makes spawners that end with the test."""
    spawners: list[Spawner] = []

    def make(prepare: Prepare) -> Spawner:
        spawners.append(Spawner(prepare))
        spawners[-1].start()
        return spawners[-1]

    yield make
    for spawner in spawners:
        if not spawner._connection.closed:
            spawner.close()


Spawned = Callable[[Prepare], Spawner]


def test_a_worker_from_its_fork_to_its_end(spawned: Spawned) -> None:
    """Its pid and channel are told, it hears and is heard, and its end is told with its exit code."""
    spawner = spawned(preparing(wait_for_orders, 17))
    assert spawner.wait_for_table().n_words == 17
    worker = fork(spawner, 3)
    with closing(worker.channel):
        assert worker.hear() == Ready(3, worker.pid, 0, ())
        worker.channel.send(Stop(5))
        assert worker.hear().n_slots == 5
        worker.channel.send(Stop(0))
        assert worker.says_no_more()
        assert news(spawner) == Exited(3, 0)


def test_one_table_for_all(spawned: Spawned) -> None:
    """The table is built once, in a process that all workers come from; each has it, a later one too."""
    n_built = 0

    def prepare() -> tuple[int, Work]:
        nonlocal n_built
        n_built += 1
        words = [f"word {n_built}"]
        builder = os.getpid()

        def work(number: int, end: WorkerEnd) -> None:
            introduce(number, end, n_built, *words, str(os.getppid() == builder))
            words.append("changed")
            end.close()

        return len(words), work

    spawner = spawned(prepare)
    assert spawner.wait_for_table().n_words == 1
    for number in (0, 1, 0):
        worker = fork(spawner, number)
        with closing(worker.channel):
            assert worker.hear() == Ready(number, worker.pid, 1, ("word 1", "True"))
            assert news(spawner) == Exited(number, 0)


def end_by_error(number: int, end: WorkerEnd) -> None:
    sys.stderr = None
    raise ValueError("no")


@pytest.mark.parametrize(
    ("work", "exit_code"),
    [
        (lambda number, end: None, 0),
        (lambda number, end: sys.exit(5), 5),
        (lambda number, end: os._exit(9), 9),
        (lambda number, end: os.kill(os.getpid(), signal.SIGKILL), -signal.SIGKILL),
        (lambda number, end: os.kill(os.getpid(), signal.SIGTERM), -signal.SIGTERM),
        (end_by_error, 1),
    ],
    ids=["return", "exit", "_exit", "kill", "term", "error"],
)
def test_how_a_worker_ends(spawned: Spawned, work: Work, exit_code: int) -> None:
    """However a worker ends, its exit code is told, below 0 the signal; and its channel ends."""
    spawner = spawned(preparing(work))
    spawner.wait_for_table()
    worker = fork(spawner, 0)
    with closing(worker.channel):
        assert news(spawner) == Exited(0, exit_code)
        assert worker.says_no_more()


@pytest.mark.slow
@only_linux
def test_a_worker_that_leaves_a_child_behind(spawned: Spawned) -> None:
    """A worker's end is told at once, though a process that its scenario forked lives on, with all it inherited."""

    def work(number: int, end: WorkerEnd) -> None:
        child = os.fork()
        if not child:
            time.sleep(3)
            os._exit(0)
        introduce(number, end, child)
        time.sleep(1_000)

    spawner = spawned(preparing(work))
    spawner.wait_for_table()
    worker = fork(spawner, 0)
    with closing(worker.channel):
        child = worker.hear().n_slots
        os.kill(worker.pid, signal.SIGKILL)
        try:
            assert news(spawner) == Exited(0, -signal.SIGKILL)
            assert not is_gone(child)
        finally:
            if not is_gone(child):
                os.kill(child, signal.SIGKILL)


def test_nobody_else_holds_a_workers_channel(spawned: Spawned) -> None:
    """A worker's channel ends with it, though others live that were forked before and after it; and the other way round
    a worker hears the end when the coordinator lets go of its channel.
    """
    spawner = spawned(preparing(wait_for_orders))
    spawner.wait_for_table()
    workers = [fork(spawner, number) for number in range(3)]
    for worker in workers:
        worker.hear()
    os.kill(workers[1].pid, signal.SIGKILL)
    assert news(spawner) == Exited(1, -signal.SIGKILL)
    assert workers[1].says_no_more()
    for number in (0, 2):
        workers[number].channel.close()
        assert news(spawner) == Exited(number, 0)
    workers[1].channel.close()


@pytest.mark.parametrize(
    "error", [ScenarioError(["a.py:3: no words", "and more"]), UsageError("--qps"), RunError("no")]
)
def test_what_keeps_the_table_from_standing(spawned: Spawned, error: Exception) -> None:
    """Our own errors come back as they were, kind, mistakes and all."""

    def prepare() -> tuple[int, Work]:
        raise error

    with pytest.raises(type(error)) as caught:
        spawned(prepare).wait_for_table()
    assert str(caught.value) == str(error)
    assert vars(caught.value) == vars(error)


@pytest.mark.parametrize(("end", "exit_code"), [(lambda: os._exit(7), 7), (lambda: sys.exit(4), 4)])
def test_the_builder_dies(spawned: Spawned, end: Callable[[], None], exit_code: int) -> None:
    """A process that dies over the table is told with its exit code."""

    def prepare() -> tuple[int, Work]:
        end()
        raise AssertionError

    with pytest.raises(RunError, match=rf"builds the word table died \(exit code {exit_code}\)"):
        spawned(prepare).wait_for_table()


def test_the_close_ends_all(spawned: Spawned) -> None:
    """Closing ends the spawner and every worker, those that hang too; nothing is left of them."""
    spawner = spawned(preparing(hang))
    spawner.wait_for_table()
    workers = [fork(spawner, number) for number in range(3)]
    for worker in workers:
        worker.hear()
    pid = spawner._process.pid
    assert pid is not None
    spawner.close()
    assert wait_until_gone(pid, *(worker.pid for worker in workers))
    for worker in workers:
        worker.channel.close()


def test_the_close_before_the_table_stands(spawned: Spawned) -> None:
    """A spawner that still builds its table can be closed, too."""

    def prepare() -> tuple[int, Work]:
        time.sleep(0.05)
        return 0, hang

    spawner = spawned(prepare)
    pid = spawner._process.pid
    assert pid is not None
    spawner.close()
    assert wait_until_gone(pid)


@only_linux
def test_the_spawner_is_killed(spawned: Spawned) -> None:
    """Its end is told as no news at all, and its workers end with it, though they hang."""
    spawner = spawned(preparing(hang))
    spawner.wait_for_table()
    worker = fork(spawner, 0)
    worker.hear()
    pid = spawner._process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert news(spawner) is None
    assert wait_until_gone(worker.pid)
    assert worker.says_no_more()
    worker.channel.close()


@only_linux
def test_the_coordinator_is_killed() -> None:
    """When the coordinator's process is gone, the spawner and the workers are, too, though they hang."""
    ours, theirs = _FORK.Pipe()

    def be_coordinator() -> None:
        spawner = Spawner(preparing(hang))
        spawner.start()
        spawner.wait_for_table()
        worker = fork(spawner, 0)
        worker.hear()
        theirs.send((spawner._process.pid, worker.pid))
        time.sleep(1_000)

    process = _FORK.Process(target=be_coordinator)
    process.start()
    theirs.close()
    with closing(ours):
        assert ours.poll(PATIENCE_S)
        pids = ours.recv()
    process.kill()
    process.join()
    process.close()
    assert wait_until_gone(*pids)


def test_ctrl_c_is_the_coordinators(spawned: Spawned) -> None:
    """The terminal's Ctrl-C reaches the spawner as well, which leaves it to the coordinator."""
    spawner = spawned(preparing(wait_for_orders))
    spawner.wait_for_table()
    pid = spawner._process.pid
    assert pid is not None
    os.kill(pid, signal.SIGINT)
    worker = fork(spawner, 0)
    worker.hear()
    worker.channel.close()
    assert news(spawner) == Exited(0, 0)


def test_many_at_once(spawned: Spawned) -> None:
    """Forks that are asked for together come one after another, each with its own channel."""
    spawner = spawned(preparing(wait_for_orders))
    spawner.wait_for_table()
    for number in range(8):
        spawner.fork(number)
    workers: dict[int, Worker] = {}
    for _ in range(8):
        forked = news(spawner)
        assert isinstance(forked, Forked)
        workers[forked.worker] = Worker(forked.pid, spawner.receive_channel())
    for number, worker in workers.items():
        assert worker.hear() == Ready(number, worker.pid, 0, ())
    assert len({worker.pid for worker in workers.values()}) == 8
    assert connection.wait([spawner._connection], 0) == []
    for worker in workers.values():
        worker.channel.close()
    gone = [news(spawner) for _ in range(8)]
    assert sorted(told.worker for told in gone if isinstance(told, Exited)) == list(range(8))


def test_a_parent_that_was_gone_already() -> None:
    """A process whose parent ended before it could ask to end with it ends at once."""
    process = _FORK.Process(target=die_with_parent, args=(1,))
    process.start()
    process.join(PATIENCE_S)
    assert process.exitcode == EXIT_BROKEN
    process.close()


@pytest.mark.slow
def test_cpu_workers_are_replaced(spawned: Callable[[Prepare], Spawner], tmp_path: Path) -> None:
    """CPU workers are forked with the table; one that dies is told, and another takes its place; all end with it."""

    def cpu_work(number: int) -> None:
        (tmp_path / f"{number} {os.getpid()}").touch()
        signal.pause()

    def prepare() -> Prepared:
        return Prepared(1, wait_for_orders, 2, cpu_work)

    def pids(n: int) -> list[int]:
        for _ in range(500):
            if len(found := list(tmp_path.iterdir())) == n:
                return [int(path.name.split()[1]) for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]
            time.sleep(0.01)
        raise AssertionError(list(tmp_path.iterdir()))

    spawner = spawned(prepare)
    assert spawner.wait_for_table().n_cpu_workers == 2
    first = pids(2)
    os.kill(first[0], signal.SIGKILL)
    news = spawner.receive()
    assert isinstance(news, CpuWorkerExited)
    assert (news.pid, news.why) == (first[0], "killed by signal 9")
    third = pids(3)[2]
    assert (tmp_path / f"{news.number} {third}").exists()
    spawner.close()
    assert not any(psutil.pid_exists(pid) for pid in (*first, third))
