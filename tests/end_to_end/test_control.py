"""A run can be changed while it runs, by a socket that is its user's alone, and every change is in the result."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from hybridpress import control
from tests.end_to_end import stamps
from tests.support import command

SCENARIO = Path(stamps.__file__)
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]


class Live:
    """A run under way, its socket, and where its stamps go."""

    def __init__(self, tmp_path: Path, *args: str, scenario: Path = SCENARIO) -> None:
        self.socket = tmp_path / "control"
        self.json_file = tmp_path / "result.json"
        self.folder = tmp_path / "stamps"
        self.folder.mkdir()
        self.process: subprocess.Popen[str] = command.start(
            "run", scenario, "--param", f"folder={self.folder}", "--processes", "2", "--control", self.socket,
            "--json", self.json_file, *args,
        )  # fmt: skip
        self.wait_for(lambda status: status["phase"] == "pressing" and status["elapsed_s"] > 0)

    def send(self, words: str) -> dict[str, Any]:
        reply = control.send(self.socket, words)
        assert reply["ok"], reply
        return reply

    def wait_for(self, is_so: Callable[[dict[str, Any]], bool], patience_s: float = 10) -> dict[str, Any]:
        """Ask until its status is so."""
        until_s = time.monotonic() + patience_s
        while time.monotonic() < until_s:
            status: dict[str, Any] = control.send(self.socket, "status")["status"] if self.socket.is_socket() else {}
            if status and is_so(status):
                return status
            time.sleep(0.01)
        raise AssertionError(f"it did not come to that: {self.process.poll()}")

    def finish(self) -> dict[str, Any]:
        ran = command.finish(self.process, self.json_file)
        assert ran.exit_code in (0, 3), ran.err
        return ran.found


@pytest.mark.alone
def test_a_rate_takes_effect_at_once(tmp_path: Path) -> None:
    """`qps` is in force within 0.3 s, and no iteration is lost or doubled by it."""
    live = Live(tmp_path, "--qps", "200", "--duration", "3s", "--concurrent", "10")
    live.wait_for(lambda status: status["elapsed_s"] >= 1)
    asked_ns = time.monotonic_ns()
    live.send("qps 2000")
    found = live.finish()
    n = found["iterations"]
    started = stamps.read(live.folder)
    assert n["planned"] == n["started"] == n["completed"] == len(started)
    after = [sum(asked_ns + k * 10**8 <= at < asked_ns + (k + 1) * 10**8 for at in started) for k in range(3, 10)]
    assert all(190 <= count <= 210 for count in after), after
    assert [(event["kind"], event["text"]) for event in found["events"]] == [("control", "qps 200 → 2,000")]


def test_a_thousand_changes_lose_nothing(tmp_path: Path) -> None:
    """However often the rate changes, what was planned is started, once."""
    live = Live(tmp_path, "--qps", "500", "--duration", "4s", "--concurrent", "10")
    for k in range(1_000):
        live.send(f"qps {400 + 37 * k % 800}")
    found = live.finish()
    n = found["iterations"]
    assert n["planned"] == n["started"] + n["dropped"]
    assert n["started"] == n["completed"] == len(stamps.read(live.folder))
    assert sum(event["kind"] == "control" for event in found["events"]) == 1_000


def test_a_worker_that_is_stopped_holds_nobody_up(tmp_path: Path) -> None:
    """More orders than a pipe holds wait for it; all else goes on, and when it does too it has them all."""
    live = Live(tmp_path, "--qps", "500", "--duration", "10s", "--concurrent", "10")
    (spawner,) = psutil.Process(live.process.pid).children()
    stopped = spawner.children()[0]
    stopped.suspend()
    for k in range(1_500):
        live.send(f"qps {400 + 37 * k % 800}")
    time.sleep(2)
    stopped.resume()
    live.send("qps 300")
    found = live.finish()
    n = found["iterations"]
    assert [worker["restarts"] for worker in found["workers"]] == [0, 0]
    assert n["planned"] == n["started"] + n["dropped"]
    assert n["dropped"] <= 100, "the other had its share"
    assert n["started"] == n["completed"] == len(stamps.read(live.folder))
    assert n["lost"] == 0
    assert sum(event["kind"] == "control" for event in found["events"]) == 1_501
    assert {event["kind"] for event in found["events"]} <= {"control", "saturation", "beyond_the_plan"}


def test_stopped_while_due_times_are_handed_over(tmp_path: Path) -> None:
    """A worker is behind, and is asked for what waits, while the run is ended: what then is on its way to another, or
    finds nobody, is told as dropped, though the plan of a run that is cut short says nothing of it.
    """
    scenario = tmp_path / "slow.py"
    scenario.write_text(
        "import asyncio\nfrom hybridpress import Press\n\n\nclass Slow(Press):\n    async def press(self):\n"
        "        await asyncio.sleep(0.5 if self.worker else 0.001)\n"
    )
    n_dropped = 0
    for k in range(5):
        (folder := tmp_path / f"{k}").mkdir()
        live = Live(folder, "--qps", "1000", "--duration", "1h", "--concurrent", "10", scenario=scenario)
        time.sleep(0.3 + 0.07 * k)
        live.send("stop")
        n, load_s = (found := live.finish())["iterations"], found["duration_s"]
        print(n, load_s)
        n_dropped += n["dropped"]
        # Each worker had its end when it heard of it.
        assert abs(n["started"] + n["dropped"] - 1_000 * load_s) <= 20
    assert n_dropped > 0


def test_the_coordinator_stands_still(tmp_path: Path) -> None:
    """For some seconds it neither hears nor says anything. The workers keep the pace; nothing is lost or told twice."""
    live = Live(tmp_path, "--qps", "1000", "--duration", "6s", "--concurrent", "10")
    os.kill(live.process.pid, signal.SIGSTOP)
    time.sleep(3.5)
    os.kill(live.process.pid, signal.SIGCONT)
    found = live.finish()
    n = found["iterations"]
    assert (n["planned"], n["started"] + n["dropped"], n["lost"]) == (6_000, 6_000, 0)
    assert n["started"] == n["completed"] == len(stamps.read(live.folder))
    assert sum(second["started"] for second in found["intervals"]) == n["started"]
    assert [second["at_s"] for second in found["intervals"][:6]] == list(range(6))
    assert n["dropped"] <= 100, "the workers needed nobody"


@pytest.mark.parametrize("pace", [["--qps", "500"], []], ids=["paced", "unpaced"])
def test_a_pause(tmp_path: Path, pace: list[str]) -> None:
    """In a pause nothing starts, and the time that was left is still to come."""
    live = Live(tmp_path, "--duration", "1500ms", "--concurrent", "4", *pace)
    live.wait_for(lambda status: status["elapsed_s"] >= 0.5)
    live.send("pause")
    time.sleep(0.15)
    assert live.wait_for(lambda status: status["phase"] == "paused")
    paused_ns = time.monotonic_ns()
    time.sleep(0.6)
    resumed_ns = time.monotonic_ns()
    live.send("resume")
    found = live.finish()
    started = stamps.read(live.folder)
    assert not [at for at in started if paused_ns < at < resumed_ns]
    assert [at for at in started if at > resumed_ns]
    assert 2.0 <= found["duration_s"] <= 3.0
    n = found["iterations"]
    if pace:
        assert n["planned"] == n["started"] == n["completed"] == pytest.approx(750, abs=5)
    assert [event["text"] for event in found["events"]] == ["paused", "resumed"]


def test_more_and_fewer_slots(tmp_path: Path) -> None:
    """Slots are made and start while the run goes on, and others leave; the counts stay whole."""
    live = Live(tmp_path, "--duration", "2s", "--concurrent", "4")
    live.send("slots 40")
    assert live.send("status")["status"]["slots"] == 40
    live.send("slots -50%")
    live.send("slots 3")
    live.send("slots 7")
    found = live.finish()
    n = found["iterations"]
    assert n["started"] == n["completed"] == len(stamps.read(live.folder)) > 100
    assert [event["text"] for event in found["events"]][:2] == ["slots 4 → 40", "slots 40 → 20"]


def test_stop(tmp_path: Path) -> None:
    """`stop` ends the run as if its plan ended there: what has begun is waited for, and the results are written."""
    live = Live(tmp_path, "--qps", "300", "--duration", "1h", "--concurrent", "4")
    live.wait_for(lambda status: status["started"] > 100)
    live.send("stop")
    found = live.finish()
    n = found["iterations"]
    assert n["started"] == n["completed"] == len(stamps.read(live.folder))
    assert n["planned"] == n["started"] + n["dropped"]
    # What was due just then and had not begun: on a machine at its ease nothing.
    assert n["dropped"] <= 30


def test_who_may_and_what_may_be_said(tmp_path: Path) -> None:
    """The socket is for its user alone; what is no command is refused with the way out, and changes nothing."""
    live = Live(tmp_path, "--duration", "1h", "--concurrent", "4")
    assert stat.S_IMODE(live.socket.stat().st_mode) == 0o600
    said = {words: control.send(live.socket, words) for words in ("qps 5", "fly", "slots x", "slots", "resume", "")}
    assert not any(reply["ok"] for reply in said.values())
    assert said["qps 5"]["text"] == "the run is unpaced: it has a number of slots, but no rate; start it with --qps"
    assert "there are qps RATE, slots N" in said["fly"]["text"]
    live.send("stop")
    assert [event["text"] for event in live.finish()["events"]] == ["stopped"]
    assert not live.socket.exists()


def ctl(*words: str | Path) -> command.Ran:
    return command.finish(command.start("ctl", *words))


def test_the_command(tmp_path: Path) -> None:
    """`hybridpress ctl` sends a command, prints what was done, and where the run is."""
    live = Live(tmp_path, "--qps", "100", "--duration", "1h", "--concurrent", "4")
    assert ctl("qps", "200", "--control", live.socket).out == "qps 100 → 200\n"
    assert ctl("qps", "-50%", "--control", live.socket).out == "qps 200 → 100\n"
    status = ctl("status", "--pid", str(live.process.pid), "--control", live.socket)
    assert (status.exit_code, status.err) == (2, "hybridpress: --pid and --control exclude each other; give one\n")
    assert "slots      4\n" in ctl("status", "--control", live.socket).out
    refused = ctl("qps", "fast", "--control", live.socket)
    assert (refused.exit_code, refused.out) == (2, "")
    assert 'qps must be a rate such as "500", "2.5k" or "500/s", got "fast"' in refused.err
    assert ctl("stop", "--control", live.socket).out == "stopped\n"
    live.finish()
    gone = ctl("status", "--control", live.socket)
    assert gone.exit_code == 1
    assert "no run answers at" in gone.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["fly"], '"fly" is not a command; there are qps, slots, pause'),
        (["qps"], "ctl qps needs a RATE"),
        (["pause", "now"], 'ctl pause takes nothing after it, got "now"'),
    ],
)
def test_commands_that_are_none(words: list[str], told: str) -> None:
    """Bad usage is told before any run is looked for."""
    ran = ctl(*words)
    assert ran.exit_code == 2
    assert told in ran.err


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="becoming another user needs root")
def test_another_user_cannot_steer(tmp_path: Path) -> None:
    """Not even where the socket was put in an open folder and left open itself."""
    live = Live(tmp_path, "--qps", "20", "--duration", "2s", "--concurrent", "4")
    with tempfile.TemporaryDirectory() as open_folder:
        Path(open_folder).chmod(0o755)
        door = Path(open_folder) / "door"
        live.socket.chmod(0o666)
        os.link(live.socket, door)
        program = (
            "import contextlib, socket, sys\n"
            "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
            "with contextlib.suppress(BrokenPipeError): s.sendall(b'stop\\n')\n"
            "print(s.makefile().readline())"
        )
        ran = subprocess.run(
            ["/usr/bin/env", "python3", "-c", program, str(door)],
            check=False,
            capture_output=True,
            text=True,
            user=65534,
            group=65534,
            extra_groups=[],
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
        )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {"ok": False, "text": "this run is another user's"}
    assert live.finish()["iterations"]["completed"] == 40
