"""The page of a run and the page that starts runs, as commands: what is pressed, who lives how long, what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from hybridpress.web.address import TOKEN
from tests.support import command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]
SCENARIO = command.SCENARIOS / "http_get.py"
PATIENCE_S = 20.0
T = TypeVar("T")


def until(look: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
    """What *look* finds, once it is something."""
    until_s = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < until_s, "it did not come to that"
        time.sleep(0.02)
    return found


class Page:
    """The page of a command, as a program sees it."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url, _, self.token = url.partition("?token=")

    def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers), timeout=10) as reply:
            return reply.read()

    def post(self, path: str, body: Any) -> dict[str, Any]:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                found: dict[str, Any] = json.loads(reply.read())
        except urllib.error.HTTPError as error:
            found = json.loads(error.read())
        return found

    def story(self) -> dict[str, Any]:
        """What a viewer who comes now is told first, by the names of the frames."""
        found: dict[str, Any] = {}
        with urllib.request.urlopen(self.url + "events", timeout=10) as reply:
            while "page" not in found or (found["page"]["run"] and "events" not in found):
                event = reply.readline().decode().strip().removeprefix("event: ")
                found[event] = json.loads(reply.readline().decode().removeprefix("data: "))
                reply.readline()
        return found

    def run(self) -> dict[str, Any]:
        return self.story()["page"]["run"] or {"state": "idle"}

    def wait_for(self, state: str) -> dict[str, Any]:
        return until(lambda: found if (found := self.run())["state"] == state else None)

    def wait_for_exit(self) -> dict[str, Any]:
        return until(lambda: found if (found := self.run()).get("exit_code") is not None else None)


@contextmanager
def started(*args: str | Path) -> Iterator[Page]:
    """A command with a page; ended, if it still lives."""
    process = command.start(*args)
    try:
        stream = process.stdout if args[0] == "ui" else process.stderr
        assert stream is not None
        line = stream.readline()
        assert "http://" in line, line + (stream.read() if process.poll() is not None else "")
        yield Page(process, next(word for word in line.replace(";", "").split() if word.startswith("http://")))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        process.communicate()


def test_a_run_with_a_page(target_url: str, tmp_path: Path) -> None:
    """The page shows the run, changes it, and ends with it; the run is what it is without one."""
    file = tmp_path / "result.json"
    with started(
        "run", SCENARIO, "--host", target_url, "--qps", "200", "--duration", "1h", "--ui", "0", "--json", file
    ) as page:
        run = page.wait_for("pressing")
        assert run["facts"]["load"].startswith("200/s over 10 slots")
        assert page.post("start", {"settings": {}})["ok"] is False
        until(lambda: len(page.story()["history"]["points"]) >= 2)
        assert page.post("command", {"command": "qps", "value": "300"})["text"] == "qps 200 → 300"
        assert page.post("command", {"command": "pause"})["ok"]
        page.wait_for("paused")
        assert page.post("command", {"command": "resume"})["ok"]
        page.wait_for("pressing")
        assert page.post("command", {"command": "stop"})["text"] == "stopped"
        ran = command.finish(page.process, file)
    assert ran.exit_code in (0, 3)
    n = ran.found["iterations"]
    assert n["planned"] == n["started"] + n["dropped"]  # what was due in the moment of the stop is dropped
    assert n["started"] == n["completed"]
    assert [event["text"] for event in ran.found["events"]] == ["qps 200 → 300", "paused", "resumed", "stopped"]
    with pytest.raises(urllib.error.URLError):
        page.get("")


def test_the_option_alone(tmp_path: Path) -> None:
    """Without a value it is the usual address; where that is not to be had, it is told before anything is sent."""
    ran = command.finish(command.start("run", SCENARIO, "--host", "http://127.0.0.1:1", "--ui", "scenario.py"))
    assert ran.exit_code == 2
    assert 'must be a port such as "8089"' in ran.err
    assert "write it last" in ran.err
    ran = command.finish(command.start("run", SCENARIO, "--host", "http://127.0.0.1:1", "--duration", "1s", "--ui"))
    assert ran.exit_code == 2
    assert "http://127.0.0.1:8089/" in ran.err or "--ui 127.0.0.1:8089: cannot listen there" in ran.err


def test_a_page_that_stays(target_url: str) -> None:
    """With --ui-stay it outlives the run, and has its result, until Ctrl-C; the exit code is the run's."""
    with started(
        "run", SCENARIO, "--host", target_url, "--iterations", "50", "--ui", "0", "--ui-stay", "--quiet"
    ) as page:
        run = page.wait_for("over")
        assert run["result"]["iterations"]["started"] == 50
        assert json.loads(page.get("result.json"))["iterations"]["completed"] == 50
        assert b"<!DOCTYPE html>" in page.get("report.html")[:100]
        assert page.post("command", {"command": "stop"}) == {"ok": False, "text": "the load is over"}
        time.sleep(0.2)
        assert page.process.poll() is None
        page.process.send_signal(signal.SIGINT)
        assert page.process.wait(PATIENCE_S) == 0


