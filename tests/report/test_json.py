"""The result's file: the keys of the contract, whole or not at all."""

from __future__ import annotations

import dataclasses
import math
import os
import stat
import threading
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from hybridpress.errors import EXIT_BROKEN, HybridpressError
from hybridpress.metrics.interval import CheckCounts, ErrorCounts, StepCounts
from hybridpress.metrics.result import EventResult
from hybridpress.report.json import encode, write_json
from tests.report.made import histogram_of, result_of, second, steps

TIMES = {"count", "min", "mean", "stddev", "p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max", "over_range"}
KEYS: dict[str, set[str]] = {
    "": {
        "schema", "version", "scenario", "config", "started_at", "duration_s", "iterations", "qps",
        "response_time_ms", "service_time_ms", "lateness_ms", "steps", "parts", "checks", "errors", "intervals",
        "workers", "cpu_tier", "generator", "thresholds", "events",
        "histograms", "versions",
    },
    "iterations": {"planned", "started", "completed", "failed", "dropped", "lost", "in_flight_at_end"},
    "qps": {"target", "achieved", "error_pct", "peak"},
    "response_time_ms": TIMES,
    "service_time_ms": TIMES,
    "lateness_ms": TIMES,
    "steps.step 0": {"count", "failed", "bytes_in", "bytes_out", "response_time_ms", "resent"},
    "steps.step 0.response_time_ms": TIMES,
    "checks.ok": {"passed", "failed"},
    "errors.0": {"kind", "message", "count", "first_at_s", "example"},
    "intervals.0": {
        "at_s", "started", "completed", "failed", "dropped", "target_qps", "in_flight",
        "mean_ms", "p50_ms", "p90_ms", "p99_ms", "max_ms",
        "histogram", "step_histograms", "errors", "cpu_pct", "loop_lag_p99_ms", "lateness_p99_ms",
        "length_s",
    },
    "intervals.0.errors": {"ConnectError"},
    "intervals.0.step_histograms": {"step 0"},
    "histograms": {"response", "service", "lateness", "loop_lag", "steps", "parts", "prepare", "verify"},
    "histograms.steps": {"step 0"},
    "workers.0": {"id", "pid", "started", "cpu_pct", "loop_lag_ms", "restarts"},
    "workers.0.loop_lag_ms": TIMES,
    "generator": {"verdict", "reasons", "loop_lag_ms", "cpu_pct"},
    "generator.reasons.0": {"code", "text"},
    "events.0": {"at_s", "kind", "text"},
}  # fmt: skip


def at(found: Any, path: str) -> Any:
    for key in filter(None, path.split(".")):
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def test_the_contract(tmp_path: Path) -> None:
    """The file holds exactly the keys of the contract, and the numbers of the result."""
    interval = second(
        0,
        steps=steps(1),
        checks={"ok": CheckCounts(3, 1)},
        errors={("ConnectError", "refused"): ErrorCounts(2, 0, "refused: h:1")},
        lateness=second(0).response,
    )
    result = result_of([interval], events=[EventResult(0.5, "interrupted", "interrupted")])
    path = tmp_path / "result.json"
    write_json(result, str(path))
    found = orjson.loads(path.read_bytes())
    for where, keys in KEYS.items():
        assert set(at(found, where)) == keys, where
    assert found == result.to_dict()
    assert next(iter(found)) == "schema"
    assert found["schema"] == "hybridpress.result/1"
    assert found["iterations"] == {
        "planned": 15_000, "started": 5_000, "completed": 4_990, "failed": 10,
        "dropped": 0, "lost": 0, "in_flight_at_end": 0,
    }  # fmt: skip
    assert found["qps"] == {"target": 5_000, "achieved": 5_000, "error_pct": 0, "peak": 5_000}
    assert (found["response_time_ms"]["max"], found["service_time_ms"]["p99.9"]) == (100, 0.5)
    assert found["intervals"][0]["p99_ms"] == pytest.approx(99, rel=0.001)
    assert (found["parts"], found["cpu_tier"], found["thresholds"]) == (None, None, [])
    text = path.read_text()
    assert text.startswith('{\n  "schema"')
    assert text.endswith("}\n")


