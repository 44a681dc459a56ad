"""The process of a node: an agent starts it, says over a socket what is to be done, and carries what it tells.

It does on its machine what `hybridpress run` does on one: builds the word table, tries the host, forks the workers and
conducts them; only that the head says when and how much. It ends when the agent is gone, and all its workers with it.
"""

from __future__ import annotations

import asyncio
import hashlib
import mmap
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

from hybridpress.clock import now_ns, suspended_ns, wall_ahead_ns
from hybridpress.cluster import wire
from hybridpress.cluster.clocks import order_by, report_by
from hybridpress.cluster.messages import Closing, Job, Muster, Standing, Told
from hybridpress.cluster.node.state import NodeState
from hybridpress.cluster.packing import pack, unpack
from hybridpress.cluster.recipe import made
from hybridpress.coordinator.actions import Action, Fork, Kill, Tell
from hybridpress.coordinator.coordinator import BOX_GAP_NS
from hybridpress.coordinator.crew import Crew, Forkers
from hybridpress.coordinator.phase import Phase
from hybridpress.coordinator.spawner import Prepared, Spawner, die_with_parent
from hybridpress.errors import EXIT_BROKEN, EXIT_DONE, HybridpressError, UsageError
from hybridpress.ipc.messages import Order, Report
from hybridpress.machine import BoxWatch
from hybridpress.run.cast import Cast, cast_with
from hybridpress.run.finish import words_told
from hybridpress.run.ready import check_table_and_host, preparer
from hybridpress.scenario import told
from hybridpress.vocab.textfile import found_files

TICK_S = 0.1
MAX_SAMPLED = 1_000
"""Of so many words, evenly from the whole table, a checksum is made."""
_SUMS_BYTES = 64 * 1024


def main() -> None:
    """Be the process of a node: the number of the socket is the one argument."""
    die_with_parent(os.getppid())
    # The terminal's Ctrl-C is the head's to understand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = socket.socket(fileno=int(sys.argv[1]))
    message = wire.receive(link)
    if message is None:
        return
    job: Job = unpack(message)
    sys.exit(_run(job, link))


def _run(job: Job, link: socket.socket) -> int:
    try:
        folder = Path.cwd() if job.folder is None else Path(job.folder)
        press = made(job.recipe, folder)
        cast = cast_with(press, job.config, job.flags, range(job.first, job.last))
    except HybridpressError as error:
        wire.send(link, pack(Standing(os.getpid(), mistakes=_mistakes_of(error))))
        return EXIT_BROKEN
    except Exception as error:  # noqa: BLE001 (of the user's code; told, whatever it is)
        wire.send(link, pack(Standing(os.getpid(), mistakes=(told(error),))))
        return EXIT_BROKEN
    slots = job.config.slots_by_worker[job.first : job.last]
    sums = mmap.mmap(-1, _SUMS_BYTES)
    with closing(Spawner(_preparer(cast, sum(slots) / job.config.concurrent, sums))) as spawner:
        spawner.start()
        try:
            n_words, n_cpu_workers = check_table_and_host(spawner, cast)
        except HybridpressError as error:
            wire.send(link, pack(Standing(os.getpid(), mistakes=_mistakes_of(error))))
            return EXIT_BROKEN
        found = dict(line.split("\t") for line in sums[:].rstrip(b"\0").decode().splitlines())
        wire.send(link, pack(Standing(os.getpid(), n_words, n_cpu_workers, sums=found)))
        order = wire.receive(link)
        if order is None:
            return EXIT_BROKEN
        muster = unpack(order)
        if not isinstance(muster, Muster):
            return EXIT_BROKEN
        state = NodeState(job.config, now_ns(), job.node, job.first, slots, job.n_nodes)
        crew = Forkers(spawner, range(job.first, job.last))
        # Not on uvloop, as in hybridpress/run/run.py
        return asyncio.run(Conductor(state, crew, job.first, muster.ahead_ns, cast).run(link))


def _mistakes_of(error: HybridpressError) -> tuple[str, ...]:
    return tuple(error.mistakes) if isinstance(error, UsageError) else (str(error),)


