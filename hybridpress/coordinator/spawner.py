"""The spawner: a process without threads or loops that builds the word table once and forks the workers.

Forked early from the coordinator's process, it holds the scenario and its table; every worker, a replacement too,
shares them copy-on-write. It dies with the coordinator, and the workers with it.
"""

from __future__ import annotations

import ctypes
import gc
import math
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, reduction
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, NamedTuple

from hybridpress.clock import now_ns
from hybridpress.coordinator.ending import how
from hybridpress.coordinator.patience import LOOK_EVERY_S, Patience
from hybridpress.errors import EXIT_BROKEN, HybridpressError, RunError
from hybridpress.ipc.channel import CoordinatorEnd, WorkerEnd, open_channel
from hybridpress.units import format_duration

_PR_SET_PDEATHSIG = 1
_FORK = multiprocessing.get_context("fork")
_GRACE_S = 2.0
_ORPHANED_WITHIN_NS = 100_000_000
_RESPAWN_GAP_S = 0.02
"""So long it waits before a CPU worker's place is taken: one that dies at once must not become a storm of forks."""


@dataclass(frozen=True, slots=True)
class TableReady:
    """The word table stands; this is what the spawner's `prepare` tells of it."""

    n_words: int
    n_cpu_workers: int = 0


@dataclass(frozen=True, slots=True)
class Forked:
    """A worker was forked; two file descriptors follow on the same connection."""

    worker: int
    pid: int


@dataclass(frozen=True, slots=True)
class Exited:
    """A worker is gone. *exit_code* below 0 is the signal that ended it."""

    worker: int
    exit_code: int


@dataclass(frozen=True, slots=True)
class CpuWorkerExited:
    """A CPU worker is gone, and another has taken its place. *why* says what ended it."""

    number: int
    pid: int
    why: str


News = TableReady | Forked | Exited | CpuWorkerExited | HybridpressError

Work = Callable[[int, WorkerEnd], None]
CpuWork = Callable[[int], None]


class Prepared(NamedTuple):
    """The length of the word table, what a worker's process is to do, and what that of a CPU worker is. *cpu_beats*
    tell whether each CPU worker goes on; one that does not for *cpu_timeout_s* is killed.
    """

    n_words: int
    work: Work
    n_cpu_workers: int = 0
    cpu_work: CpuWork | None = None
    cpu_beats: Sequence[Callable[[], int]] = ()
    cpu_timeout_s: float = math.inf


Prepare = Callable[[], Prepared | tuple[int, Work]]
"""Builds the word table."""


class Spawner:
    """The coordinator's handle on the spawner process."""

    def __init__(self, prepare: Prepare, tidy: Callable[[], None] = lambda: None) -> None:
        """*prepare* will run in it; its HybridpressErrors come back by `receive`. *tidy* runs in it too, when the
        coordinator was killed: it removes what that can no longer remove itself.
        """
        self._connection, self._theirs = _FORK.Pipe(duplex=True)
        args = (self._theirs, self._connection, prepare, tidy, os.getpid())
        self._process = _FORK.Process(target=_be_spawner, args=args, name="spawner")

    def start(self) -> None:
        """Fork it. A Ctrl-C meanwhile waits: half begun, the process would be nobody's to end."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with warnings.catch_warnings():
                # Threads of libraries that the scenario imported; the fork happens before any of ours exist.
                warnings.simplefilter("ignore", DeprecationWarning)
                self._process.start()
            self._theirs.close()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def fileno(self) -> int:
        """Readable when there is news, or when the spawner is gone."""
        return self._connection.fileno()

    def fork(self, worker: int) -> None:
        """Ask for worker number *worker*. Of a spawner that is gone there will be news by itself."""
        with suppress(OSError):
            self._connection.send(worker)

    def receive(self) -> News | None:
        """The next news; None when the spawner is gone."""
        try:
            news: News = self._connection.recv()
        except (EOFError, OSError):
            return None
        return news

    def receive_channel(self) -> CoordinatorEnd:
        """The channel of the worker that was just Forked."""
        reports_fd, orders_fd = (reduction.recv_handle(self._connection) for _ in range(2))
        return CoordinatorEnd.from_fds(reports_fd, orders_fd)

    def wait_for_table(self) -> TableReady:
        """Wait until the word table stands.

        Raises:
            HybridpressError: what kept it from standing.
        """
        news = self.receive()
        if isinstance(news, HybridpressError):
            raise news
        if not isinstance(news, TableReady):
            self._process.join(_GRACE_S)
            raise RunError(f"the process that builds the word table died (exit code {self._process.exitcode})")
        return news

    def close(self) -> None:
        """End the spawner and, with it, every worker that still lives."""
        self._connection.close()
        if self._process.pid is not None:
            self._process.join(_GRACE_S)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
        self._process.close()


def die_with_parent(parent_pid: int, by: int = signal.SIGKILL) -> None:
    """Linux: have the kernel send this process a signal when its parent ends, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)
    if os.getppid() != parent_pid:
        os._exit(EXIT_BROKEN)


