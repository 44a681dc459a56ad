"""Result.load: what was written comes back, and what is not a result is refused in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from hybridpress import Result
from hybridpress.errors import EXIT_USAGE, UsageError
from hybridpress.metrics.histogram import Histogram
from hybridpress.metrics.interval import CheckCounts, ErrorCounts
from hybridpress.metrics.result import EventResult, Times
from hybridpress.report.json import encode, write_json
from tests.report.made import result_of, second, steps


def whole_result() -> Result:
    """One that has something everywhere."""
    interval = second(
        0,
        steps=steps(5),
        checks={"ok": CheckCounts(3, 1)},
        errors={("ConnectError", "refused"): ErrorCounts(2, 0, "refused: h:1")},
    )
    return result_of([interval, second(1), second(2)], events=[EventResult(0.5, "interrupted", "interrupted")])


def test_there_and_back(tmp_path: Path) -> None:
    """A result that was written is loaded as it was."""
    result = whole_result()
    path = tmp_path / "result.json"
    write_json(result, str(path))
    assert Result.load(path) == result
    assert Result.load(str(path)).to_dict() == result.to_dict()


def test_the_histograms() -> None:
    """Those of the run are in full; each second has its own, and those of its most frequent steps."""
    result = whole_result()
    assert result.histograms is not None
    assert Times.of(Histogram.decode(result.histograms.response)) == result.response_time_ms
    assert Times.of(Histogram.decode(result.histograms.service)) == result.service_time_ms
    assert Times.of(Histogram.decode(result.histograms.lateness)) == result.lateness_ms
    assert Times.of(Histogram.decode(result.histograms.loop_lag)) == result.generator.loop_lag_ms
    for name, step in result.steps.items():
        assert Times.of(Histogram.decode(result.histograms.steps[name])) == step.response_time_ms
    total = Histogram()
    for interval in result.intervals:
        assert interval.histogram is not None
        total.merge(Histogram.decode(interval.histogram))
    assert total == Histogram.decode(result.histograms.response)
    assert [list(interval.step_histograms) for interval in result.intervals] == [
        ["step 0", "step 1"], [], [],
    ]  # fmt: skip


def test_an_older_file() -> None:
    """A file of this schema from before a field was added is a result: the field says that nothing is known."""
    found = whole_result().to_dict()
    del found["histograms"]
    for interval in found["intervals"]:
        del interval["histogram"], interval["step_histograms"]
    del found["response_time_ms"]["over_range"]
    old = load_of(orjson.dumps(found))
    assert (old.histograms, old.intervals[0].histogram) == (None, None)
    assert old.intervals[0].p99_ms == whole_result().intervals[0].p99_ms


def test_a_newer_file() -> None:
    """What is not known is passed over."""
    result = whole_result()
    found = result.to_dict() | {"new": 1}
    found["qps"]["new"] = {"a": []}
    assert load_of(orjson.dumps(found)) == result


def load_of(data: bytes) -> Result:
    from hybridpress.metrics.reading import result_of

    return result_of(data, "r.json")


def changed(path: str, value: Any) -> bytes:
    found: Any = orjson.loads(encode(whole_result()))
    *way, last = path.split(".")
    at = found
    for key in way:
        at = at[int(key)] if isinstance(at, list) else at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return orjson.dumps(found)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", '"r.json" is not a result of hybridpress (run --json): it is not JSON'),
        (b"\x89PNG", '"r.json" is not a result of hybridpress (run --json): it is not JSON'),
        (b"[1]", '"r.json" is not a result of hybridpress (run --json): it has no "schema" of "hybridpress.result/1"'),
        (b'{"schema": "k6/1"}', 'it has no "schema" of "hybridpress.result/1"'),
        (b'{"schema": "hybridpress.result/2"}', 'has the schema "hybridpress.result/2", and this version of'),
        (encode(whole_result())[:900], 'the result "r.json" is cut off or damaged: unexpected end of data'),
        (changed("qps", None), 'the result "r.json" is damaged: "qps" is missing'),
        (changed("iterations.started", "9"), '"iterations.started" should be a whole number'),
        (changed("iterations.started", True), '"iterations.started" should be a whole number'),
        (changed("steps.step 0.response_time_ms", []), '"steps.step 0.response_time_ms" should be an object'),
        (changed("intervals", {}), '"intervals" should be a list'),
        (changed("intervals.1.at_s", 0.5), '"intervals[1].at_s" should be a whole number'),
        (changed("response_time_ms.max", "x"), '"response_time_ms.max" should be a number'),
    ],
)
def test_not_a_result(data: bytes, message: str) -> None:
    """One message each that names the file and what is wrong with it."""
    with pytest.raises(UsageError) as raised:
        load_of(data)
    assert message in str(raised.value)
    assert raised.value.exit_code == EXIT_USAGE
    assert len(raised.value.mistakes) == 1


@pytest.mark.parametrize("name", ["missing.json", ".", "a\0b"])
def test_not_a_file(name: str, tmp_path: Path) -> None:
    """What cannot be read is named."""
    with pytest.raises(UsageError, match="cannot read the result"):
        Result.load(tmp_path / name)
