"""What a run over several nodes does as one on one machine does: words, slots, mixes, live control, search, its end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.cluster.boxes import N_NODES, Boxes, Start
from tests.support import command
from tests.support.command import SCENARIOS
from tests.support.nginx import Nginx

pytestmark = [pytest.mark.slow, pytest.mark.ray, pytest.mark.timeout(150)]

NOTES = """
from pathlib import Path
from hybridpress import Press
from beside import line


class Notes(Press):
    def vocab(self):
        return list(range(90))

    async def press(self, word):
        await self.http.get("/", name="get")
        with Path(self.params["folder"], f"{self.worker}.txt").open("a") as file:
            file.write(line(self.slot, word))


class Plain(Press):
    async def press(self):
        await self.http.get("/", name="plain")


class Prepared(Press):
    vocab = [1, 2, 3]

    def prepare(self, word):
        return word * 2

    async def press(self, word):
        assert word in (2, 4, 6)
        return await self.http.get("/")

    def verify(self, word, reply):
        assert reply.status == 200
"""
Press = Callable[..., command.Ran]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A scenario that notes the words it is given, with a module beside it."""
    folder = tmp_path / "scenario"
    folder.mkdir()
    (folder / "notes.py").write_text(NOTES)
    (folder / "beside.py").write_text('def line(slot, word):\n    return f"{slot} {word}\\n"\n')
    (tmp_path / "seen").mkdir()
    return folder / "notes.py"


@pytest.fixture
def press(boxes: Boxes, nginx: Nginx, tmp_path: Path) -> Press:
    """Runs over all nodes; what was sent is what nginx counted."""

    def press(*args: str | Path) -> command.Ran:
        before = nginx.n_requests()
        common = ["--host", nginx.url, "--cluster", boxes.address]
        ran = command.run(*args, *common, json_file=tmp_path / "r.json")
        if ran.result is not None:
            assert nginx.n_requests() - before == ran.result["iterations"]["started"]
        return ran

    return press


def seen_in(folder: Path) -> dict[int, list[tuple[int, int]]]:
    """What each worker noted: slots and words."""
    found = {}
    for file in folder.iterdir():
        lines = [line.split() for line in file.read_text().splitlines()]
        found[int(file.stem)] = [(int(slot), int(word)) for slot, word in lines]
    return found


def of_notes(notes: Path, *args: str) -> list[str]:
    return [f"{notes}:Notes", "--param", f"folder={notes.parent.parent / 'seen'}", "--processes", "2", *args]


def test_each_word_once(press: Press, notes: Path) -> None:
    """--draw once: every word is drawn once, over all nodes, and the run is over."""
    ran = press(*of_notes(notes, "--draw", "once", "--concurrent", "12", "--qps", "300"))
    assert ran.exit_code in (0, 3), ran.err
    seen = seen_in(notes.parent.parent / "seen")
    assert sorted(word for pairs in seen.values() for _, word in pairs) == list(range(90))
    assert sorted(seen) == list(range(2 * N_NODES))
    assert {len(pairs) for pairs in seen.values()} == {15}
    assert [event["kind"] for event in ran.found["events"]] == ["words_used"]


def test_words_by_parts(press: Press, notes: Path) -> None:
    """--draw partitioned: a word belongs to one worker of one node."""
    ran = press(*of_notes(notes, "--draw", "partitioned", "--qps", "400", "--duration", "1s", "--concurrent", "12"))
    assert ran.exit_code in (0, 3), ran.err
    for worker, pairs in seen_in(notes.parent.parent / "seen").items():
        assert {word for _, word in pairs} == set(range(15 * worker, 15 * worker + 15))


def test_a_word_a_slot(press: Press, notes: Path) -> None:
    """--draw per_slot: slot numbers go on from node to node, and each slot has the word of its number."""
    ran = press(*of_notes(notes, "--draw", "per_slot", "--iterations", "1200", "--concurrent", "20"))
    assert ran.exit_code in (0, 3), ran.err
    pairs = [pair for found in seen_in(notes.parent.parent / "seen").values() for pair in found]
    assert {slot for slot, _ in pairs} == set(range(20))
    assert all(slot == word for slot, word in pairs)
    assert len(pairs) == 1200


