"""One run of one peer: started on its core, watched, judged by nginx's own count of requests."""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from peerbench.cases import json_text
from peerbench.peer import Peer, Run, Said
from tests.support.nginx import BODY, Nginx

SAMPLE_S = 0.1
GRACE_S = 60.0
LEFTOVERS_S = 3.0
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True)
class Row:
    """What one run gave. *requests* is nginx's count, *seconds* the peer's own length of the run (or wall time).

    *user_us* and *system_us* are CPU time per request of the peer's whole process tree, from its start to its end.
    *peak_mib* is the largest sum, over the processes alive at one moment, of each one's largest resident set so far.
    *complaint* says why a run is not one; then the numbers are left out of all medians.
    """

    case: str
    peer: str
    round: int
    requests: int = 0
    requests_said: int | None = None
    errors: int = 0
    seconds: float = 0.0
    wall_s: float = 0.0
    requests_per_s: float = 0.0
    user_us: float = 0.0
    system_us: float = 0.0
    cpu_us: float = 0.0
    peak_mib: float = 0.0
    p50_ms: float | None = None
    p99_ms: float | None = None
    exit_code: int = 0
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class Cores:
    """Where the server and the peers run: a core each. None: there is only one, and nothing is pinned."""

    server: int
    peers: int

    @classmethod
    def choose(cls) -> Cores | None:
        if not hasattr(os, "sched_getaffinity"):
            return None
        allowed = sorted(os.sched_getaffinity(0))
        return cls(allowed[0], allowed[1]) if len(allowed) > 1 else None

    def pin_server(self) -> None:
        """Pin this process, and with it whatever it starts from now on, to the server's core."""
        os.sched_setaffinity(0, {self.server})


def nginx() -> Nginx:
    """The server that all peers press: one worker process, 128 bytes at /, 1 KB of JSON at /vms, POST to /post."""
    answer = BODY.decode().replace("\n", "\\n")
    vms = f"location = /vms {{ default_type application/json; return 200 '{json_text()}'; }}"
    return Nginx(extra=f'{vms}\n        location = /post {{ return 200 "{answer}"; }}')


def adopt_orphans() -> None:
    """Make this process the parent of whatever its descendants leave behind, so that no CPU time is lost to init."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def measure(peer: Peer, program: str, run: Run, number: int, server: Nginx, cores: Cores | None) -> Row:
    """Run *peer* once. Whatever goes wrong is told in the row's complaint."""
    command = peer.command(program, run)
    if cores is not None:
        command = ["taskset", "-c", str(cores.peers), *command]
    n_before, cpu_before = server.n_requests(), resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    watched = _watch(command, _environment(run), run, server.pid)
    wall_s = time.monotonic() - begun
    cpu, requests = resource.getrusage(resource.RUSAGE_CHILDREN), server.n_requests() - n_before
    complaint, said = watched.complaint, Said(None, 0)
    if not complaint:
        try:
            said = peer.parse((run.folder / "stdout").read_text(), run)
        except Exception as error:  # noqa: BLE001  whatever a peer writes or leaves out must not end the bench
            complaint = f"exit code {watched.exit_code}, {type(error).__name__}: {error}"
    if not complaint and requests == 0:
        complaint = "nginx saw no request"
    if complaint:
        said_last = (run.folder / "stderr").read_text(errors="replace").strip().splitlines()[-1:]
        complaint = "; ".join([complaint, *said_last])
        return Row(run.case.name, peer.name, number, requests, exit_code=watched.exit_code, complaint=complaint)
    seconds = said.seconds if said.seconds is not None else wall_s
    user_us = (cpu.ru_utime - cpu_before.ru_utime) * 1e6 / requests
    system_us = (cpu.ru_stime - cpu_before.ru_stime) * 1e6 / requests
    return Row(
        run.case.name,
        peer.name,
        number,
        requests=requests,
        requests_said=said.requests,
        errors=said.errors,
        seconds=seconds,
        wall_s=wall_s,
        requests_per_s=requests / seconds,
        user_us=user_us,
        system_us=system_us,
        cpu_us=user_us + system_us,
        peak_mib=watched.peak_mib,
        p50_ms=said.p50_ms,
        p99_ms=said.p99_ms,
        exit_code=watched.exit_code,
    )


@dataclass(slots=True)
class _Watched:
    exit_code: int = 0
    peak_mib: float = 0.0
    complaint: str = ""


def _environment(run: Run) -> dict[str, str]:
    """Ours, without what would have Python compile a peer's modules anew in each run; users do not run it so."""
    environment = {**os.environ, **run.environment()}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _watch(command: list[str], environment: dict[str, str], run: Run, server_pid: int) -> _Watched:
    """Start *command*, sample its memory, wait for it and for all it leaves behind; kill it if it does not end."""
    watched = _Watched()
    with (run.folder / "stdout").open("wb") as out, (run.folder / "stderr").open("wb") as err:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=run.folder,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            watched.complaint = f"does not start: {error}"
            return watched
    deadline = time.monotonic() + run.seconds + GRACE_S
    descriptor = os.pidfd_open(process.pid)
    try:
        while not select.select([descriptor], [], [], SAMPLE_S)[0]:
            watched.peak_mib = max(watched.peak_mib, sum(map(_resident_mib, _descendants(process.pid))))
            if time.monotonic() > deadline:
                watched.complaint = f"did not end within {run.seconds + GRACE_S:.0f} s"
                break
        if not watched.complaint:
            watched.exit_code = process.wait()
    finally:
        os.close(descriptor)
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        n_left = _reap_leftovers(server_pid)
        if n_left:
            watched.complaint = watched.complaint or f"left {n_left} processes behind"
    return watched


def _reap_leftovers(server_pid: int) -> int:
    """Wait for processes that the peer left to us; after a while kill them, and tell how many those were."""
    deadline = time.monotonic() + LEFTOVERS_S
    n_killed = 0
    while left := [pid for pid in _children(os.getpid()) if pid != server_pid]:
        for pid in left:
            with suppress(ProcessLookupError, ChildProcessError):
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    n_killed += 1
                else:
                    os.waitpid(pid, os.WNOHANG)
        time.sleep(0.01)
    return n_killed


def _descendants(pid: int) -> list[int]:
    """*pid* and all processes below it."""
    found = [pid]
    for each in found:
        found.extend(_children(each))
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                found.extend(map(int, (task / "children").read_text().split()))
    return found


def _resident_mib(pid: int) -> float:
    """The largest resident set that *pid* has had; 0 when it is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
