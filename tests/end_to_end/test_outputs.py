"""Outputs for other programs while a run goes on: what they are told is what was measured, and none harms the run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import command
from tests.support.collector import Collector
from tests.support.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_stray_processes")]

SCENARIO = """
import json
from pathlib import Path
from hybridpress import Press, check, step

SEEN = []

class Asking(Press):
    async def press(self):
        async with step("think"):
            pass
        reply = await self.http.get("/echo?describe=1", name="ask")
        self.note(reply.json()["headers"])
        if "session" in self.params:
            async with self.session.get("/echo?describe=1", trace_request_ctx={"name": "ask again"}) as again:
                self.note((await again.json())["headers"])
        check(reply.status == 200, "status is 200")

    def note(self, headers):
        SEEN.append({name.lower(): value for name, value in dict(headers).items()}.get("traceparent"))

    async def stop(self):
        if SEEN and "to" in self.params:
            Path(self.params["to"], f"{self.worker}.json").write_text(json.dumps(SEEN))
            SEEN.clear()
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "asking.py"
    path.write_text(SCENARIO)
    return path


def scraped(port: int) -> dict[str, Any]:
    """What a Prometheus would read now, parsed by its own parser: samples by name, then by labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
        text = reply.read().decode()
    found: dict[str, Any] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


def wait_for(what: Callable[[], bool], patience_s: float = 20.0) -> None:
    until_s = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_prometheus(scenario: Path, target_url: str, tmp_path: Path) -> None:
    """While the run goes its text parses, histograms are whole, counters only grow; afterwards nobody listens."""
    port, json_file = free_port(), tmp_path / "r.json"
    args = ["--host", target_url, "--qps", "200", "--duration", "3500ms", "--prometheus", str(port)]
    process = command.start("run", scenario, *args, "--json", json_file)
    seen: list[dict[str, Any]] = []

    def is_told(n_started: int) -> bool:
        try:
            seen.append(scraped(port))
        except OSError:
            return False
        return bool(seen[-1].get("hybridpress_iterations_started_total", {}).get((), 0) >= n_started)

    wait_for(lambda: is_told(200))
    wait_for(lambda: is_told(600))
    ran = command.finish(process, json_file)
    last = seen[-1]
    started = [found["hybridpress_iterations_started_total"][()] for found in seen if found]
    assert started == sorted(started)
    for name in ("response_time", "service_time", "lateness"):
        buckets = last[f"hybridpress_{name}_seconds_bucket"]
        assert list(buckets.values()) == sorted(buckets.values())
        assert buckets[("+Inf",)] == last[f"hybridpress_{name}_seconds_count"][()]
    assert last["hybridpress_step_time_seconds_count"][("ask",)] == pytest.approx(600, abs=5)
    assert last["hybridpress_target_qps"][()] == 200
    assert last["hybridpress_checks_passed_total"][("status is 200",)] >= 595
    assert ran.found["iterations"]["completed"] == 700
    with pytest.raises(OSError, match="refused"):
        scraped(port)


def test_otlp(scenario: Path, target_url: str, tmp_path: Path) -> None:
    """A real receiver gets the figures, and a trace for each id that the server was told, and for no other."""
    json_file = tmp_path / "r.json"
    with Collector() as collector:
        args = ["--host", target_url, "--qps", "400", "--duration", "2s", "--otlp", collector.url, "--cookies"]
        params = ["--param", f"to={tmp_path}", "--param", "session=1"]
        process = command.start("run", scenario, *args, *params, "--trace-sample", "5%", "--json", json_file)
        ran = command.finish(process, json_file)
    n = ran.found["iterations"]
    assert n["started"] == n["completed"] == 800
    metrics = collector.metrics()
    assert metrics["hybridpress.iterations_completed"].sum.data_points[0].as_int == 800
    assert metrics["hybridpress.iterations_completed"].sum.is_monotonic
    times = metrics["hybridpress.response_time"].histogram.data_points[0]
    assert times.count == sum(times.bucket_counts) == 800
    assert len(times.bucket_counts) == len(times.explicit_bounds) + 1
    spans = list(collector.spans())
    iterations = {span.span_id: span for span in spans if not span.parent_span_id}
    steps = [span for span in spans if span.parent_span_id]
    assert 10 <= len(iterations) <= 90
    assert len({span.trace_id for span in spans}) == len(iterations)
    assert sorted(span.name for span in steps) == sorted(["think", "ask", "ask again"] * len(iterations))
    for span in steps:
        parent = iterations[span.parent_span_id]
        assert parent.trace_id == span.trace_id
        assert parent.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
        assert span.end_time_unix_nano <= parent.end_time_unix_nano
        assert abs(span.start_time_unix_nano / 1e9 - time.time()) < 60
    told = [header for file in tmp_path.glob("?.json") if file != json_file for header in json.loads(file.read_text())]
    assert len(told) == 1_600
    assert sorted(filter(None, told)) == sorted(
        [_header(span) for span in steps if span.name == "ask"] + [_header(span) for span in iterations.values()]
    )


def _header(span: Any) -> str:
    return f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"


def test_a_mix_is_followed(scenario: Path, target_url: str, tmp_path: Path) -> None:
    """In a mix each part is; an iteration that fails says so in its trace."""
    failing = tmp_path / "failing.py"
    failing.write_text(SCENARIO.replace("Asking", "Failing").replace('check(reply.status == 200, "', 'check(False, "'))
    with Collector() as collector:
        args = ["--host", target_url, "--qps", "100", "--duration", "1s", "--otlp", collector.url]
        command.finish(command.start("run", f"{scenario}=1", f"{failing}=1", *args, "--trace-sample", "100%"))
    spans = list(collector.spans())
    iterations = [span for span in spans if not span.parent_span_id]
    assert {span.name for span in iterations} == {"Asking", "Failing"}
    assert len(iterations) == 100
    assert {span.name for span in iterations if span.status.code == 2} == {"Failing"}
    assert {span.name for span in spans if span.parent_span_id} == {
        "Asking: ask", "Asking: think", "Failing: ask", "Failing: think",
    }  # fmt: skip


@pytest.mark.parametrize("trouble", ["gone", "stuck", "unwilling"])
def test_trouble_harms_nobody(trouble: str, scenario: Path, target_url: str, tmp_path: Path) -> None:
    """Endpoints that are gone, hang or refuse, and a port that is taken: each is told, and the run is whole."""
    json_file = tmp_path / "r.json"
    with Collector(503 if trouble == "unwilling" else 200, is_stuck=trouble == "stuck") as collector:
        url = f"http://127.0.0.1:{free_port()}" if trouble == "gone" else collector.url
        taken = collector.url.rpartition(":")[2]
        outputs = ["--otlp", url, "--influx", f"{url}/write", "--prometheus", taken]
        args: list[str | Path] = ["--host", target_url, "--qps", "200", "--duration", "2s", "--json", json_file]
        ran = command.finish(command.start("run", scenario, *args, *outputs), json_file)
    n = ran.found["iterations"]
    assert n["started"] == n["completed"] == 400
    assert ran.found["duration_s"] == 2
    assert ran.found["response_time_ms"]["p50"] < 100
    told = [event["text"] for event in ran.found["events"] if event["kind"] == "output_failed"]
    assert [
        text for text in told if text.startswith(f"--prometheus: cannot listen on 127.0.0.1:{taken}: Address already")
    ]
    for name in ("--otlp", "--influx"):
        of_it = [text for text in told if text.startswith(f"{name}: ")]
        words = {"gone": "refused", "stuck": "time", "unwilling": "Service Unavailable"}[trouble]
        assert any(words in text for text in of_it), told
        assert len(of_it) <= 3
        assert any(text in ran.err for text in of_it)
    assert ran.exit_code in (0, 3)


def test_influx(scenario: Path, target_url: str, tmp_path: Path) -> None:
    """The lines that are posted, or written to a file, add up to the run."""
    file = tmp_path / "lines"
    with Collector() as collector:
        args = ["--host", target_url, "--qps", "200", "--duration", "2s", "--influx"]
        for place in (f"{collector.url}/write?db=load", str(file)):
            command.finish(command.start("run", scenario, *args, place))
    posted = b"".join(collector.bodies("/write?db=load")).decode()
    for text in (posted, file.read_text()):
        runs = [line for line in text.splitlines() if line.startswith("hybridpress,")]
        assert sum(int(line.split("completed=")[1].split("i")[0]) for line in runs) == 400
        assert "step=ask " in text


PACKAGE = {
    "hybridpress_notebook.py": '''
"""Writes down what it hears."""

from pathlib import Path

from hybridpress.report.output import Output


class Notebook(Output):
    def __init__(self, argument, config):
        self._file = Path(argument)
        self._lines = [config.scenario]

    async def open(self, obey):
        self._lines.append("open")

    def second(self, moment):
        self._lines.append(f"{moment.interval.index}: {moment.interval.started}")

    def finished(self, result):
        self._lines.append(f"completed {result.iterations.completed}")
        self._file.write_text("\\n".join(self._lines))
''',
    "hybridpress_notebook-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: hybridpress-notebook\nVersion: 1.0\n",
    "hybridpress_notebook-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "hybridpress_notebook-1.0.dist-info/RECORD": "",
    "hybridpress_notebook-1.0.dist-info/entry_points.txt": """
