"""The verdict on whole runs: each trouble that can be made is made, and the run says so, with its number."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hybridpress.machine import n_cpus
from tests.support import cgroup, command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]

TROUBLES = """
import asyncio, gc, os, signal, time
from pathlib import Path
from hybridpress import Press

class Fine(Press):
    async def press(self):
        await asyncio.sleep(0.001)

class Blocking(Press):
    async def press(self):
        time.sleep(0.15)

class Spinning(Press):
    async def press(self):
        until = time.process_time() + 0.012
        while time.process_time() < until:
            pass

class Slow(Press):
    async def press(self):
        await asyncio.sleep(0.2)

class Dying(Press):
    async def press(self):
        await asyncio.sleep(0.001)
        died = Path(self.params["died"])
        if self.worker == 0 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

class Messy(Press):
    kept = []

    async def press(self):
        if not self.kept:
            self.kept.extend([[]] for _ in range(500_000))
        for _ in range(1_000):
            circle = []
            circle.append(circle)
        gc.collect()
"""


@pytest.fixture
def troubles(tmp_path: Path) -> Path:
    path = tmp_path / "troubles.py"
    path.write_text(TROUBLES)
    return path


def reasons(found: dict[str, Any]) -> dict[str, str]:
    return {reason["code"]: reason["text"] for reason in found["generator"]["reasons"]}


def pressed(troubles: Path, name: str, *args: str) -> command.Ran:
    return command.run(f"{troubles}:{name}", "--duration", "2s", *args, json_file=troubles.parent / "r.json")


@pytest.mark.alone
def test_without_trouble(troubles: Path) -> None:
    """A run at its ease is valid, or its reasons are all of the machine it shares with others."""
    ran = pressed(troubles, "Fine", "--qps", "50", "--concurrent", "20")
    assert set(reasons(ran.found)) <= {"box_saturated", "cpu_stolen", "swapped", "late_starts", "event_loop_blocked"}
    if not reasons(ran.found):
        assert (ran.exit_code, ran.found["generator"]["verdict"]) == (0, "valid")


def test_a_blocked_loop(troubles: Path) -> None:
    """Who blocks the loop for 150 ms at a time is named, and the times are not to be quoted: exit code 3."""
    ran = pressed(troubles, "Blocking", "--qps", "5", "--concurrent", "4", "--processes", "1")
    assert (ran.exit_code, ran.found["generator"]["verdict"]) == (3, "invalid")
    found = reasons(ran.found)
    assert "troubles.py:12 in press()" in found["event_loop_blocked"]
    assert "do not quote these times" in ran.out


@pytest.mark.alone
def test_no_cpu_left(troubles: Path) -> None:
    """A worker that spins is told as one out of CPU, or, where another has a CPU too, as a machine that is."""
    ran = pressed(troubles, "Spinning", "--processes", "1", "--concurrent", "2")
    assert ran.found["generator"]["verdict"] != "valid"
    assert {"cpu_saturated", "box_saturated"} & reasons(ran.found).keys()


@pytest.mark.skipif(sys.platform != "linux", reason="the CPU of the whole machine is told on Linux")
def test_a_busy_box(troubles: Path) -> None:
    """More workers than CPUs, all of which spin: none has a core to itself, and the machine is what is short."""
    ran = pressed(troubles, "Spinning", "--processes", str(2 * n_cpus()), "--concurrent", str(2 * n_cpus()))
    found = reasons(ran.found)
    assert f"the machine's {n_cpus()} CPUs were" in found["box_saturated"]
    assert "% busy" in found["box_saturated"]


def test_too_few_slots(troubles: Path) -> None:
    """Two slots of 200 ms cannot start 50 a second: the verdict asks for more of them."""
    ran = pressed(troubles, "Slow", "--qps", "50", "--concurrent", "2")
    assert ran.found["generator"]["verdict"] != "valid"
    assert "needs more --concurrent" in reasons(ran.found)["slots_exhausted"]


def test_a_worker_that_dies(troubles: Path) -> None:
    """One that is killed is replaced, and the run says that it was."""
    args = ["--qps", "100", "--concurrent", "4", "--processes", "2", "--param", f"died={troubles.parent / 'died'}"]
    ran = pressed(troubles, "Dying", *args)
    assert ran.found["generator"]["verdict"] != "valid"
    assert reasons(ran.found)["worker_lost"].startswith("1 worker process(es) died during the run")
    assert any(event["kind"] == "worker_lost" and "signal 9" in event["text"] for event in ran.found["events"])


def test_pauses_of_the_garbage_collector(troubles: Path) -> None:
    """Who keeps half a million objects and has them looked through again and again is told what that costs."""
    ran = pressed(troubles, "Messy", "--qps", "10", "--concurrent", "2", "--processes", "1")
    assert ran.found["generator"]["verdict"] != "valid"
    assert "a worker's garbage collector took" in reasons(ran.found)["gc_pauses"]


@pytest.fixture
def quota() -> Iterator[Path]:
    """The file by which a process joins a cgroup that may use a fifth of a CPU."""
    with cgroup.limited("cpu", ("cpu.cfs_quota_us", "20000"), ("cpu.max", "20000 100000")) as procs:
        yield procs


def test_a_cpu_quota_that_is_used_up(troubles: Path, quota: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator whose container stops it most of the time says so, and that its times are worth nothing."""
    real = command.start

    def start_inside(*args: str | Path, **more: Any) -> Any:
        process = real(*args, **more)
        quota.write_text(str(process.pid))  # before it forks: it has yet to import itself
        return process

    monkeypatch.setattr(command, "start", start_inside)
    ran = pressed(troubles, "Spinning", "--processes", "1", "--concurrent", "1", "--qps", "100")
    assert ran.found["generator"]["verdict"] == "invalid"
    assert ran.exit_code == 3
    assert "CPU quota of the container (cgroup) was used up in" in reasons(ran.found)["cpu_throttled"]
