"""pytest's plugin: the fixture `press` runs a scenario in a test, and fails the test when a threshold does not hold.

pytest imports this module at each start, so that it imports nothing of the package until a test asks for the fixture.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from hybridpress.metrics.result import Result
    from hybridpress.press import Press


class Presser:
    """What the fixture `press` gives: call it with a scenario to run it."""

    def __call__(
        self, scenario: type[Press] | Press | str | os.PathLike[str], *thresholds: str, **settings: Any
    ) -> Result:
        """Run *scenario*, a class, an object, or "FILE[:Class]", and return the result.

            def test_query(press):
                result = press(Query, "p99 < 50ms", "failed < 0.1%", host="http://10.0.0.7", qps=100, duration="5s")
                assert result.iterations.failed == 0

        *thresholds* are those of `--threshold`, *settings* any of `hybridpress run`, with underscores. The test fails,
        with all thresholds and what was measured for them, when one does not hold; and when the verdict on a run with
        thresholds is invalid, because its times say nothing of the server. It fails, too, when the run breaks or a
        setting cannot be used.
        """
        from hybridpress.errors import EXIT_BROKEN, EXIT_INTERRUPTED, HybridpressError, InterruptedRunError
        from hybridpress.run import execute
        from hybridpress.scenario import load

        if thresholds:
            given = settings.get("threshold", ())
            settings["threshold"] = [*thresholds, *([given] if isinstance(given, str) else given)]
        try:
            if isinstance(scenario, str | os.PathLike):
                scenario = load(os.fspath(scenario))
            finished = execute(scenario() if isinstance(scenario, type) else scenario, settings)
        except InterruptedRunError:
            raise KeyboardInterrupt from None
        except HybridpressError as error:
            _fail(str(error))
        if finished.exit_code == EXIT_INTERRUPTED:
            raise KeyboardInterrupt
        if finished.exit_code == EXIT_BROKEN:
            _fail(f"the run broke: {finished.complaint}")
        if problem := problem_of(finished.result):
            _fail(problem)
        return finished.result


def problem_of(result: Result) -> str:
    """What of *result* fails a test, in words; empty: nothing."""
    from hybridpress.metrics.thresholds import told_value
    from hybridpress.units import format_count, format_duration

    n_broken = sum(not threshold.passed for threshold in result.thresholds)
    is_invalid = result.generator.verdict == "invalid"
    if not result.thresholds or not (n_broken or is_invalid):
        return ""
    rate = "unpaced" if result.qps.target is None else f"at {format_count(result.qps.target)}/s"
    run = f"{result.scenario}, {rate} for {format_duration(result.duration_s)}"
    lines = [f"{n_broken} of {len(result.thresholds)} thresholds did not hold: {run}"]
    if is_invalid:
        lines[0] = f"the times of this run say nothing of the server: {run}"
    lines += [f"  {'✓' if each.passed else '✗'} {each.expression}  ({told_value(each)})" for each in result.thresholds]
    lines.append(f"  verdict: {result.generator.verdict}")
    lines += [f"    {reason.code}: {reason.text}" for reason in result.generator.reasons]
    lines += [f"  {format_count(error.count)} × {error.kind}: {error.message}" for error in result.errors[:3]]
    return "\n".join(lines)


def _fail(why: str) -> NoReturn:
    pytest.fail(why, pytrace=False)


@pytest.fixture
def press() -> Presser:
    """Runs a scenario in this test: `press(Query, "p99 < 50ms", qps=100, duration="5s")` returns the Result.

    The test fails when a threshold does not hold.
    """
    return Presser()