@pytest.mark.parametrize("pace", [[], ["--qps", "1500", "--arrivals", "poisson"]])
def test_iterations_are_exact(press: Press, notes: Path, pace: list[str]) -> None:
    """--iterations starts exactly so many over all nodes, paced and unpaced."""
    ran = press(f"{notes}:Plain", "--iterations", "1000", "--concurrent", "7", *pace)
    n = ran.found["iterations"]
    assert (ran.exit_code in (0, 3), n["started"], n["completed"], n["dropped"]) == (True, 1000, 1000, 0), ran.err
    assert [node["slots"] for node in ran.found["nodes"]] == [3, 2, 2]
    assert len(ran.found["workers"]) == N_NODES


def test_a_mix(press: Press, notes: Path) -> None:
    """Parts of a mix have their shares of what starts over all nodes."""
    args = [
        "--qps",
        "500",
        "--duration",
        "2s",
        "--concurrent",
        "12",
        "--param",
        f"folder={notes.parent.parent / 'seen'}",
    ]
    ran = press(f"{notes}:Plain=7", f"{notes}:Notes=3", *args)
    assert ran.exit_code in (0, 3), ran.err
    parts = ran.found["parts"]
    assert parts["Plain"]["started"] + parts["Notes"]["started"] == 1000
    assert abs(parts["Plain"]["started"] - 700) <= N_NODES


def test_thresholds(press: Press, notes: Path, tmp_path: Path) -> None:
    """They are judged once, on what all nodes did; and the report is of all of it."""
    html = tmp_path / "r.html"
    args = ["--qps", "300", "--duration", "2s", "--concurrent", "9", "--html", html]
    ran = press(f"{notes}:Plain", *args, "--threshold", "p99(plain) < 1us", "--threshold", "qps >= 299")
    assert ran.exit_code == 99, ran.err
    slow, rate = ran.found["thresholds"]
    assert (slow["passed"], rate["passed"]) == (False, True)
    assert slow["value"] == ran.found["steps"]["plain"]["response_time_ms"]["p99"]
    assert html.exists()


def test_cpu_work(press: Press, notes: Path) -> None:
    """prepare() and verify() run in CPU workers of each node."""
    args = ["--qps", "100", "--duration", "1s", "--concurrent", "6", "--cpu-workers", "1"]
    ran = press(f"{notes}:Prepared", *args)
    assert ran.exit_code in (0, 3), ran.err
    tier = ran.found["cpu_tier"]
    assert (tier["workers"], tier["verified"], tier["verify_failed"]) == (N_NODES, 100, 0)
    assert ran.found["iterations"]["completed"] == 100


