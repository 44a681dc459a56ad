"""The judge: thresholds second by second and at the end, and which of them ends a run."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from hybridpress.config import Layer, RunConfig
from hybridpress.coordinator.judge import Judge
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import Interval


def judge(**given: Any) -> Judge:
    return Judge(RunConfig.build("made.py:Made", [Layer(given, lambda name: name)]))


def interval(*ms: float, failed: int = 0, index: int = 0) -> Interval:
    response = Histogram()
    response.add(np.array([int(each * 1e6) for each in ms], dtype=np.int64))
    return Interval(index, started=len(ms), completed=len(ms) - failed, failed=failed, response=response)


def second(found: Judge, elapsed_s: float, total: Interval) -> None:
    """Another second, of which *total* is all there is."""
    found.second(elapsed_s, total, total)


def test_it_stands_after_each_second() -> None:
    """Thresholds are judged over all that there is so far; before there is anything, none holds."""
    found = judge(threshold=["p99 < 50ms", "qps >= 3"])
    assert [(each.value, each.passed) for each in found.standing] == [(None, False), (None, False)]
    second(found, 1.0, interval(10, 20, 30))
    assert [each.passed for each in found.standing] == [True, True]
    second(found, 2.0, interval(10, 20, 60))
    assert [(each.expression, each.passed) for each in found.standing] == [("p99 < 50ms", False), ("qps >= 3", False)]
    assert found.standing[1].value == 1.5
    assert found.ending(2.0) is None


def test_a_threshold_ends_the_run_after_its_grace() -> None:
    """Not in the first seconds; then the event names it with its value, and so does the result whatever comes after."""
    found = judge(threshold=["p99 < 50ms", "failed == 0"], abort_on_fail=True, abort_grace="3s")
    second(found, 2.0, interval(60))
    assert found.ending(2.0) is None
    second(found, 3.0, interval(10, 10))
    assert found.ending(3.0) is None
    second(found, 4.0, interval(60))
    ending = found.ending(4.0)
    assert ending is not None
    kind, text = ending
    assert kind == "aborted"
    assert text == "p99 is 60.0 ms after 4s: the run is ended, as p99 < 50ms does not hold (--abort-on-fail)"
    at_the_end = found.thresholds(interval(*[10] * 500), 4.5)
    assert [(each.expression, each.passed) for each in at_the_end] == [("p99 < 50ms", False), ("failed == 0", True)]
    assert at_the_end[0].value == 60.0


def test_what_was_not_measured_ends_nothing() -> None:
    """A step that is still to come may come; at the end, that it never did is told."""
    found = judge(threshold="p99(GET /late) < 50ms", abort_on_fail=True, abort_grace="0s")
    second(found, 30.0, interval(60))
    assert found.ending(30.0) is None
    assert [(each.value, each.passed) for each in found.thresholds(interval(60), 30.0)] == [(None, False)]
    [text] = found.not_measured(interval(60))
    assert text == 'p99(GET /late) < 50ms does not hold: step "GET /late" never happened; there was none'


# --until


def test_it_ends_when_the_figure_is_known_well_enough() -> None:
    """Not before its least time; the event says the interval reached."""
    found = judge(until="p50 ±5%", until_min="12s", duration="60s")
    for n in range(1, 14):
        found.second(float(n), interval(*np.linspace(18, 22, 400)), Interval(0))
        ending = found.ending(float(n))
        assert (ending is None) is (n < 12), n
        if ending is not None:
            break
    assert ending is not None
    assert ending[0] == "until_reached"
    assert re.fullmatch(
        r"p50 is 20\.0 ms \(95 % confidence: 1\d\.\d ms to 20\.\d ms, ±\d(\.\d+)?%\) after 12s: the run is ended, as "
        r"--until p50 ±5% says",
        ending[1],
    )
    assert found.until_missed() is None


def test_what_is_not_known_well_enough_is_told() -> None:
    """At the end of a run that was too short: how well the figure is known, or that it is not at all."""
    found = judge(until="p99(GET /) ±1%")
    assert found.until_missed() == "--until p99(GET /) ±1% was not reached: too little was measured"
    found = judge(until="p99 ±1%")
    for n in range(1, 31):
        found.second(float(n), interval(*np.random.default_rng(n).lognormal(0, 1, 40)), Interval(0))
        assert found.ending(float(n)) is None
    told = str(found.until_missed())
    assert re.fullmatch(r"--until p99 ±1% was not reached: p99 is .+ ms \(95 % confidence: .+ to .+ ms, ±\d\d%\)", told)
    assert judge().until_missed() is None


def test_a_failing_threshold_comes_first() -> None:
    """Where both would end the run, it is the threshold that did."""
    found = judge(until="p50 ±90%", threshold="p50 < 1ms", abort_on_fail=True, duration="60s")
    for n in range(1, 12):
        found.second(float(n), interval(*np.linspace(18, 22, 400)), interval(20))
    ending = found.ending(11.0)
    assert ending is not None
    assert ending[0] == "aborted"
