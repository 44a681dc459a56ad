"""What the system lets a process have, and how we ask for it."""

from __future__ import annotations

import multiprocessing
import os
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
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


# what the kernel counts

STAT = """cpu  600 0 200 1000 100 0 50 50 7 0
cpu0 300 0 100 500 50 0 25 25 7 0
cpu1 300 0 100 500 50 0 25 25 0 0
cpu2 900 0 900 0 0 0 0 0 0 0
intr 5
"""
PRESSURE = "some avg10=0.22 avg60=0.40 avg300=0.28 total={total}\nfull avg10=0.00 avg60=0.01 avg300=0.04 total=7\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_what_the_kernel_counts(tmp_path: Path) -> None:
    """Of the CPUs watched: all their time, what was used, what was stolen; of the machine: swap and waiting."""
    files = {
        "proc/stat": STAT,
        "proc/vmstat": "nr_free_pages 12\npswpin 30\npswpout 12\npswpin_zero 9\n",
        "proc/pressure/cpu": PRESSURE.format(total=2_500_000),
        "proc/pressure/memory": PRESSURE.format(total=40_000),
    }
    found = machine.BoxWatch([0, 1], write(tmp_path, files)).read()
    per_s = os.sysconf("SC_CLK_TCK")
    assert found == machine.BoxCounts(
        n_cpus=2, cpu_s=2000 / per_s, busy_s=900 / per_s, stolen_s=50 / per_s, swapped_pages=42, cpu_waited_s=2.5,
        memory_waited_s=0.04,
    )  # fmt: skip


V2 = "usage_usec 5\nnr_periods {0}\nnr_throttled {1}\nthrottled_usec {2}000000\n"
V1 = "nr_periods {0}\nnr_throttled {1}\nthrottled_time {2}000000000\n"


@pytest.mark.parametrize(
    "files",
    [
        # v2: the group's own quota, and one above it, of which that counts which throttles more
        {
            "proc/self/cgroup": "0::/slice/run\n",
            "sys/fs/cgroup/slice/run/cpu.stat": V2.format(9, 1, 1),
            "sys/fs/cgroup/slice/cpu.stat": V2.format(50, 20, 3),
            "sys/fs/cgroup/cpu.stat": "usage_usec 9\n",
        },
        # v2 in a container, which sees its own group as the root
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.stat": V2.format(50, 20, 3)},
        # v1, with a folder of v2 beside it
        {
            "proc/self/cgroup": "9:name=systemd:/\n4:memory:/m\n3:cpu,cpuacct:/box\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.stat": V1.format(50, 20, 3),
            "sys/fs/cgroup/unified/cpu.stat": "usage_usec 9\n",
        },
    ],
)
def test_cpu_quotas(tmp_path: Path, files: dict[str, str]) -> None:
    """Whatever kind of cgroup has the quota: periods, those in which it was used up, for how long."""
    found = machine.BoxWatch([0], write(tmp_path, files)).read()
    assert (found.n_periods, found.n_throttled, found.throttled_s) == (50, 20, 3.0)


MEMINFO = "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    {0} kB\nHugePages_Total:  0\n"
CACHED = "anon 5\ninactive_file {0}\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/meminfo": MEMINFO.format(250)}, (750 * 1024, 1000 * 1024, False)),
        # v2: of the groups that have a limit, the one with least left; the cache of files can be given back
        (
            {
                "proc/meminfo": MEMINFO.format(250),
                "proc/self/cgroup": "0::/slice/run\n",
                "sys/fs/cgroup/slice/run/memory.stat": CACHED.format(0),
                "sys/fs/cgroup/slice/run/memory.max": "max\n",
                "sys/fs/cgroup/slice/run/memory.current": "999\n",
                "sys/fs/cgroup/slice/memory.stat": CACHED.format(100),
                "sys/fs/cgroup/slice/memory.max": "1000\n",
                "sys/fs/cgroup/slice/memory.current": "950\n",
            },
            (850, 1000, True),
        ),
        # v1, whose group of all has no limit but a number that no memory reaches
        (
            {
                "proc/self/cgroup": "4:memory:/box\n",
                "sys/fs/cgroup/memory/box/memory.stat": CACHED.format(0),
                "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "1000\n",
                "sys/fs/cgroup/memory/box/memory.usage_in_bytes": "400\n",
                "sys/fs/cgroup/memory/memory.stat": CACHED.format(0),
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "5000\n",
            },
            (400, 1000, True),
        ),
    ],
)
def test_memory(tmp_path: Path, files: dict[str, str], expected: tuple[int, int, bool]) -> None:
    """Where memory is scarcest, whichever limit that is."""
    found = machine.BoxWatch([0], write(tmp_path, files)).read()
    assert (found.memory_bytes, found.memory_limit_bytes, found.is_memory_of_group) == expected


def test_where_nothing_is_told(tmp_path: Path) -> None:
    """On another system, or in a container that hides it all, nothing is known, and that is no error."""
    assert machine.BoxWatch([], tmp_path).read() == machine.BoxCounts()


@linux_only
def test_this_machine(tmp_path: Path) -> None:
    """Here there is more CPU time with each look, and never less of it used."""
    watch = machine.BoxWatch()
    first, second = watch.read(), watch.read()
    assert first.n_cpus == len(machine.cpus())
    assert first.cpu_s is not None
    assert first.busy_s is not None
    assert second.cpu_s is not None
    assert second.busy_s is not None
    assert 0 < first.busy_s <= first.cpu_s <= second.cpu_s
    assert second.busy_s >= first.busy_s
