"""Nodes with addresses of their own, each in a network namespace: messages, clocks and load go over a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.support.command import SCENARIOS, assert_lawful

SUBNET = "10.213.77"
GCS_PORT = 6399
N_BOXES = 2


def can_have_networks() -> bool:
    """Whether this user may make network namespaces."""
    if os.geteuid() or shutil.which("ip") is None:
        return False
    done = subprocess.run(["ip", "netns", "add", "hp-try"], capture_output=True, check=False)
    subprocess.run(["ip", "netns", "del", "hp-try"], capture_output=True, check=False)
    return not done.returncode


pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.alone,
    pytest.mark.timeout(150),
    pytest.mark.skipif(not can_have_networks(), reason="only root can have network namespaces"),
]


@dataclass
class Networks:
    """Boxes on a bridge: box k has the address SUBNET.(k + 2) and a Ray node, the first one the head's."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def inside(self, box: int, *command: str | Path) -> list[str]:
        return ["ip", "netns", "exec", f"hp-box{box}", *map(str, command)]

    def open(self) -> None:
        _ip("link", "add", "hp-br", "type", "bridge")
        _ip("link", "set", "hp-br", "up")
        for box in range(N_BOXES):
            name = f"hp-box{box}"
            _ip("netns", "add", name)
            _ip("link", "add", f"hp-v{box}", "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", f"hp-v{box}", "master", "hp-br", "up")
            _ip("-n", name, "addr", "add", f"{SUBNET}.{box + 2}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
            _ip("-n", name, "link", "set", "lo", "up")
        ray = Path(sys.executable).with_name("ray")
        common = ["--num-cpus=1", "--object-store-memory=83886080", "--block", "--disable-usage-stats"]
        for box in range(N_BOXES):
            where = ["--head", f"--port={GCS_PORT}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
            if box:
                where = [f"--address={SUBNET}.2:{GCS_PORT}"]
            command: list[str | Path] = [ray, "start", *where, f"--node-ip-address={SUBNET}.{box + 2}", *common]
            self._start(box, *command)
            time.sleep(4 if not box else 0)
        self._start(0, sys.executable, "-m", "hybridpress", "target", "--host", f"{SUBNET}.2", "--port", "8080")

    def _start(self, box: int, *command: str | Path) -> None:
        self.processes.append(
            subprocess.Popen(
                self.inside(box, *command),
                env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def close(self) -> None:
        left = []
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                left += psutil.Process(process.pid).children(recursive=True)
            process.terminate()
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()
        for child in left:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        for box in range(N_BOXES):
            subprocess.run(["ip", "netns", "del", f"hp-box{box}"], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", "hp-br"], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def networks() -> Iterator[Networks]:
    found = Networks(Path(tempfile.mkdtemp(prefix="hp-n-")))
    try:
        found.open()
        yield found
    finally:
        found.close()


def test_nodes_with_addresses_of_their_own(networks: Networks, tmp_path: Path) -> None:
    """Two nodes with two addresses hold one plan, and each is told by its address."""
    json_file = tmp_path / "r.json"
    command: list[str | Path] = [
        *(sys.executable, "-m", "hybridpress", "run", SCENARIOS / "http_get.py", "--cluster", "auto"),
        *("--nodes", "2", "--host", f"http://{SUBNET}.2:8080", "--qps", "500", "--concurrent", "8"),
        *("--duration", "4s", "--json", json_file),
    ]
    env = {**os.environ, "RAY_ADDRESS": f"{SUBNET}.2:{GCS_PORT}"}
    done = subprocess.run(
        networks.inside(0, *command), env=env, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode in (0, 3), done.stderr
    found = json.loads(json_file.read_text())
    assert_lawful(found)
    assert found["iterations"]["completed"] == 2000
    assert sorted(node["address"] for node in found["nodes"]) == [f"{SUBNET}.2", f"{SUBNET}.3"]
    assert all(900 <= node["started"] <= 1100 for node in found["nodes"])
    assert all(0 < node["clock_unsure_ms"] <= 5 for node in found["nodes"])
