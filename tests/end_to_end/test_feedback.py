"""A worker that falls behind or dies costs the box no rate: the others take over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from hybridpress import machine
from tests.support import command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]

BUSY = """
import asyncio, time
from hybridpress import Press

class Busy(Press):
    \"\"\"Uses some CPU, and gives way.\"\"\"
    async def press(self):
        until = time.thread_time_ns() + int(self.params.get("cpu_us", 0)) * 1000
        while time.thread_time_ns() < until:
            pass
        await asyncio.sleep(0)
"""


def start(tmp_path: Path, *args: str) -> tuple[subprocess.Popen[str], Path]:
    scenario, json_file = tmp_path / "busy.py", tmp_path / "result.json"
    scenario.write_text(BUSY)
    return command.start("run", scenario, "--json", json_file, *args), json_file


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The worker processes, once they press."""
    assert process.stderr is not None
    for line in process.stderr:
        if "1s  " in line:
            break
    (spawner,) = psutil.Process(process.pid).children()
    return sorted(spawner.children(), key=lambda worker: worker.pid)


def started_in(found: dict[str, Any]) -> list[int]:
    return [second["started"] for second in found["intervals"]]


@pytest.mark.alone
@pytest.mark.skipif(machine.n_cpus() < 2, reason="needs two CPUs")
def test_a_slow_core(tmp_path: Path) -> None:
    """With a hog on the core of one of two workers the rate of the box is back within 1 % in 2 s, and stays there."""
    args = ["--qps", "3000", "--concurrent", "64", "--processes", "2", "--pin-cpus", "--duration", "12s"]
    process, json_file = start(tmp_path, *args, "--param", "cpu_us=400")
    slow = workers_of(process)[1]
    cpu = str(*slow.cpu_affinity())
    hog = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", hog, cpu]) as hogging:
        ran = command.finish(process, json_file)
        hogging.kill()
    seconds = started_in(ran.found)
    print("started in each second:", seconds)
    assert ran.found["iterations"]["planned"] == ran.found["iterations"]["started"] + ran.found["iterations"]["dropped"]
    assert all(abs(n - 3000) <= 30 for n in seconds[4:12]), seconds


@pytest.mark.alone
def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    """After a kill -9 at 2,000/s the rate is back within 1 % in 2 s, a fresh worker works, and the counts add up."""
    args = ["--qps", "2000", "--concurrent", "40", "--processes", "2", "--duration", "6s"]
    process, json_file = start(tmp_path, *args)
    os.kill(workers_of(process)[0].pid, signal.SIGKILL)
    found = command.finish(process, json_file).found
    n = found["iterations"]
    print(n, started_in(found), found["events"])
    assert n["planned"] == 12_000 == n["started"] + n["dropped"]
    assert n["dropped"] <= 2_000 * 0.6
    assert all(abs(count - 2000) <= 20 for count in started_in(found)[3:6])
    assert [worker["restarts"] for worker in found["workers"]] == [1, 0]
    assert found["workers"][0]["started"] > 3_000, "the fresh one has its share"
    assert [event["kind"] for event in found["events"]] == ["worker_lost", "worker_replaced"]


def test_a_scenario_that_kills_its_workers(tmp_path: Path) -> None:
    """A worker that dies again and again is not replaced for ever; the run comes to its end."""
    scenario, json_file = tmp_path / "deadly.py", tmp_path / "result.json"
    scenario.write_text(
        "import os\nfrom hybridpress import Press\n\nclass Deadly(Press):\n    async def press(self):\n"
        "        if self.worker == 0:\n            os._exit(9)\n"
    )
    args = ["--qps", "200", "--concurrent", "4", "--processes", "2", "--duration", "3s"]
    found = command.run(scenario, *args, json_file=json_file).found
    n = found["iterations"]
    assert n["planned"] == 600 == n["started"] + n["dropped"]
    assert n["started"] >= 250
    assert 1 <= found["workers"][0]["restarts"] <= 5


@pytest.mark.parametrize("limit", [["--iterations", "4000"], ["--duration", "3s"]])
def test_an_unpaced_worker_is_replaced(tmp_path: Path, limit: list[str]) -> None:
    """Unpaced, too, a fresh worker takes the place of one that died, and does what that had left."""
    process, json_file = start(tmp_path, "--concurrent", "4", "--processes", "2", *limit, "--param", "cpu_us=1500")
    os.kill(workers_of(process)[1].pid, signal.SIGKILL)
    found = command.finish(process, json_file).found
    assert [worker["restarts"] for worker in found["workers"]] == [0, 1]
    if limit[0] == "--iterations":
        assert found["iterations"]["started"] + 400 >= 4000
        assert found["iterations"]["started"] <= 4000
