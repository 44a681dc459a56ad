"""`hybridpress search` names the limit of a server whose limit is known, and never the generator's for the server's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import command, places
from tests.support.command import SCENARIOS

HTTP_GET = SCENARIOS / "http_get.py"
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]
QUICK = ["--settle", "1s", "--step", "1s", "--processes", "1"]


def search(json_file: Path, *args: str) -> tuple[command.Ran, dict[str, Any]]:
    process = command.start("search", HTTP_GET, "--json", json_file, *QUICK, *args)
    ran = command.finish(process)
    assert json_file.exists(), ran.err
    found: dict[str, Any] = json.loads(json_file.read_text())
    command.assert_lawful(found)
    return ran, found["search"]


@pytest.mark.alone
def test_a_known_limit(tmp_path: Path) -> None:
    """Eight places of 23 ms bear 347.8/s: that is found within the precision, and told with its reason."""
    with places.server(8, 23) as url:
        args = ["--host", url, "--slo", "p99<60ms", "--slo", "failed<0.1%", "--concurrent", "100", "--qps", "200"]
        ran, found = search(tmp_path / "r.json", *args)
    assert ran.exit_code == 0, ran.err
    assert found["qps"] == pytest.approx(8 / 0.023, rel=0.05)
    assert found["limit"] == "objective"
    assert all(step["kept"] for step in found["steps"] if step["qps"] < 0.95 * 8 / 0.023)
    assert not any(step["kept"] for step in found["steps"] if step["qps"] > 1.05 * 8 / 0.023)
    assert "highest QPS that keeps p99<60ms, failed<0.1%" in ran.out
    assert "objective: " in ran.out


def test_too_few_slots_are_not_the_servers_limit(tmp_path: Path) -> None:
    """Two slots of 23 ms deliver 87/s: the search says that it was the generator, and how many slots it takes."""
    with places.server(100, 23) as url:
        args = ["--host", url, "--slo", "p99<60ms", "--concurrent", "2", "--qps", "60", "--precision", "30%"]
        ran, found = search(tmp_path / "r.json", *args)
    assert ran.exit_code == 0, ran.err
    assert found["limit"] == "generator"
    assert 50 <= found["qps"] <= 90
    assert any("all 2 slots are busy: this latency needs about --concurrent" in step["why"] for step in found["steps"])
    assert "at least" in found["reason"]


def test_a_server_that_always_fails(target_url: str, tmp_path: Path) -> None:
    """When no rate keeps the objectives the exit code says so, and the answer is none."""
    args = ["--host", target_url, "--param", "path=/status/500", "--slo", "failed<1%", "--qps", "4", "--max-steps", "3"]
    ran, found = search(tmp_path / "r.json", *args)
    assert ran.exit_code in (1, 99), ran.err
    assert found["qps"] is None
    assert "no rate" in ran.out


def test_bad_usage_is_told_at_once(tmp_path: Path) -> None:
    """All that is wrong with the search, the settings and the load is told, and nothing is sent."""
    args = ["--slo", "p99<fast", "--slo", "speed>3", "--precision", "0", "--max-qps", "x", "--step", "1ms"]
    args += ["--duration", "3s", "--concurrent", "0"]
    ran = command.finish(command.start("search", HTTP_GET, *args))
    assert ran.exit_code == 2
    for words in (
        '--slo must compare a time with a duration such as "50ms", got "p99<fast"',
        "--slo must be about p50, p99.9, max, mean, failed, dropped, qps or check(NAME), got",
        '--precision must be from 0.1% to 100%, such as "5%", got "0"',
        "--max-qps must be a rate",
        '--step must be a duration of 1s or more, got "1ms"',
        "--duration is not for a search",
        "--concurrent must be a whole number",
    ):
        assert words in ran.err, ran.err
    assert "--slo must be given" in command.finish(command.start("search", HTTP_GET)).err
