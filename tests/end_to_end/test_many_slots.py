"""Many slots on one machine: their connections, their open files, their CPUs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from hybridpress import machine
from hybridpress.target import Target
from tests.support import command
from tests.support.command import SCENARIOS

HTTP_GET = SCENARIOS / "http_get.py"
N_MANY = 10_000
PATIENCE_S = 60.0
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]

HOLDS_A_CONNECTION = """
    from hybridpress import Press

    class Holds(Press):
        async def start(self):
            await self.http.get("/delay/500")

        async def press(self):
            await self.http.get("/")
"""


def write(directory: Path, text: str) -> Path:
    path = directory / "my.py"
    path.write_text(dedent(text))
    return path


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Look again and again, as long as *process* runs."""
    until = time.monotonic() + PATIENCE_S
    while not holds() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)


@pytest.mark.alone
@pytest.mark.skipif((machine.most_open_files() or N_MANY * 2) < N_MANY + 200, reason="needs 10,200 open files")
def test_ten_thousand_slots(tmp_path: Path) -> None:
    """Ten thousand slots hold a connection each, which the server sees open all at once, and press as planned."""
    json_file = tmp_path / "r.json"
    args = ["--concurrent", str(N_MANY), "--processes", "2", "--qps", "2000", "--duration", "4s"]
    with Target() as target:
        n_open = 0

        def are_all_open() -> bool:
            nonlocal n_open
            n_open = max(n_open, int(target.stats()["connections"]["open"]))
            return n_open >= N_MANY

        process = command.start(
            "run", write(tmp_path, HOLDS_A_CONNECTION), "--host", target.url, *args, "--json", json_file
        )
        wait_until(are_all_open, process)
        ran = command.finish(process, json_file)
        stats = target.stats()
    assert n_open == N_MANY
    assert stats["connections"]["accepted"] == N_MANY + 1, "and the one that looked whether the host is there"
    n = ran.found["iterations"]
    assert n["planned"] == n["started"] == n["completed"] == 8_000
    assert stats["paths"] == {"/delay/{ms}": {"200": N_MANY}, "/": {"200": 8_000}}
    assert ran.found["errors"] == ran.found["events"] == []
    assert ran.exit_code in (0, 3), ran.err  # 3: the machine was too busy for good times; the counts hold


def run_with_files(soft: int, hard: int, *args: str | Path, json_file: Path) -> command.Ran:
    """`hybridpress run ARGS` with so many open files allowed."""
    words = [sys.executable, "-m", "hybridpress", "run", *map(str, args), "--json", str(json_file)]
    script = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"'
    process = subprocess.Popen(
        ["sh", "-c", script, "sh", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return command.finish(process, json_file)


def test_the_file_limit_is_raised(target_url: str, tmp_path: Path) -> None:
    """What the user may have is what workers get: a low soft limit stops nobody."""
    args = ["--host", target_url, "--param", "path=/delay/200", "--concurrent", "150", "--processes", "1"]
    ran = run_with_files(100, 300, HTTP_GET, *args, "--iterations", "150", json_file=tmp_path / "r.json")
    assert ran.found["iterations"]["completed"] == 150, ran.err
    assert ran.found["errors"] == ran.found["events"] == []


def test_too_few_files_for_slots_that_never_rest(tmp_path: Path) -> None:
    """Unpaced, each slot needs a connection: too few open files are told before anything is sent, with the ways out."""
    with Target() as target:
        args = ["--host", target.url, "--concurrent", "150", "--processes", "1"]
        ran = run_with_files(100, 100, HTTP_GET, *args, json_file=tmp_path / "r.json")
        assert target.stats()["requests"] == 0
    assert (ran.exit_code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1] == (
        "hybridpress: 150 slots in one worker process may need a connection each, but it may have no more than 100 "
        "open files, 64 of them for itself: raise the limit (ulimit -n, or LimitNOFILE= of a systemd unit), "
        "or ask for --processes 5"
    )


def test_too_few_files_for_a_plan(target_url: str, tmp_path: Path) -> None:
    """Paced, few connections may do: the run warns and goes on. Where they do not do, the error says what to do."""
    args = ["--host", target_url, "--concurrent", "150", "--processes", "1", "--qps", "500", "--duration", "1s"]
    ran = run_with_files(100, 100, HTTP_GET, *args, json_file=tmp_path / "fast.json")
    assert ran.found["iterations"]["completed"] == 500, ran.err
    (event,) = ran.found["events"]
    assert event["kind"] == "few_open_files"
    assert event["text"] in ran.err

    slow = ["--param", "path=/delay/500"]
    ran = run_with_files(100, 100, HTTP_GET, *args, *slow, json_file=tmp_path / "slow.json")
    assert 0 < ran.found["iterations"]["failed"] < 500, ran.err
    errors = {error["message"].partition(": ")[2]: error["example"] for error in ran.found["errors"]}
    assert list(errors) == ["too many open files"]
    assert "raise the limit (ulimit -n)" in errors["too many open files"]


@pytest.mark.skipif(not machine.can_pin(), reason="CPUs are chosen on Linux only")
def test_pinned_workers(target_url: str, tmp_path: Path) -> None:
    """Each worker runs on one CPU, in turn; the settings in the result say that it was asked for."""
    file = write(
        tmp_path,
        """
        import os
        from hybridpress import Press, check

        class Tells(Press):
            async def press(self):
                check(True, f"worker {self.worker} on {sorted(os.sched_getaffinity(0))}")
        """,
    )
    args = ["--pin-cpus", "--processes", "3", "--concurrent", "3", "--qps", "100", "--iterations", "30"]
    ran = command.run(file, *args, json_file=tmp_path / "r.json")
    cpus = machine.cpus()
    assert set(ran.found["checks"]) == {f"worker {worker} on [{cpus[worker % len(cpus)]}]" for worker in range(3)}
    assert ran.found["config"]["pin_cpus"]
