"""What tests with a Ray cluster share: its nodes, and runs over them that are over with the test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.boxes import N_NODES, Boxes, Start
from tests.support import command
from tests.support.command import SCENARIOS
from tests.support.nginx import Nginx


@pytest.fixture(scope="module")
def boxes() -> Iterator[Boxes]:
    """Three nodes, for all tests of a module."""
    with Boxes(N_NODES) as found:
        yield found


@pytest.fixture
def start(boxes: Boxes, nginx: Nginx, tmp_path: Path) -> Iterator[Start]:
    """Starts a run over all nodes, which is over with the test. Its result goes to r.json in the test's folder."""
    started: list[subprocess.Popen[str]] = []

    def start(*args: str) -> subprocess.Popen[str]:
        common = ["--host", nginx.url, "--cluster", boxes.address, "--json", str(tmp_path / "r.json")]
        started.append(command.start("run", SCENARIOS / "http_get.py", *common, *args))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            print(*process.communicate())
