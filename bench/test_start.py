"""What a command costs besides its load: CPU time of all its processes, and the time until its first request.

A round is one `hybridpress run` in processes of its own. "one iteration" is start and end alone; "1/s for 4 s" is four
seconds of waiting more. CPU time is that of all its processes together; the first request is there when
the server reads it. The lowest says most: whatever else the machine does can only add.
"""

from __future__ import annotations

import os
import resource
import socketserver
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from harness import main

SCENARIO = Path(__file__).parents[1] / "scenarios" / "http_get.py"
KINDS = {
    "one iteration": ("--iterations", "1"),
    "1/s for 4 s": ("--qps", "1", "--duration", "4s"),
}
"""What is run, and with which options."""
N_REQUESTS = {"one iteration": 1, "1/s for 4 s": 4}


@dataclass(frozen=True, slots=True)
class Found:
    """Medians and lowest of the rounds, in ms."""

    name: str
    n_rounds: int
    cpu_ms: float
    lowest_cpu_ms: float
    first_request_ms: float
    lowest_first_request_ms: float

    def __str__(self) -> str:
        return (
            f"{self.name:<14} CPU {self.cpu_ms:6.1f} ms (lowest {self.lowest_cpu_ms:6.1f})   "
            f"first request after {self.first_request_ms:6.1f} ms (lowest {self.lowest_first_request_ms:6.1f})"
        )


class Server(socketserver.ThreadingTCPServer):
    """Answers whatever it reads, and notes when it read it."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.read_at_s: list[float] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        # A request this small comes in one piece.
        while self.request.recv(65536):
            self.server.read_at_s.append(time.perf_counter())
            self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def measure(name: str, n_rounds: int) -> Found:
    """Run the command in *n_rounds* rounds; the first one more warms up: it compiles what is imported."""
    cpu_ms, first_request_ms = [], []
    with serving() as server, tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hybridpress", "run", str(SCENARIO), "--host", server.url]
        command += [
            "--concurrent",
            "64",
            "--processes",
            "1",
            "--quiet",
            "--json",
            f"{folder}/result.json",
            *KINDS[name],
        ]
        # Installed packages are compiled; ours would be anew in each round where Python may not write beside it.
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
        for _ in range(n_rounds + 1):
            server.read_at_s.clear()
            before_s, begun_s = cpu_s(), time.perf_counter()
            subprocess.run(command, env=environment, check=True)
            cpu_ms.append((cpu_s() - before_s) * 1e3)
            assert len(server.read_at_s) == N_REQUESTS[name]
            first_request_ms.append((server.read_at_s[0] - begun_s) * 1e3)
    return Found(
        name,
        n_rounds,
        statistics.median(cpu_ms[1:]),
        min(cpu_ms[1:]),
        statistics.median(first_request_ms[1:]),
        min(first_request_ms[1:]),
    )


def cpu_s() -> float:
    """User and system time of all processes that were started from here and waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.slow
def test_start() -> None:
    """The bench runs, and the first request comes within the command."""
    found = measure("one iteration", n_rounds=1)
    assert found.cpu_ms > 0
    assert found.first_request_ms > 0


if __name__ == "__main__":
    main([partial(measure, name) for name in KINDS], "What a command costs besides its load.", rounds=11)
