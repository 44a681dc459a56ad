"""What the system lets a process have, and how we ask for it."""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest

from hybridpress import machine

FORK = multiprocessing.get_context("fork")
linux_only = pytest.mark.skipif(not machine.can_pin(), reason="CPUs are chosen on Linux only")


def in_a_process(ask: Callable[[], Any]) -> Any:
    """What *ask* returns in a process of its own: limits cannot be raised again."""

    def answer(end: Connection) -> None:
        end.send(ask())

    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=answer, args=(theirs,))
    process.start()
    try:
        assert ours.poll(10), "the process said nothing"
        return ours.recv()
    finally:
        process.join()


@linux_only
def test_cpus() -> None:
    """CPUs are those that this process may run on, in order."""
    assert machine.cpus() == sorted(os.sched_getaffinity(0))
    assert machine.n_cpus() == len(machine.cpus())


def test_cpus_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not tell which CPUs, it still tells how many."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert machine.cpus() == []
    assert machine.n_cpus() == (os.cpu_count() or 1)


@linux_only
def test_pinned_for_a_while() -> None:
    """A pinned process runs on what it was given, and afterwards wherever it did before. Nothing given: no change."""
    before = machine.cpus()

    def ask() -> list[list[int]]:
        found = []
        with machine.pinned(before[-1:]):
            found.append(machine.cpus())
        found.append(machine.cpus())
        with machine.pinned([]):
            found.append(machine.cpus())
        return found

    assert in_a_process(ask) == [before[-1:], before, before]


def test_the_file_limit_is_raised() -> None:
    """The soft limit becomes the hard one, which is the most there can be."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    def ask() -> tuple[tuple[int, int], int | None]:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        machine.raise_file_limit()
        machine.raise_file_limit()
        return resource.getrlimit(resource.RLIMIT_NOFILE), machine.most_open_files()

    most = None if hard == resource.RLIM_INFINITY else hard
    assert in_a_process(ask) == ((hard, hard), most)


def test_a_limit_that_cannot_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that says "unlimited" and does not mean it: the limit stays as it is."""

    def refuse(*_: object) -> None:
        raise ValueError("not allowed")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    machine.raise_file_limit()
    assert machine.most_open_files() is None


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.8.7"])
def test_our_own_addresses(address: str) -> None:
    """Connections can go out from an address that this machine has."""
    assert machine.why_not_ours(address) is None


@pytest.mark.parametrize("address", ["192.0.2.77", "2001:db8::1"])
def test_addresses_of_others(address: str) -> None:
    """An address that this machine has not is refused in the system's words."""
    assert machine.why_not_ours(address) in {
        "cannot assign requested address",
        "address family not supported by protocol",  # where there is no IPv6
    }


def test_what_is_no_address() -> None:
    """Names are not looked up."""
    assert machine.why_not_ours("localhost")
