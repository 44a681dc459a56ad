"""Processes of a run killed at random moments: it goes on or ends as promised, its counts add up, nothing is left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from hybridpress.target import Target
from tests.support import command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]

N_RUNS = 10
KILLS_A_RUN = 5
"""Together, fifty."""
LOAD_S = 4

SCENARIO = """
from hybridpress import Press, check

class Pressed(Press):
    def vocab(self):
        return range(1_000)

    def prepare(self, word):
        return {"n": word}

    async def press(self, word):
        reply = await self.http.post("/echo", json=word, name="echo")
        return reply.json()

    def verify(self, word, reply):
        check(reply["n"] >= 0, "an answer")
"""


class Victims:
    """A run, and the processes of it by their kind."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        (self.spawner,) = psutil.Process(process.pid).children()
        self.killed: Counter[str] = Counter()

    def kill(self, kind: str, chance: random.Random) -> None:
        """Kill one of this kind, if one is there now."""
        found = {"coordinator": [self.process.pid], "spawner": [self.spawner.pid]}.get(kind) or self._forked(kind)
        if not found:
            return
        try:
            os.kill(chance.choice(found), signal.SIGKILL)
        except ProcessLookupError:
            return
        self.killed[kind] += 1

    def _forked(self, kind: str) -> list[int]:
        """The children of the spawner: the first that it forks are the CPU workers, the others press."""
        try:
            children = self.spawner.children()
        except psutil.NoSuchProcess:
            return []
        return [child.pid for child in children if _is_worker(child) == (kind == "worker")]


def _is_worker(process: psutil.Process) -> bool:
    """A worker has connections to the target; a CPU worker has none."""
    try:
        return any(connection.status == psutil.CONN_ESTABLISHED for connection in process.net_connections("tcp"))
    except psutil.Error:
        return False


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Temporary files, sockets and shared memory of what runs in this test: what is there now."""
    for name, variable in (("temporary", "TMPDIR"), ("runtime", "XDG_RUNTIME_DIR")):
        (tmp_path / name).mkdir(mode=0o700)
        monkeypatch.setenv(variable, str(tmp_path / name))
    before = _shared_memory()

    def left() -> list[str]:
        found = [str(path) for name in ("temporary", "runtime") for path in (tmp_path / name).rglob("*")]
        return [path for path in found if not path.endswith("/runtime/hybridpress")] + sorted(_shared_memory() - before)

    return left


def _shared_memory() -> set[str]:
    """Shared memory and semaphores with names that Python gives."""
    return {str(path) for pattern in ("psm_*", "sem.mp-*") for path in Path("/dev/shm").glob(pattern)}


def started(path: Path, url: str, seed: int, json_file: Path) -> subprocess.Popen[str]:
    """A run of some seconds that has begun to press."""
    args = ["--host", url, "--qps", "400", "--duration", f"{LOAD_S}s", "--concurrent", "8", "--processes", "2"]
    return command.started(
        path, *args, "--cpu-workers", "2", "--timeout", "2s", "--seed", str(seed), "--json", json_file
    )


@pytest.mark.parametrize("seed", range(N_RUNS))
def test_kills(seed: int, tmp_path: Path, places: Callable[[], list[str]]) -> None:
    """Workers and CPU workers are replaced and the run goes on to its end; without its spawner it breaks, told;
    without its coordinator it is gone, and nothing of it remains.
    """
    chance = random.Random(seed)
    path, json_file = tmp_path / "pressed.py", tmp_path / "result.json"
    path.write_text(SCENARIO)
    last = ["worker", "spawner", "cpu worker", "coordinator"][seed % 4]
    with Target() as target:
        run = Victims(started(path, target.url, seed, json_file))
        for _ in range(KILLS_A_RUN - 1):
            time.sleep(chance.uniform(0.05, 0.6))
            run.kill(chance.choice(["worker", "cpu worker"]), chance)
        time.sleep(chance.uniform(0.05, 0.3))
        run.kill(last, chance)
        ran = command.finish(run.process, json_file, patience_s=30)
        print(f"seed {seed}: killed {dict(run.killed)}, exit code {ran.exit_code}")
        if last == "coordinator":
            assert ran.exit_code == -signal.SIGKILL
            _wait_until(lambda: not places())
            assert ran.result is None
        else:
            _holds(ran, run.killed, n_counted=_counted(target), without_spawner=last == "spawner")
    assert places() == []


def _holds(ran: command.Ran, killed: Counter[str], *, n_counted: int, without_spawner: bool) -> None:
    result = ran.found
    n, events = result["iterations"], Counter(event["kind"] for event in result["events"])
    if without_spawner:
        assert ran.exit_code == 1
        assert "all worker processes died" in ran.err
    else:
        # 3: what else runs on this machine may have made it late.
        assert ran.exit_code in {0, 3}, ran.err
        assert events["worker_lost"] == killed["worker"]
        assert n["started"] + n["dropped"] == n["planned"] == 400 * LOAD_S
        assert n["started"] >= 0.9 * n["planned"], "the others and the fresh ones did not go on"
    assert sum(worker["restarts"] for worker in result["workers"]) >= killed["worker"] - without_spawner
    # What a killed worker had in flight, or counted in its last tenth of a second, only the target knows.
    assert n["completed"] <= n_counted <= n["started"] + 100 * (killed["worker"] + 2 * without_spawner)


def _counted(target: Target) -> int:
    """How many requests the target answered."""
    stats: dict[str, Any] = target.stats()
    return int(stats["requests"])


def _wait_until(is_so: Callable[[], bool], patience_s: float = 5.0) -> None:
    until = time.monotonic() + patience_s
    while not is_so() and time.monotonic() < until:
        time.sleep(0.02)


def test_the_result_of_a_killed_run_is_whole_or_not_there(tmp_path: Path) -> None:
    """An old result is never half overwritten."""
    json_file = tmp_path / "result.json"
    path = tmp_path / "pressed.py"
    path.write_text(SCENARIO)
    json_file.write_text('{"old": true}')
    with Target() as target:
        process = started(path, target.url, 0, json_file)
        process.kill()
        process.communicate()
    assert json.loads(json_file.read_text()) == {"old": True}
