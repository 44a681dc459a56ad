"""`hybridpress compare`: exit codes, refusals, the page."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from hybridpress.cli import cli
from hybridpress.errors import UsageError
from hybridpress.metrics.interval import Interval
from hybridpress.report.json import write_json
from tests.report.made import config_of, histogram_of, result_of


def write(path: Path, factor: float = 1.0, qps: float = 500.0) -> Path:
    """The file of a run of 12 s at 500/s, with response times around 20 ms times *factor*."""
    drawn = np.random.default_rng(int(factor * 10)).lognormal(3.0, 0.3, (12, 500)) * factor
    intervals = [Interval(k, 500, 500, response=histogram_of(*row)) for k, row in enumerate(drawn)]
    result = result_of(intervals, target_qps=qps, config=config_of(seed=1).as_settings())
    seconds = [dataclasses.replace(second, target_qps=qps) for second in result.intervals]
    write_json(dataclasses.replace(result, intervals=seconds), str(path))
    return path


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return write(tmp_path / "before.json")


@pytest.fixture
def after(tmp_path: Path) -> Path:
    return write(tmp_path / "after.json", 1.5)


def compare(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, ["compare", *map(str, args)])


def test_what_changed(before: Path, after: Path) -> None:
    """It is told, and is no failure without a limit."""
    ran = compare(before, after)
    assert ran.exit_code == 0
    assert "rose by" in ran.output
    assert "; the rest may be noise." in ran.output


def test_limits(before: Path, after: Path) -> None:
    """A limit that is broken exits with 99, one that is kept with 0; each is told."""
    broken = compare(before, after, "--fail-on", "p99 +10%", "--fail-on", "failed +1%")
    assert broken.exit_code == 99
    assert "✗ p99 +10%" in broken.output
    assert "✓ failed +1%" in broken.output
    assert compare(before, after, "--fail-on", "p99 +90%").exit_code == 0
    assert compare(after, before, "--fail-on", "p99 +10%").exit_code == 0


def test_more_than_two(before: Path, after: Path, tmp_path: Path) -> None:
    """Each later one is compared with the first; a page has them all, with the sentences on top."""
    page = tmp_path / "page.html"
    ran = compare(before, before, after, "--html", page)
    assert ran.exit_code == 0
    assert ran.output.count("all iterations") == 2
    assert "No difference" in ran.output
    html = page.read_text()
    assert "before.json (2)" in html
    assert "rose by" in html


def test_not_comparable(before: Path, tmp_path: Path) -> None:
    """Another rate is refused with both rates, unless it is forced."""
    other = write(tmp_path / "other.json", qps=600.0)
    ran = compare(before, other)
    assert isinstance(ran.exception, UsageError)
    assert f"{before} and {other}: another rate: 500/s and 600/s" in str(ran.exception)
    assert "--force compares all the same" in str(ran.exception)
    assert compare(before, other, "--force").exit_code == 0


def test_bad_usage(before: Path, tmp_path: Path) -> None:
    """All mistakes are told at once: too few results, no result, no limit."""
    (tmp_path / "cut.json").write_bytes(before.read_bytes()[:500])
    ran = compare(tmp_path / "cut.json", "--fail-on", "p99 > 3")
    assert isinstance(ran.exception, UsageError)
    assert [mistake.partition(":")[0][:30] for mistake in ran.exception.mistakes] == [
        "there must be two results or m",
        "--fail-on must be a change suc",
        f'the result "{tmp_path}'[:30],
    ]