def test_what_json_cannot_say(tmp_path: Path) -> None:
    """A number that is not finite is null; other things that JSON has no word for become text."""
    config = {
        "param": {"nan": math.nan, "inf": math.inf, "big": 10**30, "path": Path("a/b"), 5: (1, 10**30)},
        "host": "http://h/\udcff",
    }
    path = tmp_path / "result.json"
    write_json(dataclasses.replace(result_of(), config=config), str(path))
    assert orjson.loads(path.read_bytes())["config"] == {
        "param": {"nan": None, "inf": None, "big": str(10**30), "path": "a/b", "5": [1, str(10**30)]},
        "host": "http://h/\\udcff",
    }
    write_json(dataclasses.replace(result_of(), config={"param": {"nan": math.nan}}), str(path))
    assert orjson.loads(path.read_bytes())["config"] == {"param": {"nan": None}}


def test_an_old_file_is_replaced_whole(tmp_path: Path) -> None:
    """The old file is replaced, through a link too; nothing else is left in the directory."""
    (tmp_path / "result.json").write_text("old")
    (tmp_path / "link.json").symlink_to("result.json")
    write_json(result_of(), str(tmp_path / "link.json"))
    assert (tmp_path / "link.json").is_symlink()
    assert orjson.loads((tmp_path / "result.json").read_bytes())["version"] == "1.0"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link.json", "result.json"]


def test_its_permissions(tmp_path: Path) -> None:
    """The file is as readable as any that its user makes."""
    (tmp_path / "usual").touch()
    write_json(result_of(), str(tmp_path / "result.json"))
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "result.json")]
    assert modes[0] == modes[1]


def test_a_name_as_long_as_may_be(tmp_path: Path) -> None:
    """The temporary name fits where the name itself does."""
    write_json(result_of(), str(tmp_path / ("r" * 255)))


def test_what_cannot_be_written(tmp_path: Path) -> None:
    """The message names the path and the reason, and nothing is left behind."""
    (tmp_path / "file").touch()
    for path, why in [
        (tmp_path / "none" / "result.json", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (tmp_path / "file" / "result.json", "Not a directory"),
        (f"{tmp_path}/a\0b", "null"),
    ]:
        with pytest.raises(HybridpressError, match="cannot write the result to") as caught:
            write_json(result_of(), str(path))
        assert f'"{path}"' in str(caught.value)
        assert why in str(caught.value)
        assert caught.value.exit_code == EXIT_BROKEN
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk() -> None:
    """A full disk is told as such; what is not a regular file is never replaced by one."""
    with pytest.raises(HybridpressError, match='to "/dev/full": No space left'):
        write_json(result_of(), "/dev/full")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_failure_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the last step fails the old file is as it was, and the temporary one is gone."""

    def replace(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    path = tmp_path / "result.json"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(HybridpressError, match="No space left on device"):
        write_json(result_of(), str(path))
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


def test_a_pipe(tmp_path: Path) -> None:
    """A named pipe is written to as it is."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    write_json(result_of(), str(path))
    reader.join(5)
    assert orjson.loads(read[0])["version"] == "1.0"
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.slow
def test_an_hour_stays_small() -> None:
    """An hour of seconds, each with 10,000 times from 0.1 ms to 10 s and eight steps, takes less than 5 MB."""
    drawn = np.exp(np.random.default_rng(1).uniform(np.log(0.1), np.log(10_000), 10_000))
    names = [f"POST /a/path/of/some/length/{number}" for number in range(8)]
    busy = second(3_000, response=histogram_of(*drawn))
    busy.steps = {name: StepCounts(10_000, times=histogram_of(*drawn)) for name in names}
    result = result_of([busy])
    assert len(result.intervals[0].step_histograms) == 2
    hour = dataclasses.replace(result, intervals=result.intervals * 3_601)
    assert len(encode(hour)) - len(encode(result)) < 5_000_000
    assert encode(hour).count(b'{"at_s"') == 3_601
