"""Every file in scenarios/ runs, as a command, as a script, and once; its counts agree with the server's."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hybridpress.target import Target
from hybridpress.target.thrift import IDL
from tests.end_to_end.test_other_servers import FILES as OTHERS
from tests.support import command
from tests.support.command import SCENARIOS

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]
FILES = sorted(set(SCENARIOS.glob("*.py")) - set(OTHERS.values()))
SIDES = {
    "grpc_unary": "grpc",
    "tcp_echo": "tcp",
    "thrift_calculator": "thrift",
    "udp_echo": "udp",
    "websocket_chat": "websocket",
}
"""Scenarios that press another port of the target than that of HTTP, and what it speaks there."""

SILENT = {"blocking_sdk", "multipart_upload"}
"""Scenarios whose exchanges are the affair of an SDK or of aiohttp: nothing is printed of them."""


def place(server: Target, file: Path) -> list[str]:
    """The arguments that lead *file* to *server*."""
    side = SIDES.get(file.stem)
    return ["--host", server.url] if side is None else ["--param", f"port={server.ports[side]}"]


@pytest.fixture
def own_target() -> Target:
    """A target that nobody else presses."""
    return Target(processes=2, sides=sorted(set(SIDES.values())))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_run(own_target: Target, file: Path, tmp_path: Path) -> None:
    """It holds its QPS without an error, every check holds, and the target counted what we counted."""
    with own_target:
        args = [*place(own_target, file), "--qps", "200", "--duration", "2s", "--concurrent", "8"]
        ran = command.run(file, *args, json_file=tmp_path / "r.json")
        counted = own_target.stats()
    found = ran.found
    assert ran.exit_code in (0, 3), ran.err
    assert found["errors"] == []
    assert found["iterations"]["completed"] == 400
    assert found["checks"]
    assert all(check["failed"] == 0 for check in found["checks"].values())
    n_start_requests = counted["paths"].get("/login", {}).get("200", 0)
    n_start_requests += counted["paths"].get("(WebSocket handshake)", {}).get("101", 0)
    n_exchanges = sum(s["count"] for s in found["steps"].values() if s["bytes_in"] or file.stem in SILENT)
    assert counted["requests"] == n_exchanges + n_start_requests


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_once(target: Target, file: Path) -> None:
    """--once prints the request, the reply and the checks of one iteration."""
    ran = command.run(file, *place(target, file), "--once")
    assert ran.exit_code == 0, ran.err
    if file.stem in SIDES:
        assert re.search(r"^> \S", ran.out, re.MULTILINE)
        assert re.search(r"^< \S", ran.out, re.MULTILINE)
    elif file.stem not in SILENT:
        assert re.search(r"^> (GET|POST) /\S* HTTP/1\.1$", ran.out, re.MULTILINE)
        assert "< HTTP/1.1 200 OK" in ran.out
    assert "✓ " in ran.out
    assert "iteration completed" in ran.out


def test_once_that_fails(target_url: str) -> None:
    """--once of an iteration that fails says why, and exits with 1."""
    ran = command.run(SCENARIOS / "http_get.py", "--host", target_url, "--param", "path=/status/503", "--once")
    assert ran.exit_code == 1
    assert "✗ status is 200" in ran.out
    assert "StatusError" in ran.out


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_script(target: Target, file: Path, tmp_path: Path) -> None:
    """It runs as a plain script too."""
    text = file.read_text().replace("http://127.0.0.1:8080", target.url).replace('duration="10s"', 'duration="1s"')
    if file.stem in SIDES:
        text = re.sub(r'(get\("port", )\d+', rf"\g<1>{target.ports[SIDES[file.stem]]}", text)
    for idl in SCENARIOS.glob("*.thrift"):
        (tmp_path / idl.name).write_text(idl.read_text())
    script = tmp_path / file.name
    script.write_text(text)
    for data in (path for path in SCENARIOS.iterdir() if path.suffix in {".csv", ".log"}):
        shutil.copy(data, tmp_path)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "100 planned, 100 started, 100 completed, 0 failed" in done.stdout


def test_what_is_lost_is_counted(tmp_path: Path) -> None:
    """Datagrams that do not come back are failures by that name, exactly as many as were lost; the others go on."""
    words = '[b"lose %d" % n if n % 4 == 0 else b"%d:" % n for n in range(100)]'
    script = tmp_path / "lossy.py"
    text = (SCENARIOS / "udp_echo.py").read_text().replace("timeout=0.5", "timeout=0.1")
    script.write_text(text + f"\n\nclass Lossy(UdpEcho):\n    def vocab(self):\n        return {words}\n")
    with Target(sides=["udp"]) as server:
        args = ["--param", f"port={server.ports['udp']}", "--draw", "once", "--qps", "200", "--concurrent", "20"]
        found = command.run(f"{script}:Lossy", *args, json_file=tmp_path / "r.json").found
        assert server.stats()["paths"]["(UDP datagram)"] == {"200": 100}
    assert found["iterations"]["completed"] == 75
    assert [(error["kind"], error["count"]) for error in found["errors"]] == [("DatagramLostError", 25)]
    assert (found["steps"]["question"]["count"], found["steps"]["question"]["failed"]) == (100, 25)


def test_the_idl_is_that_of_the_target() -> None:
    """What the scenario has beside it is what the target serves."""
    assert (SCENARIOS / "calculator.thrift").read_text() == IDL.read_text()


def test_demo(tmp_path: Path) -> None:
    """The demo presses its own target, and both count the same; it ends by naming the report that it wrote."""
    ran = command.finish(command.start("demo", "--duration", "1s", cwd=tmp_path))
    assert ran.exit_code in (0, 3), ran.err
    assert "The target counted 500 requests; hybridpress 500." in ran.out
    report = tmp_path / "hybridpress-demo.html"
    assert ran.out.rstrip().endswith(report.as_uri())
    assert b"status is 200" in report.read_bytes()


@pytest.mark.alone
def test_command_to_first_request(tmp_path: Path) -> None:
    """From the command to the first request it takes at most 0.8 s (median of five; the machine may be busy)."""
    with Target() as server:
        found = sorted(_first_request_after_s(server, tmp_path) for _ in range(5))
    assert found[2] <= 0.8, found


def _first_request_after_s(server: Target, directory: Path) -> float:
    """Press *server* with a scenario that notes the time of its first reply; how long after the command that was."""
    path = directory / "first.py"
    path.write_text(
        "import time\n"
        "from pathlib import Path\n"
        "from hybridpress import Press\n"
        "class First(Press):\n"
        "    async def press(self):\n"
        "        await self.http.get('/')\n"
        f"        Path({str(directory / 'at')!r}).write_text(str(time.monotonic()))\n"
    )
    began = time.monotonic()
    ran = command.run(path, "--host", server.url, "--iterations", "1", "--concurrent", "1")
    assert ran.exit_code == 0, ran.err
    return float((directory / "at").read_text()) - began
