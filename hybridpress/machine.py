"""The machine under a run: what CPUs, open files and addresses a process may have, and what the kernel counts of it.

Knows nothing of runs.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


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


@dataclass(frozen=True, slots=True)
class BoxCounts:
    """What the kernel counted of the whole machine so far; None: it does not tell. Differences mean something."""

    n_cpus: int = 0
    """How many CPUs are watched."""
    cpu_s: float | None = None
    """CPU time that there was, of the CPUs watched together…"""
    busy_s: float | None = None
    """…that was used, by whomever…"""
    stolen_s: float | None = None
    """…and that the machine below this virtual one gave to others."""
    n_periods: int | None = None
    """Periods (of 0.1 s, mostly) in which our cgroup ran under a CPU quota…"""
    n_throttled: int | None = None
    """…and had used it up…"""
    throttled_s: float | None = None
    """…and for how long its processes then had to wait, each CPU counted."""
    swapped_pages: int | None = None
    """Pages that were swapped in or out."""
    cpu_waited_s: float | None = None
    """Time in which some process waited for a CPU (pressure stall information)…"""
    memory_waited_s: float | None = None
    """…and for memory."""
    memory_bytes: int | None = None
    """Memory in use that cannot be taken back, where it is scarcest: of our cgroup, or of the machine…"""
    memory_limit_bytes: int | None = None
    """…and how much there may be."""
    is_memory_of_group: bool = False


class BoxWatch:
    """Reads what the kernel tells of the machine: on Linux from /proc and the files of cgroups, v1 and v2. Elsewhere
    it tells nothing.
    """

    def __init__(self, watched: Collection[int] | None = None, root: Path = Path("/")) -> None:
        """*watched* are the numbers of the CPUs that count; None: those that this process may run on now."""
        self._cpus = {f"cpu{number}" for number in (cpus() if watched is None else watched)}
        self._root = root
        self._ticks_per_s = os.sysconf("SC_CLK_TCK")
        self._quotas = list(self._group_files("cpu", "cpu.stat", "nr_throttled"))
        self._memory = [file.rpartition("/")[0] for file in self._group_files("memory", "memory.stat", "inactive_file")]

    def read(self) -> BoxCounts:
        """The counts now: some 0.5 ms, for a dozen files that are no files."""
        cpu_s, busy_s, stolen_s = self._cpu_s()
        n_periods, n_throttled, throttled_s = self._quota()
        memory_bytes, limit_bytes, is_of_group = self._scarcest_memory()
        swapped = _numbers(self._text("proc/vmstat"), "pswpin", "pswpout")
        return BoxCounts(
            n_cpus=len(self._cpus),
            cpu_s=cpu_s,
            busy_s=busy_s,
            stolen_s=stolen_s,
            n_periods=n_periods,
            n_throttled=n_throttled,
            throttled_s=throttled_s,
            swapped_pages=sum(swapped.values()) if swapped else None,
            cpu_waited_s=self._waited_s("proc/pressure/cpu"),
            memory_waited_s=self._waited_s("proc/pressure/memory"),
            memory_bytes=memory_bytes,
            memory_limit_bytes=limit_bytes,
            is_memory_of_group=is_of_group,
        )

    def _text(self, path: str) -> str:
        try:
            return (self._root / path).read_text()
        except OSError:
            return ""

    def _cpu_s(self) -> tuple[float, float, float] | tuple[None, None, None]:
        """All, used and stolen CPU time."""
        total = idle = stolen = 0
        for line in self._text("proc/stat").splitlines():
            name, *words = line.split()
            if name not in self._cpus or len(words) < 8:
                continue
            # user nice system idle iowait irq softirq steal; the guests' time behind these is in user already
            ticks = [int(word) for word in words[:8]]
            total += sum(ticks)
            idle += ticks[3] + ticks[4]
            stolen += ticks[7]
        if not total:
            return None, None, None
        return total / self._ticks_per_s, (total - idle) / self._ticks_per_s, stolen / self._ticks_per_s

    def _group_files(self, controller: str, name: str, word: str) -> Iterator[str]:
        """The files of this name, with *word* in them, of each group that we are in: limits of all of them count."""
        for line in self._text("proc/self/cgroup").splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if not controllers:
                mounts = ["sys/fs/cgroup", "sys/fs/cgroup/unified"]
            elif controller in controllers.split(","):
                mounts = [f"sys/fs/cgroup/{controller}", f"sys/fs/cgroup/{controllers}"]
            else:
                continue
            groups = [PurePosixPath(path), *PurePosixPath(path).parents]
            for mount in dict.fromkeys(mounts):
                for group in groups:
                    file = f"{mount}{group}".rstrip("/") + f"/{name}"
                    if word in self._text(file):
                        yield file

    def _quota(self) -> tuple[int, int, float] | tuple[None, None, None]:
        """Of the group that was throttled most: periods, periods in which it was, for how long."""
        if not self._quotas:
            return None, None, None
        found = []
        for file in self._quotas:
            counts = _numbers(self._text(file), "nr_periods", "nr_throttled", "throttled_usec", "throttled_time")
            # µs with cgroups v2, ns with v1
            throttled_s = counts.get("throttled_usec", 0) / 1e6 + counts.get("throttled_time", 0) / 1e9
            found.append((counts.get("nr_periods", 0), counts.get("nr_throttled", 0), throttled_s))
        return max(found, key=lambda counts: counts[1])

    def _scarcest_memory(self) -> tuple[int, int, bool] | tuple[None, None, bool]:
        """Where the least share of the memory is left: how much is in use, of how much, and whether a group's it is."""
        found = []
        words = (line.split() for line in self._text("proc/meminfo").splitlines())
        box = {line[0]: int(line[1]) * 1024 for line in words if len(line) == 3}
        if "MemTotal:" in box and "MemAvailable:" in box:
            found.append((box["MemTotal:"] - box["MemAvailable:"], box["MemTotal:"], False))
        for group in self._memory:
            # v2, then v1; without a limit v2 says "max", v1 a number beyond all memory
            limit = self._text(f"{group}/memory.max") or self._text(f"{group}/memory.limit_in_bytes")
            used = self._text(f"{group}/memory.current") or self._text(f"{group}/memory.usage_in_bytes")
            if limit.strip().isdigit() and used.strip().isdigit() and int(limit):
                cached = _numbers(self._text(f"{group}/memory.stat"), "inactive_file").get("inactive_file", 0)
                found.append((max(int(used) - cached, 0), int(limit), True))
        return max(found, key=lambda one: one[0] / one[1], default=(None, None, False))

    def _waited_s(self, path: str) -> float | None:
        """How long some process waited, of a file such as "some avg10=0.22 … total=32665461" (µs)."""
        for line in self._text(path).splitlines():
            if line.startswith("some "):
                return int(line.rpartition("total=")[2]) / 1e6
        return None


def _numbers(text: str, *names: str) -> dict[str, int]:
    """Those of *names* that stand in *text*, a line each: name, blank, number."""
    words = (line.split() for line in text.splitlines())
    return {line[0]: int(line[1]) for line in words if len(line) == 2 and line[0] in names}
