"""The QPS asked for is the QPS that the server sees, to the iteration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import command
from tests.support.command import SCENARIOS
from tests.support.nginx import Nginx

HTTP_GET = SCENARIOS / "http_get.py"
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]


def press(nginx: Nginx, json_file: Path, *args: str) -> tuple[command.Ran, int]:
    """Run http_get.py against *nginx*; also how many requests nginx counted meanwhile."""
    before = nginx.n_requests()
    ran = command.run(HTTP_GET, "--host", nginx.url, *args, json_file=json_file)
    return ran, nginx.n_requests() - before


@pytest.mark.alone
def test_five_thousand_a_second_for_ten_seconds(nginx: Nginx, tmp_path: Path) -> None:
    """5,000/s over two workers start 50,000 within 0.05 %, without errors, and nginx counted the same."""
    args = ["--qps", "5000", "--concurrent", "64", "--processes", "2", "--duration", "10s"]
    ran, n_seen = press(nginx, tmp_path / "r.json", *args)
    n = ran.found["iterations"]
    assert ran.exit_code in (0, 3), ran.err  # 3: on a machine too busy for it the verdict is "invalid", the counts hold
    assert abs(n["started"] - 50_000) <= 25
    assert ran.found["errors"] == []
    assert n["completed"] == n["started"] == n_seen


@pytest.mark.parametrize(
    ("args", "n_planned"),
    [
        (["--qps", "0.5", "--duration", "4s"], 2),
        (["--qps", "7", "--duration", "3s"], 21),
        (["--qps", "333", "--duration", "2s"], 666),
        (["--qps", "7", "--duration", "2s", "--processes", "3", "--concurrent", "7"], 14),
        (["--qps", "1000", "--duration", "1500ms", "--processes", "3", "--concurrent", "7"], 1500),
        (["--qps", "100", "--iterations", "150"], 150),
        (["--qps", "100.5", "--duration", "2s"], 201),
    ],
)
def test_plans_are_exact(nginx: Nginx, tmp_path: Path, args: list[str], n_planned: int) -> None:
    """Below saturation exactly what was planned is started, at odd rates and with slots dealt unevenly too."""
    ran, n_seen = press(nginx, tmp_path / "r.json", *args)
    n = ran.found["iterations"]
    assert (n["planned"], n["started"], n["completed"], n_seen) == (n_planned,) * 4
    assert ran.found["qps"]["target"] == float(args[1])


@pytest.mark.parametrize("n_asked", [1, 7, 1000])
@pytest.mark.parametrize("pace", [[], ["--qps", "2000"]])
def test_iterations_are_exact(nginx: Nginx, tmp_path: Path, n_asked: int, pace: list[str]) -> None:
    """--iterations starts exactly so many, paced and unpaced, fewer than slots too."""
    args = ["--iterations", str(n_asked), "--processes", "2", "--concurrent", "10", *pace]
    ran, n_seen = press(nginx, tmp_path / "r.json", *args)
    n = ran.found["iterations"]
    assert (n["planned"], n["started"], n["completed"], n_seen) == (n_asked,) * 4
    assert ran.exit_code in (0, 3), ran.err


def test_unpaced_counts_agree_with_the_server(nginx: Nginx, tmp_path: Path) -> None:
    """As fast as it can: every request that nginx counted is counted here, to the last one."""
    ran, n_seen = press(nginx, tmp_path / "r.json", "--duration", "1s", "--concurrent", "32", "--processes", "2")
    n = ran.found["iterations"]
    assert n["completed"] == n["started"] == n_seen > 100
    assert ran.found["qps"]["target"] is None
    assert ran.found["lateness_ms"]["max"] == 0


def test_a_plan_beyond_the_peak(target_url: str, tmp_path: Path) -> None:
    """Ten slots of 100 ms start at most 100/s: what was due and not started is told, and why."""
    args = ["--host", target_url, "--param", "path=/delay/100", "--qps", "200", "--concurrent", "10"]
    ran = command.run(HTTP_GET, *args, "--duration", "2s", json_file=tmp_path / "r.json")
    n = ran.found["iterations"]
    assert n["planned"] == 400 == n["started"] + n["dropped"]
    assert 250 <= n["started"] <= 310, "2 s, and the second that a late plan gets more"
    # A machine that others use too may add reasons of its own
    assert "slots_exhausted" in [reason["code"] for reason in ran.found["generator"]["reasons"]]
    assert ran.found["response_time_ms"]["p50"] > 3 * ran.found["service_time_ms"]["p50"], "the wait shows"