def control(process: subprocess.Popen[str], *words: str) -> str:
    """What `hybridpress ctl` says."""
    args = [sys.executable, "-m", "hybridpress", "ctl", *words, "--pid", str(process.pid)]
    done = subprocess.run(args, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout + done.stderr


def test_live_control(boxes: Boxes, nginx: Nginx, start: Start, tmp_path: Path) -> None:
    """QPS and slots are changed on all nodes while the run goes on; a pause pauses all of them, and a stop ends it."""
    json_file = tmp_path / "r.json"
    process = start("--qps", "300", "--concurrent", "9", "--duration", "60s")
    try:
        boxes.wait_until_pressing(2)
        time.sleep(3)
        assert "300 → 900" in control(process, "qps", "900")
        assert "9 → 15" in control(process, "slots", "15")
        time.sleep(2.5)
        assert "paused" in control(process, "pause")
        time.sleep(0.5)
        seen = nginx.n_requests()
        time.sleep(0.5)
        assert nginx.n_requests() == seen
        assert "resumed" in control(process, "resume")
        time.sleep(1)
        assert "slots      15" in control(process, "status")
        assert "stopped" in control(process, "stop")
    finally:
        ran = command.finish(process, json_file)
    assert ran.exit_code in (0, 3), ran.err
    n = ran.found["iterations"]
    assert (n["lost"], n["in_flight_at_end"]) == (0, 0)
    # What became due while the order to stop was on its way to the nodes: a fifth of a second's at most.
    assert n["dropped"] <= 180
    assert any(abs(second["started"] - 900) <= 9 for second in ran.found["intervals"])
    kinds = Counter(event["kind"] for event in ran.found["events"])
    assert kinds["control"] == 5


def test_ctrl_c(boxes: Boxes, start: Start, tmp_path: Path) -> None:
    """Ctrl-C once: all nodes drain, and the result is written."""
    json_file = tmp_path / "r.json"
    process = start("--qps", "300", "--concurrent", "9", "--duration", "60s")
    boxes.wait_until_pressing(2)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    ran = command.finish(process, json_file)
    assert ran.exit_code == 130
    n = ran.found["iterations"]
    assert n["completed"] == n["started"] > 0
    boxes.wait_until_idle()


def test_a_worker_that_is_killed(boxes: Boxes, start: Start, tmp_path: Path) -> None:
    """Its node has a fresh one in its place; the plan is held, but for what was lost with it."""
    json_file = tmp_path / "r.json"
    args = ["--qps", "300", "--concurrent", "12", "--processes", "2", "--duration", "8s"]
    process = start(*args)
    box = boxes.wait_until_pressing(2)[0]
    time.sleep(3.5)
    box.workers()[0].kill()
    ran = command.finish(process, json_file)
    assert ran.exit_code in (0, 3), ran.err
    kinds = [event["kind"] for event in ran.found["events"]]
    assert kinds[:2] == ["worker_lost", "worker_replaced"]
    n = ran.found["iterations"]
    assert n["planned"] == n["started"] + n["dropped"] == 2400
    assert n["dropped"] <= 30
    assert sum(node["lost"] for node in ran.found["nodes"]) == n["lost"] <= 2
    assert [worker["restarts"] for worker in ran.found["workers"]].count(1) == 1
    assert [node["state"] for node in ran.found["nodes"]] == ["ok"] * N_NODES


@pytest.mark.alone
def test_a_search(boxes: Boxes, nginx: Nginx, tmp_path: Path) -> None:
    """A search drives all nodes."""
    json_file = tmp_path / "r.json"
    common = ["--host", nginx.url, "--cluster", boxes.address, "--json", str(json_file), "--concurrent", "12"]
    steps = ["--slo", "failed<1%", "--qps", "200", "--max-qps", "400", "--settle", "1s", "--step", "1s"]
    process = command.start("search", SCENARIOS / "http_get.py", *common, *steps)
    ran = command.finish(process, json_file, patience_s=100)
    assert ran.exit_code == 0, ran.err
    assert ran.found["search"]["qps"] == 400
    assert [node["state"] for node in ran.found["nodes"]] == ["ok"] * N_NODES


def test_what_cannot_be(boxes: Boxes, nginx: Nginx) -> None:
    """What stands against a run on all nodes is told once, before anything is sent."""
    args = ["--host", "http://127.0.0.1:9", "--cluster", boxes.address, "--nodes", "2"]
    ran = command.run(SCENARIOS / "http_get.py", *args)
    assert ran.exit_code == 2
    assert ran.err.count("is the server up, and the address right?") == 1, ran.err


def test_where_there_is_no_cluster(free_port: int) -> None:
    """An address where nobody answers is told at once."""
    args = ["--host", "http://127.0.0.1:9", "--cluster", f"127.0.0.1:{free_port}"]
    ran = command.run(SCENARIOS / "http_get.py", *args)
    assert ran.exit_code == 2
    assert f"--cluster 127.0.0.1:{free_port}: no Ray cluster answers there" in ran.err


def test_a_scenario_that_nodes_cannot_make(boxes: Boxes, nginx: Nginx, tmp_path: Path) -> None:
    """What a scenario lacks on the nodes is told, with the line that lacks it."""
    (tmp_path / "needy.py").write_text(
        "import os\nfrom hybridpress import Press\n\n\nclass Needy(Press):\n    def vocab(self):\n"
        f"        return [open({str(tmp_path / 'only')!r} + str(os.getppid())).read()]\n\n"
        "    async def press(self, word):\n        pass\n"
    )
    ran = command.run(tmp_path / "needy.py", "--host", nginx.url, "--cluster", boxes.address)
    assert ran.exit_code == 2
    assert "Needy.vocab() raised FileNotFoundError" in ran.err


def test_on_one_machine(nginx: Nginx, tmp_path: Path) -> None:
    """local:2 starts a cluster of its own, and nothing is left of it."""
    before = {process.pid for process in psutil.process_iter()}
    args = ["--cluster", "local:2", "--qps", "200", "--concurrent", "4", "--duration", "2s"]
    ran = command.run(SCENARIOS / "http_get.py", "--host", nginx.url, *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    assert ran.found["iterations"]["completed"] == 400
    assert len(ran.found["nodes"]) == 2
    assert "starting a Ray cluster of 2 nodes" in ran.err + ran.out
    left = [p for p in psutil.process_iter(["name", "cmdline"]) if p.pid not in before and "raylet" in p.info["name"]]
    assert not left
