"""The comparison in words: the sentence, the columns, what is left out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hybridpress.metrics.compare import TOTAL, Change, Comparison, Subject, compare
from hybridpress.metrics.limits import Judged, parse_limit
from hybridpress.report.comparison import comparison_text, sentence
from tests.report.made import HOSTILE, hostile_result, result_of

P99 = Change("p99", 100.0, 112.0, 3.0, is_real=True)
P50 = Change("p50", 10.0, 9.0, 0.4, is_real=True)
MEAN = Change("mean", 1.0, 2.0, 0.1, is_real=True)
P99_OF_A = "p99 of 'a' rose by 12.0 ms ± 3.00 ms (+12.0 %)"
NOISE = Change("p90", 50.0, 51.0, 2.0)


def comparison(*subjects: Subject, only_before: Sequence[str] = ()) -> Comparison:
    return Comparison(result_of(), result_of(), list(subjects), list(only_before))


@pytest.mark.parametrize(
    ("subjects", "text"),
    [
        ([Subject(TOTAL, [NOISE])], "No difference: what there is lies within the noise of these runs."),
        (
            [Subject(TOTAL, [NOISE]), Subject("query vm", [NOISE, P99])],
            "p99 of 'query vm' rose by 12.0 ms ± 3.00 ms (+12.0 %); the rest may be noise.",
        ),
        (
            [Subject(TOTAL, [P50, P99])],
            "p50 fell by 1.00 ms ± 400 µs (-10.0 %); p99 rose by 12.0 ms ± 3.00 ms (+12.0 %); the rest may be noise.",
        ),
        (
            [Subject(TOTAL, [MEAN, P99]), Subject("a", [P99])],
            f"mean rose by 1.00 ms ± 100 µs (+100.0 %); {P99_OF_A}; the rest may be noise.",
        ),
        (
            [Subject("a", [MEAN, NOISE, P99])],
            "p99 of 'a' rose by 12.0 ms ± 3.00 ms (+12.0 %), and so did mean; the rest may be noise.",
        ),
        (
            [Subject(TOTAL, [Change("qps", 1_000.0, 900.0, 5.0, is_real=True)])],
            "QPS fell by 100/s ± 5/s (-10.0 %); the rest may be noise.",
        ),
        (
            [Subject(TOTAL, [Change("failed", 0.0, 0.05, 0.01, is_real=True)])],
            "failures rose by 0.05 % ± 0.01 %; the rest may be noise.",
        ),
    ],
)
def test_the_sentence(subjects: list[Subject], text: str) -> None:
    """What is real, by step, the highest percentile first; the rest is not told one by one."""
    assert sentence(comparison(*subjects)) == text


def test_the_text() -> None:
    """Both runs, a table for each subject, the steps of one alone, the sentence, the limits."""
    found = comparison(Subject(TOTAL, [P99, NOISE]), Subject("vm", [Change("p50", 1.0, None)]), only_before=["old"])
    judged = [Judged(parse_limit("p99 +10%"), is_kept=False), Judged(parse_limit("p90 +1%"), is_kept=True, why="noise")]
    assert comparison_text(("a.json", "b.json"), found, judged).splitlines() == [
        "before  a.json: query.py:QueryVm, 5,000/s, 3s, 2030-01-01T00:00:00Z, valid",
        "after   b.json: query.py:QueryVm, 5,000/s, 3s, 2030-01-01T00:00:00Z, valid",
        "",
        "all iterations",
        "                   before        after       change       ± 95 %",
        "  p99              100 ms       112 ms     +12.0 ms      3.00 ms  rose +12.0 %",
        "  p90             50.0 ms      51.0 ms     +1.00 ms      2.00 ms",
        "step 'vm'",
        "                   before        after       change       ± 95 %",
        "  p50             1.00 ms            –            –            –",
        "only before: old",
        "",
        "p99 rose by 12.0 ms ± 3.00 ms (+12.0 %); the rest may be noise.",
        "✗ p99 +10%",
        "✓ p90 +1%  (noise)",
    ]


def test_many_steps_and_hostile_names() -> None:
    """Not more than twenty steps are shown, and no name takes over the terminal."""
    subjects = [Subject(f"step {k}", [NOISE]) for k in range(30)]
    assert "and 9 more steps" in comparison_text(("a", "b"), comparison(*subjects))
    text = comparison_text((HOSTILE, "b"), compare(hostile_result(), hostile_result()))
    assert "\x1b" not in text
