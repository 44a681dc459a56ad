"""Servers whose times follow from arithmetic: the percentiles measured are the true ones.

How the tolerance was chosen, and what is done where the machine is disturbed, stands in `tests/truth/runs.py`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.truth import laws
from tests.truth.runs import PERCENTS, assert_true, press

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.usefixtures("no_stray_processes")]


@pytest.mark.parametrize("delay_ms", [30, 100])
def test_fixed_delays(tmp_path: Path, delay_ms: int) -> None:
    """Each answer takes so long: so does every percentile, of response and of service time."""
    make = partial(press, tmp_path, "fixed", {"ms": delay_ms}, "--qps", "300", "--concurrent", "60", "--duration", "3s")
    truth = dict.fromkeys(PERCENTS, float(delay_ms))
    found = assert_true(make, {"response_time_ms": truth, "service_time_ms": truth})
    assert found.n_asked == 900


@pytest.mark.parametrize(("n_slow", "p90_ms"), [(2, 30.0), (3, 120.0)])
def test_two_points(tmp_path: Path, n_slow: int, p90_ms: float) -> None:
    """Of 25 answers two are slow, 8 %: p90 is a fast one; three, 12 %: it is a slow one. Nothing lies between."""
    arguments = {"fast_ms": 30, "slow_ms": 120, "n_slow": n_slow, "of": 25}
    make = partial(press, tmp_path, "two_points", arguments, "--qps", "250", "--concurrent", "80", "--duration", "4s")
    assert_true(make, {"response_time_ms": {50: 30.0, 90: p90_ms, 99: 120.0}})


def test_a_rising_delay(tmp_path: Path) -> None:
    """From 30 to 130 ms over the run: percentile p is 30 + p ms, and each second is slower than the one before."""
    arguments = {"from_ms": 30, "to_ms": 130, "over": 1_000}
    make = partial(press, tmp_path, "rising", arguments, "--qps", "200", "--concurrent", "60", "--duration", "5s")
    found = assert_true(make, {"response_time_ms": {percent: 30.0 + percent for percent in PERCENTS}})
    medians = [second.p50_ms for second in found.result.intervals[:5]]
    assert None not in medians
    assert medians == sorted(medians, key=lambda ms: ms or 0.0)


def test_one_percent_of_errors(tmp_path: Path) -> None:
    """One of 100 answers is an error: so many are counted failed, to the last one. Their times count, too."""
    arguments = {"ms": 30, "every": 100}
    make = partial(press, tmp_path, "errors", arguments, "--qps", "300", "--concurrent", "40", "--duration", "3s")
    truth = dict.fromkeys(PERCENTS, 30.0)
    found = assert_true(make, {"response_time_ms": truth})
    assert (found.result.iterations.failed, found.result.iterations.completed, found.n_asked) == (9, 891, 900)
    assert found.result.response_time_ms.count == 900
    assert ("StatusError", 9) in [(error.kind, error.count) for error in found.result.errors]


def test_half_closed_connections(tmp_path: Path) -> None:
    """A server that says of every tenth connection that it sends no more: nothing fails, nothing is asked twice, and
    the times are the server's, with a new connection for one in ten.
    """
    arguments = {"ms": 50, "every": 10}
    make = partial(press, tmp_path, "half_closed", arguments, "--qps", "200", "--concurrent", "40", "--duration", "3s")
    found = assert_true(make, {"response_time_ms": dict.fromkeys(PERCENTS, 50.0)})
    assert (found.result.iterations.completed, found.n_asked, found.result.errors) == (600, 600, [])


def test_a_freeze(tmp_path: Path) -> None:
    """A server that stands still for 2 s of 10: by arithmetic one request in five is due meanwhile, and waits. Response
    time tells that (p90 is more than 1 s); service time, which counts from the start, sees the four requests of the
    four slots, less than one in 100, and puts p99 where nothing was ever slow.
    """
    qps, n_slots, delay_s = 50, 4, 0.04
    due = np.arange(10 * qps) / qps
    response, service = laws.frozen(due, delay_s, n_slots, 4.0, 6.0)
    of_response = {float(percent): 1e3 * laws.percentile(response, percent) for percent in PERCENTS}
    of_service = {float(percent): 1e3 * laws.percentile(service, percent) for percent in (50, 90, 95, 99.9)}
    assert of_response[90] > 1_000
    arguments = {"ms": 40, "after_s": 4.0, "for_s": 2.0}
    words = ["--qps", str(qps), "--concurrent", str(n_slots), "--duration", "10s"]
    truths = {"response_time_ms": of_response, "service_time_ms": of_service}
    found = assert_true(partial(press, tmp_path, "frozen", arguments, *words), truths)
    # Of 500 the 99th percentile is next to the slowest that was not frozen: that is what it must be, as late as it was.
    p99_ms = found.result.service_time_ms.p99
    assert p99_ms is not None
    assert p99_ms < 80
