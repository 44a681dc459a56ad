"""Scenarios that press servers which are not ours, with clients which are not ours: each against the real one."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import command, programs
from tests.support.command import SCENARIOS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]
FILES = {"redis_get": SCENARIOS / "redis_get.py"}


@pytest.fixture
def redis_port(free_port: int, tmp_path: Path) -> Iterator[int]:
    """A Redis of this test's own, that keeps nothing."""
    server = [programs.need("redis-server"), "--port", str(free_port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(server, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 10
            while not _is_open(free_port):
                assert process.poll() is None
                assert time.monotonic() < until, "redis-server did not start"
            yield free_port
        finally:
            process.terminate()


def _is_open(port: int) -> bool:
    with socket.socket() as end:
        return end.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, *words: str) -> str:
    """What Redis answers to one command."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as end:
        end.sendall((" ".join(words) + "\r\nQUIT\r\n").encode())
        answer = b""
        while piece := end.recv(65_536):
            answer += piece
    return answer.decode()


def test_redis(redis_port: int, tmp_path: Path) -> None:
    """Each command is a step; Redis counted what we counted."""
    args = ["--param", f"port={redis_port}", "--qps", "200", "--duration", "2s", "--concurrent", "8"]
    ran = command.run(FILES["redis_get"], *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    assert ran.found["errors"] == []
    assert ran.found["iterations"]["completed"] == 400
    assert {name: counts["count"] for name, counts in ran.found["steps"].items()} == {"SET": 400, "GET": 400}
    counted = ask(redis_port, "INFO", "commandstats")
    assert "cmdstat_get:calls=400," in counted
    assert "cmdstat_set:calls=400," in counted
