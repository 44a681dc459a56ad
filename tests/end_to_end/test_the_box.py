"""The machine runs out of something: the run ends well where it can, and says what is missing.

Each case has namespaces of its own (mounts, network), so that the machine itself never runs out of anything.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import cgroup

HAS_NAMESPACES = (
    sys.platform == "linux"
    and os.geteuid() == 0
    and shutil.which("unshare") is not None
    and shutil.which("ip") is not None
    and subprocess.run(["unshare", "-m", "-n", "true"], check=False, capture_output=True).returncode == 0
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("no_stray_processes"),
    pytest.mark.skipif(not HAS_NAMESPACES, reason="namespaces need root on Linux, and the programs unshare and ip"),
]

SCENARIO = """
from hybridpress import Press

class Get(Press):
    async def press(self):
        await self.http.get("/delay/50")
"""
PRESS = """
import subprocess, sys, time
from hybridpress.target import Target
with Target() as target:
    command = [sys.executable, "-m", "hybridpress", "run", *sys.argv[1:], "--host", target.url]
    sys.exit(subprocess.run(command, timeout=30).returncode)
"""


@dataclass(frozen=True)
class Ran:
    exit_code: int
    err: str
    result: dict[str, Any] | None

    @property
    def found(self) -> dict[str, Any]:
        assert self.result is not None, self.err
        return self.result


EATER = """
from hybridpress import Press
from hybridpress.machine import BoxWatch

class Eater(Press):
    watch, eaten = BoxWatch(), []

    async def press(self):
        box = self.watch.read()
        if box.memory_bytes < 0.93 * box.memory_limit_bytes:
            self.eaten.append(b"x" * 2**20)
"""


def press(folder: Path, surroundings: str, *args: str, writes: str | None = None, **environment: str) -> Ran:
    """A run of 2 s against a target of its own, both where the shell commands *surroundings* made them a place."""
    scenario, program, json_file = folder / "get.py", folder / "press.py", folder / "result.json"
    scenario.write_text(SCENARIO)
    program.write_text(PRESS)
    words = [str(scenario), "--duration", "2s", "--json", writes or str(json_file), *args]
    shell = f'set -e; ip link set lo up; {surroundings}\nexec "$0" "$@"'
    ran = subprocess.run(
        ["unshare", "-m", "-n", "sh", "-c", shell, sys.executable, str(program), *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "NO_COLOR": "1", **environment},
        stdin=subprocess.DEVNULL,
        cwd=folder,
    )
    return Ran(ran.returncode, ran.stderr, json.loads(json_file.read_text()) if json_file.exists() else None)


PACED = ["--qps", "100", "--concurrent", "10", "--processes", "2"]


@pytest.mark.parametrize("how", ["size=4k", "ro"])
def test_no_room_in_shared_memory(how: str, tmp_path: Path) -> None:
    ran = press(tmp_path, f"mount -t tmpfs -o {how} none /dev/shm", *PACED)
    assert ran.exit_code == 1
    assert ran.result is None
    assert "cannot make the queue to a worker" in ran.err.splitlines()[-1]
    assert "in /dev/shm?" in ran.err.splitlines()[-1]


def test_little_room_in_shared_memory(tmp_path: Path) -> None:
    """A container's /dev/shm may be small: some KiB a worker are enough."""
    ran = press(tmp_path, "mount -t tmpfs -o size=256k none /dev/shm", *PACED)
    assert (ran.exit_code in (0, 3), ran.found["iterations"]["completed"]) == (True, 200), ran.err


def test_no_proc(tmp_path: Path) -> None:
    ran = press(tmp_path, "mount -t tmpfs none /proc", *PACED)
    assert (ran.exit_code in (0, 3), ran.found["iterations"]["completed"]) == (True, 200), ran.err


def test_nowhere_to_write(tmp_path: Path) -> None:
    """No home and no place for temporary files: the run goes on, only nobody can change it while it runs."""
    surroundings = "unset XDG_RUNTIME_DIR; mkdir ro; mount -t tmpfs -o ro none ro"
    ran = press(tmp_path, surroundings, *PACED, HOME="/nonexistent", TMPDIR=str(tmp_path / "ro"))
    assert (ran.exit_code in (0, 3), ran.found["iterations"]["completed"]) == (True, 200), ran.err


def test_the_disk_is_full(tmp_path: Path) -> None:
    """The run ends well and says what it could not write; an old result stays whole."""
    disk = tmp_path / "disk"
    disk.mkdir()
    surroundings = "mount -t tmpfs -o size=8k none disk; echo old > disk/r.json; trap 'cp disk/r.json after' EXIT"
    # Not exec: what is on the disk is looked at after the run.
    ran = press(tmp_path, surroundings + '; "$0" "$@"; exit', *PACED, writes="disk/r.json")
    assert ran.exit_code == 1
    assert 'cannot write the result to "disk/r.json": No space left on device' in ran.err
    assert (tmp_path / "after").read_text() == "old\n"


def test_no_local_ports_are_left(tmp_path: Path) -> None:
    """Each request that found none is a failed one, and its error says what to do."""
    surroundings = "echo '40000 40019' > /proc/sys/net/ipv4/ip_local_port_range"
    ran = press(tmp_path, surroundings, "--qps", "1000", "--concurrent", "60", "--processes", "1")
    n = ran.found["iterations"]
    assert (ran.exit_code in (0, 3), n["started"]) == (True, 2_000), ran.err
    assert n["completed"] >= 200, "the ports that there are went on being used"
    (error,) = ran.found["errors"]
    assert (error["kind"], error["count"]) == ("ConnectError", n["failed"])
    assert "or widen ip_local_port_range" in error["example"]


def test_no_open_files_are_left(tmp_path: Path) -> None:
    """The same, where a plan needs more connections than a process may have open files."""
    ran = press(tmp_path, "ulimit -n 100", "--qps", "2000", "--concurrent", "300", "--processes", "1")
    n = ran.found["iterations"]
    assert (ran.exit_code in (0, 3), n["started"]) == (True, 4_000), ran.err
    assert n["completed"] >= 2_000
    (error,) = ran.found["errors"]
    assert (error["kind"], error["count"]) == ("ConnectError", n["failed"])
    assert "raise the limit (ulimit -n)" in error["example"]
    assert [event["kind"] for event in ran.found["events"]] == ["few_open_files"]


def test_memory_is_short(tmp_path: Path) -> None:
    """A run that comes near the limit of its cgroup says so, and goes on as long as the kernel lets it."""
    scenario, json_file = tmp_path / "eater.py", tmp_path / "result.json"
    scenario.write_text(EATER)
    limit = str(240 * 2**20)
    with cgroup.limited("memory", ("memory.limit_in_bytes", limit), ("memory.max", limit)) as procs:
        shell = f'echo $$ > {procs}; exec "$0" "$@"'
        args = ["--qps", "200", "--duration", "4s", "--processes", "1", "--json", str(json_file)]
        ran = subprocess.run(
            ["sh", "-c", shell, sys.executable, "-m", "hybridpress", "run", str(scenario), *args],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    assert ran.returncode in {0, 3}, ran.stderr  # a machine that is busy besides is told in the verdict
    result = json.loads(json_file.read_text())
    assert result["iterations"]["completed"] == 800
    (event,) = [event for event in result["events"] if event["kind"] == "memory_low"]
    assert "of the 240 MiB that this cgroup may have are in use" in event["text"]
    assert event["text"] in " ".join(ran.stderr.split())