def _preparer(cast: Cast, share: float, sums: mmap.mmap) -> Callable[[], Prepared]:
    prepare = preparer(cast, share)

    def prepare_and_sum() -> Prepared:
        prepared = prepare()
        lines = [f"{name}\t{value}" for name, value in _sums_of(cast)]
        text = "\n".join(lines).encode()
        if len(text) <= _SUMS_BYTES:
            sums[: len(text)] = text
        return prepared

    return prepare_and_sum


def _sums_of(cast: Cast) -> Sequence[tuple[str, str]]:
    """A checksum of each file that words came from, and of each table's words."""
    found = []
    for name, path in found_files().items():
        with path.open("rb") as file:
            found.append((name, hashlib.file_digest(file, "sha256").hexdigest()))
    for supply in cast.supplies:
        table, n_words = supply.table, len(supply.table)
        digest = hashlib.sha256(str(n_words).encode())
        for number in range(0, n_words, max(n_words // MAX_SAMPLED, 1)):
            digest.update(repr(table[number]).encode("utf-8", "surrogatepass"))
        if n_words:
            found.append((f"{supply.owner}:words", digest.hexdigest()))
    return found


class Conductor:
    """Carries what the head and the workers say to *state*, and what that decides to them."""

    def __init__(self, state: NodeState, crew: Crew, first: int, ahead_ns: int, cast: Cast) -> None:
        self._state = state
        self._crew = crew
        self._first = first
        self._ahead_ns = ahead_ns
        self._cast = cast
        self._box = BoxWatch()
        self._over = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None

    async def run(self, link: socket.socket) -> int:
        """Conduct the node's part of the run to its end. Returns the exit code of the process."""
        link.setblocking(False)
        reader, self._writer = await asyncio.open_connection(sock=link)
        loop = asyncio.get_running_loop()
        self._crew.open(self)
        for number in range(self._state.n_places):
            self._crew.fork(self._first + number)
        tasks = [loop.create_task(self._listen(reader)), loop.create_task(self._tick())]
        await self._over.wait()
        for task in tasks:
            task.cancel()
        self._crew.shut()
        if self._state.start_ns:
            words, complaint = words_told(self._cast, self._state)
            self._tell(self._state.closing(words, complaint))
        self._writer.close()
        await self._writer.wait_closed()
        return EXIT_BROKEN if self._state.broken else EXIT_DONE

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while (message := await wire.read(reader)) is not None:
            order: Order = unpack(message)
            self._act(self._state.obey(order_by(order, self._ahead_ns), now_ns()))
        # The agent is gone, and whoever could be told anything with it.
        self._over.set()

    async def _tick(self) -> None:
        before_ns, look_ns = suspended_ns(), 0
        while True:
            await asyncio.sleep(TICK_S)
            now = now_ns()
            if self._state.phase is Phase.PRESSING and now >= look_ns:
                look_ns = now + BOX_GAP_NS
                if (told := self._state.fitness.saw_box(now, self._box.read())) is not None:
                    self._act([self._state.note(now, "memory_low", told)])
            self._act(self._state.ticked(now, suspended_ns() - before_ns, wall_ahead_ns()))

    # what the crew tells

    def forked(self, worker: int, pid: int) -> None:
        self._act(self._state.forked(worker - self._first, pid, now_ns()))

    def heard(self, report: Report) -> None:
        self._act(self._state.heard(report, now_ns()))

    def exited(self, worker: int, exit_code: int) -> None:
        self._act(self._state.exited(worker - self._first, exit_code, now_ns()))

    def cpu_worker_exited(self, number: int, pid: int, why: str) -> None:
        self._act(self._state.cpu_worker_exited(number, pid, why, now_ns()))

    def stuck(self, worker: int) -> None:
        self._act([self._state.stuck(worker - self._first, now_ns())])

    def deserted(self) -> None:
        self._act(self._state.deserted(now_ns()))

    def complained(self, text: str) -> None:
        self._state.complain(text)

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Tell(worker, order):
                    self._crew.send(self._first + worker, order)
                case Kill(worker):
                    self._crew.kill(self._first + worker)
                case Fork(worker):
                    self._crew.fork(self._first + worker)
        for report in self._state.take_said():
            self._tell(report if isinstance(report, Told | Closing) else report_by(report, -self._ahead_ns))
        if self._state.phase is Phase.OVER:
            self._over.set()

    def _tell(self, report: Report | Told | Closing) -> None:
        assert self._writer is not None
        wire.write(self._writer, pack(report))


if __name__ == "__main__":
    main()
