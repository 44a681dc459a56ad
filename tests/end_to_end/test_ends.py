"""How a run ends: drained, interrupted, killed. No process is left, and the counts obey their laws."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support import command, seat

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]

SLEEPER = """
import asyncio
from hybridpress import Press

class Sleeper(Press):
    async def press(self):
        await asyncio.sleep(float(self.params.get("sleep", 0)))
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Path:
    path = tmp_path / "sleeper.py"
    path.write_text(SLEEPER)
    return path


def processes_of(process: subprocess.Popen[str]) -> tuple[psutil.Process, list[psutil.Process]]:
    """The spawner and the workers of a run."""
    (spawner,) = psutil.Process(process.pid).children()
    return spawner, spawner.children()


def test_interrupted_once(sleeper: Path, tmp_path: Path) -> None:
    """Ctrl-C once: nothing more is started, what is in flight is awaited, results are written, exit code 130."""
    json_file = tmp_path / "r.json"
    process = command.started(sleeper, "--qps", "50", "--param", "sleep=0.5", "--concurrent", "50", "--json", json_file)
    process.send_signal(signal.SIGINT)
    ran = command.finish(process, json_file)
    n = ran.found["iterations"]
    assert ran.exit_code == 130
    assert n["completed"] == n["started"] >= 50
    assert n["planned"] == 1500
    assert n["started"] + n["dropped"] < 200
    assert [event["kind"] for event in ran.found["events"]] == ["interrupted"]
    assert 1 <= ran.found["duration_s"] < 4


def test_terminated(sleeper: Path, tmp_path: Path) -> None:
    """SIGTERM drains and reports as Ctrl-C does."""
    json_file = tmp_path / "r.json"
    process = command.started(sleeper, "--qps", "50", "--json", json_file)
    process.terminate()
    ran = command.finish(process, json_file)
    assert (ran.exit_code, ran.found["iterations"]["in_flight_at_end"]) == (130, 0)


@pytest.mark.parametrize("has_nohup", [False, True])
def test_the_terminal_hangs_up(has_nohup: bool, sleeper: Path, tmp_path: Path) -> None:
    """A run whose terminal is gone drains and writes its results; one under nohup goes on to its end."""
    json_file = tmp_path / "r.json"
    ours, theirs = pty.openpty()
    words = ["run", sleeper, "--qps", "50", "--duration", "4s", "--json", json_file]

    process = subprocess.Popen(
        [sys.executable, seat.__file__, sys.executable, "-m", "hybridpress", *map(str, words)],
        env={**os.environ, seat.HANGUP: "ignore" if has_nohup else "default"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while b"in flight" not in shown:
        shown += os.read(ours, 4096)
    os.close(ours)
    process.wait(timeout=20)
    result = json.loads(json_file.read_text())
    command.assert_lawful(result)
    n = result["iterations"]
    assert n["in_flight_at_end"] == n["lost"] == 0
    if has_nohup:
        assert process.returncode in (0, 3)
        assert n["completed"] == 200
    else:
        assert (process.returncode, [event["kind"] for event in result["events"]]) == (130, ["interrupted"])
        assert 0 < n["completed"] < 200


def test_interrupted_twice(sleeper: Path, tmp_path: Path) -> None:
    """Ctrl-C twice ends at once, what is in flight is given up and counted; the results are written."""
    json_file = tmp_path / "r.json"
    process = command.started(sleeper, "--qps", "50", "--param", "sleep=3600", "--json", json_file)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    ran = command.finish(process, json_file)
    assert time.monotonic() - began < 5, "the drain would have lasted ten seconds"
    n = ran.found["iterations"]
    assert ran.exit_code == 130
    assert (n["started"], n["completed"], n["lost"]) == (10, 0, 10)


def test_drained_to_the_timeout(sleeper: Path, tmp_path: Path) -> None:
    """What is still in flight --timeout after the end is given up and counted."""
    json_file = tmp_path / "r.json"
    args = ["--qps", "10", "--duration", "1s", "--timeout", "500ms", "--concurrent", "4", "--param", "sleep=3600"]
    ran = command.run(sleeper, *args, json_file=json_file)
    n = ran.found["iterations"]
    assert (n["started"], n["in_flight_at_end"], n["dropped"]) == (4, 4, 6)
    assert ran.exit_code == 1
    assert "all were in flight still when --timeout 500ms was over" in ran.err


def test_a_press_that_blocks_its_loop(tmp_path: Path) -> None:
    """A worker whose loop is blocked for good is ended, in bounded time, and the reason told."""
    path = tmp_path / "blocker.py"
    path.write_text(SLEEPER.replace("await asyncio", "time").replace("import asyncio", "import time"))
    json_file = tmp_path / "r.json"
    args = ["--qps", "10", "--duration", "500ms", "--timeout", "500ms", "--concurrent", "2", "--param", "sleep=3600"]
    ran = command.run(path, *args, json_file=json_file)
    assert ran.exit_code == 1
    assert "did not end in time and were killed: something in press() blocks" in ran.err


def test_the_parent_is_killed(sleeper: Path) -> None:
    """However the parent dies, its workers die with it."""
    process = command.started(sleeper, "--qps", "50", "--processes", "2")
    spawner, workers = processes_of(process)
    assert len(workers) == 2
    process.kill()
    process.communicate()
    gone, alive = psutil.wait_procs([spawner, *workers], timeout=5)
    assert len(gone) == 3, alive


def test_a_worker_is_killed(sleeper: Path, tmp_path: Path) -> None:
    """The run goes on with the others; what the dead one had counted is kept, and the loss is told."""
    json_file = tmp_path / "r.json"
    process = command.started(sleeper, "--qps", "1000", "--duration", "3s", "--processes", "2", "--json", json_file)
    _, workers = processes_of(process)
    os.kill(workers[0].pid, signal.SIGKILL)
    ran = command.finish(process, json_file)
    n = ran.found["iterations"]
    assert ran.exit_code in (0, 3), ran.err
    assert 1500 <= n["started"] < 3000
    assert n["planned"] == 3000 == n["started"] + n["dropped"]
    assert "worker_lost" in {reason["code"] for reason in ran.found["generator"]["reasons"]}
    assert "died: killed by signal 9" in ran.err


def test_nobody_is_left(sleeper: Path, tmp_path: Path) -> None:
    """When all workers are gone, and who would fork others, the run is broken: exit code 1, with what was measured."""
    json_file = tmp_path / "r.json"
    process = command.started(sleeper, "--qps", "100", "--duration", "20s", "--processes", "2", "--json", json_file)
    spawner, _ = processes_of(process)
    spawner.kill()
    ran = command.finish(process, json_file, patience_s=10)
    assert ran.exit_code == 1
    assert "all worker processes died" in ran.err
    assert ran.found["iterations"]["started"] >= 90


def test_the_only_worker_is_killed(sleeper: Path, tmp_path: Path) -> None:
    """A fresh one takes its place, and the run comes to its end: all that was due is started or dropped."""
    json_file = tmp_path / "r.json"
    process = command.started(sleeper, "--qps", "100", "--duration", "4s", "--processes", "1", "--json", json_file)
    _, [worker] = processes_of(process)
    worker.kill()
    ran = command.finish(process, json_file)
    n = ran.found["iterations"]
    assert ran.exit_code in (0, 3), ran.err
    assert n["planned"] == n["started"] + n["dropped"] == 400
    assert n["completed"] > 200
    assert {"worker_lost", "worker_replaced"} <= {event["kind"] for event in ran.found["events"]}
