"""Results made by hand for pages: a long and lively run, and one whose every text tries to run as a script."""

from __future__ import annotations

import dataclasses

import numpy as np

from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, Health, Interval, StepCounts
from hybridpress.metrics.parts import PartCounts
from hybridpress.metrics.result import EventResult, Result, ThresholdResult
from tests.report.made import histogram_of, result_of, second

SCRIPTS = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "<!--<script>",
    "<img src=x onerror='window.hacked = 1'>",
    '"><svg onload=window.hacked=1>',
    "' onmouseover='window.hacked=1' x='",
    "javascript:window.hacked=1",
    "\u2028window.hacked=1\u2029//",
    "</title><script>window.hacked = 1</script>",
    "{{constructor.constructor('window.hacked=1')()}}",
]


def drawn(n: int, usual_ms: float, spread: float, seed: int) -> Histogram:
    """*n* times around *usual_ms*, with a long tail."""
    times_ms = np.random.default_rng(seed).lognormal(np.log(usual_ms), spread, n)
    histogram = Histogram()
    histogram.add((times_ms * 1e6).astype(np.int64))
    return histogram


def lively_result(n_seconds: int = 120, *, each: int = 500) -> Result:
    """A run whose rate, times, errors and generator move, with steps, parts, checks, thresholds and events."""
    intervals = [_second(k, n_seconds, each) for k in range(n_seconds)]
    result = result_of(
        intervals,
        target_qps=float(each),
        n_planned=sum(interval.started + interval.dropped for interval in intervals),
        events=[EventResult(n_seconds / 2 + 0.4, "worker_lost", "worker 1 (process 101) was killed by SIGKILL")],
    )
    targets = [float(interval.started + interval.dropped) for interval in intervals]
    seconds = [
        dataclasses.replace(told, target_qps=target) for told, target in zip(result.intervals, targets, strict=True)
    ]
    thresholds = [ThresholdResult("p99<200ms", 61.2, True), ThresholdResult("failed<0.1%", 1.4, False)]
    return dataclasses.replace(result, intervals=seconds, thresholds=thresholds)


def _second(k: int, n_seconds: int, each: int) -> Interval:
    wave = np.sin(6 * k / n_seconds)
    n = int(each * (1 + 0.4 * wave))
    is_slow = n_seconds / 2 <= k < n_seconds / 2 + n_seconds / 10
    response = drawn(n, 45.0 if is_slow else 8.0 + 3 * wave, 0.6, k)
    n_refused, n_timed_out = (n // 20, n // 40) if is_slow else (0, int(k % 9 == 0))
    n_failed = n_refused + n_timed_out
    return Interval(
        k,
        started=n,
        completed=n - n_failed,
        failed=n_failed,
        dropped=n // 30 if is_slow else 0,
        in_flight=int(n * (0.05 if is_slow else 0.01)),
        response=response,
        service=drawn(n, 30.0 if is_slow else 7.5 + 3 * wave, 0.5, k),
        lateness=drawn(n, 8.0 if is_slow else 0.05, 0.8, k),
        steps={
            name: StepCounts(n // share, n_failed // share, 900 * n, 300 * n, drawn(n // share, usual, 0.5, k))
            for name, share, usual in (("POST /vm/query", 1, 6.0), ("GET /vm", 2, 3.0), ("login", 10, 25.0))
        },
        parts={
            name: PartCounts(
                n // share, n // share - n_failed // share, n_failed // share, 0, drawn(n // share, 8, 0.6, k)
            )
            for name, share in (("QueryVm", 2), ("QueryEip", 4))
        },
        checks={
            "status is 200": CheckCounts(n - n_failed, n_failed),
            "reply is about the VM asked for": CheckCounts(n, 0),
        },
        errors={
            ("ConnectError", "connection refused: 10.0.0.7:8080"): ErrorCounts(n_refused, k * 10**9, "ConnectError"),
            ("Timeout", "no reply within 10 s"): ErrorCounts(n_timed_out, k * 10**9, "Traceback\n  press()\nTimeout"),
        }
        if n_failed
        else {},
        health=Health(
            drawn(40, 0.2 if not is_slow else 2.0, 0.5, k), cpu_ns=int((0.4 + 0.1 * wave) * 1e9), span_ns=10**9
        ),
    )


def hostile_result() -> Result:
    """Every text from outside is a script, or ends whatever may be around it."""
    interval = second(
        0,
        steps={text: StepCounts(5, 1, times=histogram_of(1)) for text in SCRIPTS},
        checks={text: CheckCounts(1, 1) for text in SCRIPTS},
        parts={text: PartCounts(5, 4, 1, 0, histogram_of(1)) for text in SCRIPTS},
        errors={(text, text): ErrorCounts(1, 0, f"{text}\n{text} again") for text in SCRIPTS},
    )
    all_of_it = " ".join(SCRIPTS)
    return dataclasses.replace(
        result_of([interval, second(1)], events=[EventResult(0.5, text, text) for text in SCRIPTS]),
        scenario=f"a.py:{all_of_it}",
        version=SCRIPTS[1],
        started_at=SCRIPTS[0],
        config={"host": SCRIPTS[3], SCRIPTS[0]: SCRIPTS[1], "param": {text: text for text in SCRIPTS}},
        thresholds=[ThresholdResult(text, None, False) for text in SCRIPTS],
    )


def hour_result() -> Result:
    """An hour at a rate and with times that fill their digits, made of some seconds over and over."""
    few = lively_result(20, each=2_000)
    numbers = np.random.default_rng(1)
    intervals = []
    for k in range(3_600):
        told = few.intervals[k % len(few.intervals)]
        factor = float(numbers.uniform(0.8, 1.25))
        times = {name: getattr(told, name) * factor for name in ("mean_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms")}
        intervals.append(dataclasses.replace(told, at_s=k, **times))
    return dataclasses.replace(few, intervals=intervals, duration_s=3_600.0)
