"""Lines of InfluxDB's protocol, read by a parser that takes what the protocol's reference allows, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.errors import HybridpressError
from hybridpress.metrics.interval import Interval, StepCounts
from hybridpress.report.influx import Influx, lines_of
from tests.report.made import HOSTILE, config_of, histogram_of, moment_of, second, steps
from tests.support.collector import Collector

_WORD = r"(?:[^ \n,=\\]|\\[,= ]|\\(?![,= ]))+"
_LINE = re.compile(rf"({_WORD})((?:,{_WORD}={_WORD})*) ({_WORD}=[-0-9.e]+i?(?:,{_WORD}=[-0-9.e]+i?)*) (\d+)")


def parsed(text: str) -> list[tuple[str, dict[str, str], dict[str, float]]]:
    """Name, tags and fields of each line."""
    found = []
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        match = _LINE.fullmatch(line)
        assert match is not None, line
        name, tags, fields, _ = match.groups()
        found.append((name, dict(_pairs(tags[1:])), {key: float(value.rstrip("i")) for key, value in _pairs(fields)}))
    return found


def _pairs(text: str) -> list[tuple[str, str]]:
    pairs = [re.split(r"(?<!\\)=", pair) for pair in re.split(r"(?<!\\),", text)]
    return [(key, re.sub(r"\\([,= ])", r"\1", value)) for key, value in pairs]


def test_a_second() -> None:
    """A line for the run and one for each step, with the figures of that second."""
    interval = second(3, steps=steps(2), response=histogram_of(1.0))
    found = parsed(lines_of(moment_of(interval, Interval(0), config_of()), "query.py:QueryVm", 123))
    assert [(name, tags.get("step")) for name, tags, _ in found] == [
        ("hybridpress", None), ("hybridpress_step", "step 0"), ("hybridpress_step", "step 1"),
    ]  # fmt: skip
    fields = found[0][2]
    assert (fields["started"], fields["failed"], fields["target_qps"], fields["slots"]) == (5_000, 10, 5_000, 64)
    assert fields["p99_ms"] == pytest.approx(1.0, rel=1e-3)
    assert found[2][2]["failed"] == 1


def test_nothing_was_measured() -> None:
    found = parsed(lines_of(moment_of(Interval(0), Interval(0), config_of(qps="")), "x", 1))
    assert found[0][2] == {"started": 0, "completed": 0, "failed": 0, "dropped": 0, "in_flight": 0, "slots": 64}


@given(st.text(max_size=20))
def test_any_name(name: str) -> None:
    """Whatever a step is called, its line is one, and another name is another tag."""
    names = [name, HOSTILE, "a=b, c\\", "\\"]
    interval = Interval(0, steps={each: StepCounts(1, 0, times=histogram_of(1.0)) for each in names})
    found = parsed(lines_of(moment_of(interval, interval, config_of()), name, 1))
    assert len(found) == 1 + len(set(names))


def test_a_server_that_refuses() -> None:
    """What it answered is told; the token of the environment goes with the request."""
    with Collector(404) as collector:
        with pytest.raises(HybridpressError, match="the server answered 404 Not Found: no such bucket"):
            Influx(f"{collector.url}/write", "x").send([b"a b=1 1\n"])
        assert collector.posted[0][:2] == ("/write", b"a b=1 1\n")


def test_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUX_TOKEN", "secret")
    with Collector() as collector:
        Influx(f"{collector.url}/api/v2/write", "x").send([b"a b=1 1\n", b"a b=2 2\n"])
        _, body, headers = collector.posted[0]
    assert headers["authorization"] == "Token secret"
    assert body == b"a b=1 1\na b=2 2\n"


def test_a_file(tmp_path: Path) -> None:
    """Lines are added at the end; what cannot be written is told."""
    place = tmp_path / "lines"
    place.write_text("old\n")
    Influx(str(place), "x").send([b"a b=1 1\n"])
    assert place.read_text() == "old\na b=1 1\n"
    with pytest.raises(HybridpressError, match=r"cannot write to .*: Is a directory"):
        Influx(str(tmp_path), "x").send([b""])