[hybridpress.outputs]
notebook = hybridpress_notebook:Notebook
broken = hybridpress_notebook:nothing_of_the_kind
""",
}


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with an output, installed by pip as any other, where only this test looks for it."""
    wheel, place = tmp_path / "hybridpress_notebook-1.0-py3-none-any.whl", tmp_path / "installed"
    with zipfile.ZipFile(wheel, "w") as packed:
        for name, text in PACKAGE.items():
            packed.writestr(name, text)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(place), str(wheel)], check=True, timeout=120)
    monkeypatch.setenv("PYTHONPATH", str(place))


@pytest.mark.usefixtures("_installed")
def test_an_output_of_another_package(scenario: Path, target_url: str, tmp_path: Path) -> None:
    """It hears the run as our own do; what cannot be used is told before anything is sent."""
    notes = tmp_path / "notes"
    args: list[str | Path] = ["run", scenario, "--host", target_url, "--qps", "50", "--duration", "2s", "--output"]
    ran = command.finish(command.start(*args, f"notebook={notes}"))
    assert ran.exit_code in (0, 3), ran.err
    lines = notes.read_text().splitlines()
    assert lines[0].endswith("asking.py:Asking")
    assert lines[1:4] == ["open", "0: 50", "1: 50"]
    assert lines[-1] == "completed 100"
    broken = command.finish(command.start(*args, "broken"))
    assert broken.exit_code == 2
    assert '--output broken: "hybridpress_notebook:nothing_of_the_kind" cannot be used: AttributeError' in broken.err
    unknown = command.finish(command.start(*args, "other"))
    assert unknown.exit_code == 2
    assert 'got "other"; there are broken, notebook' in unknown.err