def _be_spawner(
    ours: Connection, coordinators: Connection, prepare: Prepare, tidy: Callable[[], None], parent_pid: int
) -> None:
    own_pid = os.getpid()
    # What was there before the fork is no garbage. To look through it would copy all its pages (24 ms of CPU), and to
    # free what a library with threads of its own left, such as grpcio, in a process without these ends in a crash.
    gc.freeze()

    def end(*_: object) -> None:
        """Its own death is the workers': the kernel sees to that."""
        # Not in a process that was just forked, which has this handler until it sets its own.
        if os.getpid() == own_pid and _is_gone(parent_pid):
            tidy()
        os._exit(EXIT_BROKEN)

    coordinators.close()
    signal.signal(signal.SIGTERM, end)
    die_with_parent(parent_pid, by=signal.SIGTERM)
    # A terminal sends these to all processes; to drain is the coordinator's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        prepared = Prepared(*prepare())
    except HybridpressError as error:
        with suppress(OSError):
            ours.send(error)
        return
    gc.collect()
    gc.freeze()
    workers: dict[int, ForkProcess] = {}
    cpu_workers = _CpuWorkers(ours, prepared)
    try:
        ours.send(TableReady(prepared.n_words, prepared.n_cpu_workers))
        cpu_workers.fork()
        while True:
            # A worker's sentinel is heard at once, except where a process that the scenario forked holds it open: hence
            # the look at all of them now and then.
            sentinels = [process.sentinel for process in (*workers.values(), *cpu_workers.processes.values())]
            ready = connection.wait([ours, *sentinels], LOOK_EVERY_S)
            if ours in ready:
                number = ours.recv()
                workers[number] = _fork_worker(ours, number, prepared.work)
            for number, process in list(workers.items()):
                if (exit_code := process.exitcode) is not None:
                    del workers[number]
                    ours.send(Exited(number, exit_code))
                    process.close()
            cpu_workers.look()
    except (EOFError, OSError):
        pass  # the coordinator closed the connection, or is gone; or a worker could not be had, and that was told
    finally:
        everybody = [*workers.values(), *cpu_workers.processes.values()]
        for process in everybody:
            process.kill()
        for process in everybody:
            process.join()
        # The end of the connection may be seen before the signal: who is gone leaves both, who closed it is through.
        tidy()


def _is_gone(parent_pid: int) -> bool:
    """Whether this process's parent has ended: the signal that says so may come before the kernel names another."""
    until_ns = now_ns() + _ORPHANED_WITHIN_NS
    while os.getppid() == parent_pid:
        if now_ns() >= until_ns:
            return False
        time.sleep(0.001)
    return True


class _CpuWorkers:
    """The CPU workers that *prepared* wants, as processes: each place is taken again when one ends, or hangs."""

    def __init__(self, ours: Connection, prepared: Prepared) -> None:
        self.processes: dict[int, ForkProcess] = {}
        self._ours = ours
        self._prepared = prepared
        self._patience = Patience(prepared.cpu_beats, prepared.cpu_timeout_s)
        self._hanging: set[int] = set()

    def fork(self) -> None:
        for number in range(self._prepared.n_cpu_workers):
            self._fork(number)

    def look(self) -> None:
        """End those that hang, and take the places of those that ended."""
        for number in self._patience.look(now_ns()):
            self._hanging.add(number)
            self.processes[number].kill()
        for number, process in list(self.processes.items()):
            if (exit_code := process.exitcode) is not None:
                assert process.pid is not None
                self._ours.send(CpuWorkerExited(number, process.pid, self._why(number, exit_code)))
                process.close()
                time.sleep(_RESPAWN_GAP_S)
                self._fork(number)

    def _why(self, number: int, exit_code: int) -> str:
        if number not in self._hanging:
            return how(exit_code)
        return f"it hung for {format_duration(self._prepared.cpu_timeout_s)} (--cpu-timeout) and was killed"

    def _fork(self, number: int) -> None:
        work = self._prepared.cpu_work
        assert work is not None
        process = _FORK.Process(target=_be_cpu_worker, args=(number, work, self._ours, os.getpid()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        self.processes[number] = process
        self._hanging.discard(number)
        self._patience.begin(number)


def _be_cpu_worker(number: int, work: CpuWork, foreign: Connection, parent_pid: int) -> None:
    foreign.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent(parent_pid)
    work(number)


def _fork_worker(ours: Connection, number: int, work: Work) -> ForkProcess:
    try:
        end, reports, orders = open_channel(_FORK)
    except OSError as error:
        # Semaphores are files in shared memory; without them there is no queue.
        why = f"cannot make the queue to a worker ({error.strerror}): is there room, and may we write, in /dev/shm?"
        ours.send(RunError(why))
        raise
    process = _FORK.Process(target=_be_worker, args=(number, work, end, [ours, reports, orders], os.getpid()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    assert process.pid is not None
    ours.send(Forked(number, process.pid))
    reduction.send_handle(ours, reports.fileno(), None)
    reduction.send_handle(ours, orders.fileno(), None)
    # From here on only the worker and the coordinator hold an end.
    reports.close()
    orders.close()
    end.abandon()
    return process


def _be_worker(number: int, work: Work, end: WorkerEnd, others: list[Any], parent_pid: int) -> None:
    for foreign in others:
        foreign.close()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    die_with_parent(parent_pid)
    work(number, end)
