"""Thresholds in whole runs: judged on what they name, shown with what was measured, and the exit code says so."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support import command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]

CLOUD = """
from hybridpress import MixedPress, Press, check

class QueryVm(Press):
    async def press(self):
        reply = await self.http.get("/json", name="query")
        check(reply.json()["total"] > 0, "there are VMs")

class QueryImage(Press):
    async def press(self):
        await self.http.get("/status/500", name="query")

class Cloud(MixedPress):
    parts = {QueryVm: 3, QueryImage: 1}
    threshold = ["p99 < 10s", "failed == 0"]
"""


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.py"
    path.write_text(CLOUD)
    return path


def thresholds(found: dict[str, Any]) -> dict[str, tuple[float | None, bool]]:
    return {each["expression"]: (each["value"], each["passed"]) for each in found["thresholds"]}


def test_on_whatever_they_name(cloud: Path, target_url: str, tmp_path: Path) -> None:
    """Totals, steps, parts and checks: each with its value in the result and in the summary; one failure makes 99."""
    wanted = [
        "p99 < 10s", "mean(QueryVm: query) < 10s", "p50(QueryVm)<10s", "service.p90<10s", "lateness.max < 10s",
        "failed < 30%", "failed(QueryImage) == 100", "failed(QueryVm)<1%", "failed(QueryImage: query) >= 100%",
        "dropped == 0", "dropped(QueryVm) == 0", "qps >= 399", "qps(QueryVm) >= 299", "qps(QueryImage: query) == 100",
        "check(QueryVm: there are VMs) >= 100%", "checks == 100%",
        "failed(QueryImage) < 1%", "p99(GET /nowhere) < 10s",
    ]  # fmt: skip
    args = [part for expression in wanted for part in ("--threshold", expression)]
    args += ["--host", target_url, "--qps", "400", "--duration", "1s", "--concurrent", "20", "--processes", "2"]
    ran = command.run(f"{cloud}:Cloud", *args, json_file=tmp_path / "r.json")
    assert ran.exit_code == 99, ran.err
    found = thresholds(ran.found)
    assert [expression for expression, (_, passed) in found.items() if not passed] == wanted[-2:]
    assert found["failed < 30%"] == (25.0, True)
    assert found["failed(QueryImage) < 1%"] == (100.0, False)
    assert found["qps(QueryVm) >= 299"] == (300.0, True)
    assert found["p99(GET /nowhere) < 10s"] == (None, False)
    assert ran.found["config"]["threshold"] == wanted
    assert "✗ failed(QueryImage) < 1%  (100 %)" in ran.out
    assert "✗ p99(GET /nowhere) < 10s  (never happened)" in ran.out
    assert "✓ dropped == 0  (0)" in ran.out
    [text] = [event["text"] for event in ran.found["events"] if event["kind"] == "threshold_not_measured"]
    assert text.startswith('p99(GET /nowhere) < 10s does not hold: step "GET /nowhere" never happened; there were "Q')
    assert "✗ failed(QueryImage) < 1% (100 %)" in ran.err, "a threshold that does not hold is shown each second"


def test_the_class_may_have_them(cloud: Path, target_url: str, tmp_path: Path) -> None:
    """They are a setting as any: on the class, or, stronger, on the command line."""
    args = [f"{cloud}:Cloud", "--host", target_url, "--iterations", "8", "--qps", "100", "--concurrent", "2"]
    ran = command.run(*args, json_file=tmp_path / "r.json")
    assert (ran.exit_code, thresholds(ran.found)["failed == 0"]) == (99, (2.0, False))
    ran = command.run(*args, "--threshold", "failed<=2", json_file=tmp_path / "r.json")
    assert (ran.exit_code, thresholds(ran.found)) == (0, {"failed<=2": (2.0, True)})


def test_one_that_fails_ends_the_run(cloud: Path, target_url: str, tmp_path: Path) -> None:
    """With --abort-on-fail a long run is over soon after its grace, drained, and told why."""
    args = ["--host", target_url, "--qps", "200", "--duration", "10m", "--concurrent", "4", "--processes", "2"]
    args += ["--threshold", "failed < 5%", "--abort-on-fail", "--abort-grace", "2s"]
    began = time.monotonic()
    ran = command.run(f"{cloud}:QueryImage", *args, json_file=tmp_path / "r.json")
    assert ran.exit_code == 1, "not one iteration completed: that is worse than a threshold"
    ran = command.run(f"{cloud}:Cloud", *args, json_file=tmp_path / "r.json")
    assert time.monotonic() - began < 30
    assert ran.exit_code == 99, ran.err
    found = ran.found
    assert 2 <= found["duration_s"] < 8
    n = found["iterations"]
    assert n["planned"] == n["started"] + n["dropped"]
    assert n["in_flight_at_end"] == 0
    [event] = [event for event in found["events"] if event["kind"] == "aborted"]
    assert re.match(r"failed is 2\d", event["text"])
    assert "failed < 5% does not hold" in event["text"]
    assert event["text"] in ran.err


def test_all_mistakes_at_once_and_nothing_is_sent(cloud: Path, target_url: str) -> None:
    """Wrong thresholds are told together with whatever else is wrong."""
    args = ["--host", target_url, "--threshold", "p99 < 200", "--threshold", "speed > 3", "--qps", "fast"]
    ran = command.run(f"{cloud}:QueryVm", *args, "--abort-grace", "3s")
    assert ran.exit_code == 2
    lines = ran.err.splitlines()
    assert 'hybridpress: --threshold must have a unit to its duration, such as "200ms", got "p99 < 200"' in lines
    assert any('max, mean, failed, dropped, qps or check(NAME), got "speed > 3"' in line for line in lines)
    assert any("--qps must be a rate" in line for line in lines)
    assert any("--abort-grace is for --abort-on-fail" in line for line in lines)
    ran = command.run(f"{cloud}:QueryVm", "--abort-on-fail", "--host", target_url)
    assert (ran.exit_code, "--abort-on-fail needs a threshold to fail" in ran.err) == (2, True)
    for scenario, way_out in (("QueryVm", "name none, or mix several presses"), ("Cloud", "the parts are QueryVm, Qu")):
        ran = command.run(f"{cloud}:{scenario}", "--threshold", "dropped(Eip) == 0", "--host", target_url)
        assert (ran.exit_code, way_out in ran.err) == (2, True), ran.err


def test_not_for_a_search(cloud: Path, target_url: str, tmp_path: Path) -> None:
    """A search has objectives of its own; those that the scenario has for its runs are not judged."""
    args = ["--host", target_url, "--slo", "failed<50%", "--settle", "1s", "--step", "1s", "--max-steps", "1"]
    refused = command.finish(command.start("search", f"{cloud}:Cloud", *args, "--threshold", "failed<1%"))
    assert refused.exit_code == 2
    assert "--threshold is not for a search: its objectives are those of --slo" in refused.err
    json_file = tmp_path / "r.json"
    command.finish(command.start("search", f"{cloud}:Cloud", *args, "--json", json_file, "--concurrent", "40"))
    assert json.loads(json_file.read_text())["thresholds"] == []


# --until


def test_a_run_until_it_is_known(cloud: Path, target_url: str, tmp_path: Path) -> None:
    """A run ends itself when its median is known well enough, and tells how well that is."""
    args = ["--host", target_url, "--qps", "200", "--concurrent", "10", "--processes", "2", "--threshold", "p50 < 9s"]
    args += ["--until", "p50 +-99%", "--until-min", "1s"]
    ran = command.run(f"{cloud}:QueryVm", *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    [event] = [event for event in ran.found["events"] if event["kind"] == "until_reached"]
    assert "the run is ended, as --until p50 +-99% says" in event["text"]
    assert "95 % confidence" in event["text"]
    assert 10 <= ran.found["duration_s"] < 60, "of fewer than ten seconds nothing is known"
    assert ran.found["config"]["duration"] == 300
    assert ran.found["config"]["until"] == "p50 +-99%"


def test_a_run_that_is_too_short_to_know(cloud: Path, target_url: str, tmp_path: Path) -> None:
    """--duration is the longest it goes: that it is not known then is told, and is no failure."""
    args = ["--host", target_url, "--qps", "100", "--duration", "1s", "--until", "p99 ±0.1%", "--until-min", "1s"]
    ran = command.run(f"{cloud}:QueryVm", *args, json_file=tmp_path / "r.json")
    assert ran.exit_code in (0, 3), ran.err
    [event] = [event for event in ran.found["events"] if event["kind"] == "until_not_reached"]
    assert event["text"] == "--until p99 ±0.1% was not reached: too little was measured"
    ran = command.run(f"{cloud}:QueryVm", *args, "--until", "p99 ±5ms", "--until-min", "9s")
    assert ran.exit_code == 2
    assert "--until must be a percentile or the mean" in ran.err
    assert "--until-min is longer than --duration" in ran.err
