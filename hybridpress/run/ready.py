"""What stands before the load: the word table, the spawner that has it, and a host that can be reached."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvloop

from hybridpress import control, machine
from hybridpress.clients.kit import probe
from hybridpress.config import RunConfig
from hybridpress.coordinator.spawner import Prepared, Spawner, TableReady
from hybridpress.errors import (
    ClientError,
    HybridpressError,
    TLSError,
    UsageError,
)
from hybridpress.ipc.channel import WorkerEnd
from hybridpress.run.cast import Cast
from hybridpress.settings import AUTO
from hybridpress.units import format_count
from hybridpress.worker.cpu.process import Door, be_cpu_worker
from hybridpress.worker.cpu.sizing import n_workers_for, prepare_cost_ns
from hybridpress.worker.process import http_settings, work

FILES_BESIDES = 64
"""Open files that a worker needs besides its connections; its own are some 15, the rest is for the scenario."""


def check_table_and_host(spawner: Spawner, cast: Cast) -> tuple[int, int]:
    """Wait for the word table, and see whether the host can be reached: what is wrong with either is told together,
    before the load. Returns the table's length.
    """
    mistakes: list[str] = []
    if cast.needs_all_connections and (shortage := shortage_of_files(cast)):
        mistakes.append(shortage)
    table = TableReady(0)
    try:
        table = spawner.wait_for_table()
    except UsageError as error:
        mistakes += error.mistakes
    for config in cast.configs:
        try:
            _reach(config)
        except TLSError as error:
            mistakes.append(f"--host {config.shown_host}: {error}; see --ca-file and --insecure")
        except ClientError as error:
            mistakes.append(f"--host {config.shown_host}: {error}; is the server up, and the address right?")
    if mistakes:
        raise UsageError(mistakes)
    return table.n_words, table.n_cpu_workers


def shortage_of_files(cast: Cast) -> str | None:
    """That a worker may not open as many connections as it has slots, and the ways out."""
    limit = machine.most_open_files()
    n_wanted = cast.most_connections
    if limit is None or n_wanted + FILES_BESIDES <= limit:
        return None
    n_spare = max(limit - FILES_BESIDES, 0)
    ways_out = "raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit)"
    if n_spare:
        n_all = n_wanted * cast.config.concurrent // max(cast.config.slots_by_worker)
        ways_out += f", or ask for --processes {-(-n_all // n_spare)}"
    slots = f"{format_count(max(cast.config.slots_by_worker))} slots in one worker process"
    each = "each" if n_wanted == max(cast.config.slots_by_worker) else "for each part of the mix"
    return (
        f"{slots} may need a connection {each}, but it may have no more than "
        f"{format_count(limit)} open files, {FILES_BESIDES} of them for itself: {ways_out}"
    )


def _reach(config: RunConfig) -> None:
    """Connect to the host once.

    Not by asyncio.run(): its handling of Ctrl-C cancels the task, and a task that is just done then swallows it.
    """
    loop = uvloop.new_event_loop()
    task = loop.create_task(probe(http_settings(config)))
    try:
        loop.run_until_complete(task)
    finally:
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
        loop.close()


def preparer(cast: Cast, share: float = 1.0) -> Callable[[], Prepared]:
    """What the spawner does first. *share* is the part of the load that this machine has."""

    def prepare() -> Prepared:
        """In the spawner: the word table, and what each worker is to do."""
        machine.raise_file_limit()  # here and not in our caller's process, which may be a program of the user's own
        n_words = cast.build()
        work_of_cpu = [(seat.press, seat.supply.table) for seat in cast.seats_of_parts()]
        n_cpu_workers = _n_cpu_workers(cast, share)
        doors = [Door() for _ in range(n_cpu_workers)]

        def be_worker(worker: int, channel: WorkerEnd) -> None:
            work(cast.seat(worker, doors), channel)

        def cpu_work(number: int) -> None:
            be_cpu_worker(work_of_cpu, doors[number])

        beats = [door.beat for door in doors]
        return Prepared(n_words, be_worker, n_cpu_workers, cpu_work, beats, cast.config.cpu_timeout_s)

    return prepare


def tidier(config: RunConfig) -> Callable[[], None]:
    """What the spawner does when the coordinator, this process, was killed."""
    pid = os.getpid()

    def tidy() -> None:
        with suppress(HybridpressError):
            control.remove(control.path_of(pid) if config.control is None else Path(config.control))

    return tidy


def _n_cpu_workers(cast: Cast, part: float) -> int:
    """How many CPU workers there are to be."""
    config = cast.config
    if not cast.shape.has_cpu_work:
        return 0
    if config.cpu_workers != AUTO:
        return config.cpu_workers
    n_cpus, n_wanted = machine.n_cpus(), 0
    for seat, share in zip(cast.seats_of_parts(), cast.shares(), strict=True):
        shape = seat.shape
        if shape.has_cpu_work:
            prepare_ns = prepare_cost_ns(seat.press, seat.supply.table) if shape.prepares else None
            verified_share = config.verify_sample if shape.verifies else 0.0
            qps = None if config.peak_qps is None else config.peak_qps * share * part
            n_wanted += n_workers_for(prepare_ns, verified_share, qps, n_cpus)
    return min(n_wanted, n_cpus)
