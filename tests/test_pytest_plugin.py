"""The fixture `press`, as tests elsewhere use it: in a pytest of its own."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridpress.metrics.result import ReasonResult, ThresholdResult
from hybridpress.pytest_plugin import problem_of
from hybridpress.target import Target
from tests.report.made import result_of

SCENARIO = """
from hybridpress import Press, check

class Hello(Press):
    concurrent = 4
    processes = 1

    async def press(self):
        reply = await self.http.get("/status/500" if self.params.get("bad") and self.slot % 2 else "/", name="hello")
        check(reply.status == 200, "status is 200")
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Target() as server:
        yield server.url


def pytest_of(folder: Path, test: str) -> subprocess.CompletedProcess[str]:
    """What pytest says of a file with the scenario and *test*."""
    (folder / "test_hello.py").write_text(SCENARIO + textwrap.dedent(test))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:xdist", "--rootdir", str(folder)]
    return subprocess.run(
        [*command, str(folder / "test_hello.py")], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.slow
def test_a_run_in_a_test(tmp_path: Path, url: str) -> None:
    """The scenario runs, by class, object and file, and the test gets the result."""
    (tmp_path / "hello.py").write_text(SCENARIO)
    found = pytest_of(
        tmp_path,
        f"""
        def test_class(press):
            result = press(Hello, "failed == 0", "p50 < 10s", host="{url}", qps=50, duration="400ms")
            assert result.iterations.started == result.iterations.completed == 20
            assert [threshold.passed for threshold in result.thresholds] == [True, True]

        def test_object(press):
            assert press(Hello(qps=100), host="{url}", iterations=5).steps["hello"].count == 5

        def test_file(press):
            assert press("hello.py:Hello", host="{url}", qps=50, iterations=5).iterations.completed == 5
        """,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "3 passed" in found.stdout


@pytest.mark.slow
def test_a_threshold_that_does_not_hold(tmp_path: Path, url: str) -> None:
    """The failure names each threshold with what was measured, and the errors; there is no traceback in it."""
    found = pytest_of(
        tmp_path,
        f"""
        def test_it(press):
            press(Hello, "failed < 1%", "p99 < 10s", host="{url}", qps=50, duration="400ms", param={{"bad": 1}})
        """,
    )
    assert found.returncode == 1
    assert "1 of 2 thresholds did not hold: test_hello.py:Hello, at 50/s for 400ms" in found.stdout
    assert "✗ failed < 1%  (50 %)" in found.stdout
    assert "✓ p99 < 10s  (" in found.stdout
    assert "10 × " in found.stdout
    assert "Traceback" not in found.stdout
    assert "pytest_plugin.py" not in found.stdout


@pytest.mark.slow
def test_what_cannot_run(tmp_path: Path, url: str) -> None:
    """A setting that cannot be used, and a server that is not there, fail the test in one sentence each."""
    found = pytest_of(
        tmp_path,
        f"""
        def test_setting(press):
            press(Hello, "p99 is good", host="{url}", qps="fast")

        def test_server(press):
            press(Hello, host="http://127.0.0.1:1", qps=10, duration="1s")
        """,
    )
    assert "2 failed" in found.stdout
    assert 'got "fast"' in found.stdout
    assert 'got "p99 is good"' in found.stdout
    assert "is the server up, and the address right?" in found.stdout
    assert "Traceback" not in found.stdout


@pytest.mark.slow
def test_its_start_costs_nothing(tmp_path: Path) -> None:
    """A pytest that does not ask for the fixture imports nothing of the package but this module."""
    (tmp_path / "test_hello.py").write_text(
        "import sys\n\n"
        "def test_it(request):\n"
        "    assert request.config.pluginmanager.has_plugin('hybridpress')\n"
        "    ours = {name for name in sys.modules if name.startswith('hybridpress')}\n"
        "    assert ours - {'hybridpress', 'hybridpress.pytest_plugin'} == set()\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", str(tmp_path / "test_hello.py")]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stdout


def test_an_invalid_run_fails_its_thresholds() -> None:
    """Thresholds that hold say nothing where the verdict is invalid; without thresholds nothing is judged."""
    held = [ThresholdResult("p99<50ms", 12.0, passed=True)]
    generator = dataclasses.replace(
        result_of().generator, verdict="invalid", reasons=[ReasonResult("late_starts", "late by 200 ms")]
    )
    assert problem_of(dataclasses.replace(result_of(), thresholds=held)) == ""
    assert problem_of(dataclasses.replace(result_of(), generator=generator)) == ""
    invalid = dataclasses.replace(result_of(), thresholds=held, generator=generator)
    assert problem_of(invalid).splitlines() == [
        "the times of this run say nothing of the server: query.py:QueryVm, at 5,000/s for 3s",
        "  ✓ p99<50ms  (12.0 ms)",
        "  verdict: invalid",
        "    late_starts: late by 200 ms",
    ]