def test_a_page_that_dies_is_no_run_that_dies(target_url: str, tmp_path: Path) -> None:
    """The run goes on, says once that its page is gone, and loses nothing."""
    file = tmp_path / "result.json"
    with started(
        "run", SCENARIO, "--host", target_url, "--qps", "200", "--duration", "2s", "--ui", "0", "--json", file
    ) as page:
        page.wait_for("pressing")
        (server,) = [
            child for child in psutil.Process(page.process.pid).children() if "hybridpress.web" in child.cmdline()
        ]
        server.kill()
        ran = command.finish(page.process, file)
    assert ran.found["iterations"]["completed"] == 400
    (event,) = [event for event in ran.found["events"] if event["kind"] == "output_failed"]
    assert "the process of the live page is gone" in event["text"]


def test_a_run_that_is_killed_takes_its_page_along(target_url: str) -> None:
    """However a run ends, nothing of it stays behind."""
    with started("run", SCENARIO, "--host", target_url, "--duration", "1h", "--ui", "0") as page:
        page.wait_for("pressing")
        family = psutil.Process(page.process.pid).children(recursive=True)
        page.process.kill()
        page.process.wait()
        assert not psutil.wait_procs(family, timeout=10)[1]


def test_other_addresses_are_given_a_token(target_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is printed with the address, also where nothing else is; without it the page says nothing."""
    monkeypatch.delenv(TOKEN, raising=False)
    args = ["--host", target_url, "--duration", "1h", "--ui", "0.0.0.0:0", "--quiet"]
    with started("run", SCENARIO, *args) as page:
        assert len(page.token) >= 32
        assert b"<title>hybridpress</title>" in page.get("")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            page.story()


def test_runs_from_a_page(target_url: str, tmp_path: Path) -> None:
    """Nothing is sent before Start; then runs follow one another, each with its own settings and result, and a scenario
    that was edited in between is the edited one.
    """
    scenario = tmp_path / "edited.py"
    text = """
from hybridpress import Press

class Edited(Press):
    async def press(self):
        await self.http.get("/", name="{}")
"""
    scenario.write_text(text.format("first"))
    with started("ui", scenario, "--host", target_url, "--qps", "100", "--ui", "0") as page:
        assert page.run()["state"] == "idle"
        fields = {field["name"]: field["value"] for field in page.story()["page"]["form"]}
        assert (fields["host"], fields["qps"], fields["duration"]) == (target_url, "100", "")
        assert page.post("command", {"command": "stop"}) == {"ok": False, "text": "no run is under way"}
        for number, name in enumerate(("first", "second"), 1):
            scenario.write_text(text.format(name))
            settings = {"host": target_url, "iterations": str(20 * number), "concurrent": "5"}
            assert page.post("start", {"settings": settings})["ok"]
            assert not page.post("start", {"settings": settings})["ok"]
            run = page.wait_for_exit()
            assert (run["number"], run["exit_code"], run["mistakes"]) == (number, 0, [])
            assert f"--iterations={20 * number}" in run["command"]
            found = json.loads(page.get("result.json"))
            assert found["iterations"]["started"] == found["iterations"]["completed"] == 20 * number
            assert list(found["steps"]) == [name]


def test_what_is_wrong_with_a_start_is_told(target_url: str, tmp_path: Path) -> None:
    """All mistakes at once, in the command's words; the page is ready for the next try."""
    with started("ui", SCENARIO, "--host", target_url, "--ui", "0") as page:
        assert page.post("start", {"settings": {"qps": "fast", "duration": "soon"}})["ok"]
        run = page.wait_for_exit()
        assert (run["state"], run["exit_code"], run["result"]) == ("over", 2, None)
        assert [mistake.split(" must")[0] for mistake in run["mistakes"]] == ["--qps", "--duration"]
        assert page.post("start", {"settings": {"json": str(tmp_path / "x")}})["mistakes"] == [
            '"json" cannot be set from the page'
        ]
        assert page.post("start", {"settings": {"host": target_url, "iterations": "5"}})["ok"]
        assert page.wait_for_exit()["exit_code"] == 0


def test_a_bad_scenario_opens_no_page() -> None:
    """As every command says so, with 2."""
    ran = command.finish(command.start("ui", "no-such-file.py", "--ui", "0"))
    assert (ran.exit_code, ran.out) == (2, "")


def test_ctrl_c_ends_the_run_then_the_page(target_url: str) -> None:
    """The run drains and its results count; then the page ends."""
    with started("ui", SCENARIO, "--host", target_url, "--ui", "0") as page:
        assert page.post("start", {"settings": {"host": target_url, "duration": "1h"}})["ok"]
        page.wait_for("pressing")
        page.process.send_signal(signal.SIGINT)
        out, _ = page.process.communicate(timeout=PATIENCE_S)
        assert page.process.returncode == 0
        assert "over, exit code 130" in out


def test_a_page_that_is_killed_ends_its_run(target_url: str) -> None:
    """A run that nobody can see or stop any more is not left pressing."""
    with started("ui", SCENARIO, "--host", target_url, "--ui", "0") as page:
        assert page.post("start", {"settings": {"host": target_url, "duration": "1h"}})["ok"]
        page.wait_for("pressing")
        family = psutil.Process(page.process.pid).children(recursive=True)
        assert len(family) > 2
        os.kill(page.process.pid, signal.SIGKILL)
        page.process.wait()
        assert not psutil.wait_procs(family, timeout=15)[1]
