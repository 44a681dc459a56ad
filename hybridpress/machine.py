"""The machine under a run: what CPUs, open files and addresses a process may have. Knows nothing of runs."""

from __future__ import annotations

import os
import resource
from collections.abc import Collection, Iterator
from contextlib import contextmanager


def cpus() -> list[int]:
    """The numbers of the CPUs that this process may run on; none where the system does not tell (it is not Linux)."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return []


def n_cpus() -> int:
    """How many CPUs this process may run on."""
    return len(cpus()) or os.cpu_count() or 1


def can_pin() -> bool:
    """Whether this system can keep a process on CPUs of our choice."""
    return hasattr(os, "sched_setaffinity")


def pin(wanted: Collection[int]) -> None:
    """Keep this process, and what it forks from now on, on the CPUs *wanted*. Linux only: see `can_pin`."""
    os.sched_setaffinity(0, wanted)


@contextmanager
def pinned(wanted: Collection[int]) -> Iterator[None]:
    """Keep this process on the CPUs *wanted* for a while; none: wherever it was."""
    if not wanted:
        yield
        return
    before = cpus()
    pin(wanted)
    try:
        yield
    finally:
        pin(before)


def most_open_files() -> int | None:
    """How many files a process of ours may have open once `raise_file_limit` was called; None: any number."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return None if hard == resource.RLIM_INFINITY else hard


def raise_file_limit() -> None:
    """Allow this process, and what it forks, as many open files as its user may have. Each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS says "unlimited" and does not mean it
            return


def why_not_ours(address: str) -> str | None:
    """Why no connection can go out from the IP *address*, in the system's words; None when one can."""
    import socket  # takes 5 ms: for who names an address

    try:
        family, kind, _, _, bindable = socket.getaddrinfo(
            address, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )[0]
        with socket.socket(family, kind) as trial:
            trial.bind(bindable)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None
