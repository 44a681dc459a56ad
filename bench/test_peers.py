"""The peers bench reads what each peer says, and reckons right. How fast anybody is, only `make bench-peers` tells."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from peerbench import report
from peerbench.cases import CASES, JSON_BYTES, N_ITEMS, Case, json_text
from peerbench.peer import Peer, Run, Said
from peerbench.plain import PLAIN
from peerbench.scripted import SCRIPTED
from peers import PEERS, parse

BENCH = Path(__file__).parent
PEER = {peer.name: peer for peer in [*PLAIN, *SCRIPTED]}

WRK = """\
Running 2s test @ http://127.0.0.1:46007/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     3.28ms    4.96ms  28.79ms   82.75%
    Req/Sec    25.96k     3.14k   30.56k    52.63%
  Latency Distribution
     50%  403.00us
     75%    5.16ms
     90%   11.48ms
     99%   18.84ms
  52256 requests in 2.02s, 13.80MB read
"""
WRK_ERRORS = """\
  Socket errors: connect 0, read 7, write 0, timeout 2
  Non-2xx or 3xx responses: 52200
"""
AB = """\
Concurrency Level:      64
Time taken for tests:   2.001 seconds
Complete requests:      67024
Failed requests:        3
Non-2xx responses:      40
Keep-Alive requests:    67024
"""
AB_CSV = "Percentage served,Time in ms\n" + "".join(f"{n},{n / 10}\n" for n in range(100))
H2LOAD = """\
finished in 2.03s, 32920.50 req/s, 8.70MB/s
requests: 65841 total, 65905 started, 65841 done, 65800 succeeded, 41 failed, 0 errored, 0 timeout
status codes: 65800 2xx, 0 3xx, 41 4xx, 0 5xx
                     min         max         mean         sd        +/- sd
time for request:      312us     17.36ms      1.94ms      3.07ms    86.79%
"""
HEY = """\
Summary:
  Total:	2.0033 secs
  Slowest:	0.0285 secs
  Requests/sec:	19618.7367

Response time histogram:
  0.000 [1]	|
  0.003 [19873]	|■■■■■■■■■

Latency distribution:
  50% in 0.0029 secs
  99% in 0.0123 secs

Status code distribution:
  [200]	39302 responses
  [404]	8 responses

Error distribution:
  [9]	Get "http://127.0.0.1:35193/shut": EOF
  [1]	Get "http://127.0.0.1:35193/": read: connection reset by peer
"""
VEGETA = {
    "latencies": {"50th": 2_854_306, "99th": 3_530_000},
    "duration": 1_990_000_000,
    "wait": 10_000_000,
    "requests": 100,
    "status_codes": {"0": 2, "200": 95, "500": 3},
}
MOLOTOV = """\
**** Molotov v2.6. Happy breaking! ****
SUCCESSES: 12847 | FAILURES: 2
*** Bye ***
"""
LOCUST = [
    {
        "name": "/",
        "start_time": 1000.25,
        "last_request_timestamp": 1002.75,
        "num_requests": 200,
        "num_failures": 1,
        "response_times": {"12.0": 90, "2": 20, "1.5": 85, "73": 5},
    }
]
K6 = {
    "metrics": {
        "http_reqs": {"count": 7741, "rate": 3870.5},
        "http_req_duration": {"med": 13.25, "p(99)": 59.0},
        "http_req_failed": {"passes": 4, "fails": 7737, "value": 0.0005},
        "checks": {"passes": 7740, "fails": 1},
    }
}
HYBRIDPRESS = {
    "duration_s": 2.0,
    "iterations": {"planned": None, "started": 45741, "completed": 45740, "failed": 5, "lost": 1},
    "response_time_ms": {"p50": 1.59, "p99": 12.5},
    "service_time_ms": {"p50": 1.0, "p99": 2.0},
}
AIOHTTP = {"requests": 10, "errors": 0, "seconds": 2.5, "p50_ms": 6.0, "p99_ms": 11.5}

SAID = [
    ("wrk", WRK, {}, Said(52256, 0, 2.02, 0.403, 18.84)),
    ("wrk", WRK + WRK_ERRORS, {}, Said(52256, 52209, 2.02, 0.403, 18.84)),
    ("wrk2", re.sub(r"(50|99)%", r"\1.000%", WRK), {}, Said(52256, 0, 2.02, 0.403, 18.84)),
    ("ab", AB, {"ab.csv": AB_CSV}, Said(67024, 43, 2.001, 5.0, 9.9)),
    ("h2load", H2LOAD, {}, Said(65841, 41, 2.03)),
    ("hey", HEY, {}, Said(39320, 18, 2.0033, 2.9, 12.3)),
    ("vegeta", json.dumps(VEGETA), {}, Said(100, 5, 2.0, 2.854306, 3.53)),
    ("molotov", MOLOTOV, {"molotov.json": '{"seconds": 2.25}'}, Said(12849, 2, 2.25)),
    ("locust", "", {"locust.json": json.dumps(LOCUST)}, Said(200, 1, 2.5, 2.0, 73.0)),
    ("k6", "", {"k6.json": json.dumps(K6)}, Said(7741, 5, 2.0, 13.25, 59.0)),
    ("k9-plan", "", {"k6.json": json.dumps(K6)}, Said(7741, 5, 2.0, 13.25, 59.0)),
    ("k9-python", "", {"k6.json": json.dumps(K6)}, Said(7741, 5, 2.0, 13.25, 59.0)),
    ("hybridpress", "", {"result.json": json.dumps(HYBRIDPRESS)}, Said(45740, 6, 2.0, 1.59, 12.5)),
    ("aiohttp", json.dumps(AIOHTTP), {}, Said(10, 0, 2.5, 6.0, 11.5)),
    ("uvloop", json.dumps(AIOHTTP), {}, Said(10, 0, 2.5, 6.0, 11.5)),
]


def run_of(folder: Path, case: Case = CASES[0]) -> Run:
    """A run that is not made: what a peer would be given."""
    body_file = folder / "body.json"
    body_file.write_text(json_text())
    return Run(case, 2, "http://127.0.0.1:1", body_file, folder)


@pytest.mark.parametrize(("name", "output", "files", "said"), SAID, ids=[each[0] for each in SAID])
def test_reads_what_a_peer_says(name: str, output: str, files: dict[str, str], said: Said, tmp_path: Path) -> None:
    """Counts, errors, length and percentiles are taken from the peer's own report."""
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    found = PEER[name].parse(output, run_of(tmp_path))
    assert (found.requests, found.errors) == (said.requests, said.errors)
    assert (found.seconds, found.p50_ms, found.p99_ms) == pytest.approx((said.seconds, said.p50_ms, said.p99_ms))


def test_every_peer_is_read_in_a_test() -> None:
    """A new peer comes with a sample of what it says."""
    assert {each[0] for each in SAID} == PEER.keys() == {peer.name for peer in PEERS}


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_every_peer_is_asked_for_every_case_that_suits_it(peer: Peer, tmp_path: Path) -> None:
    """A command can be made for each case, and those who cannot pace have no paced case."""
    suited = [case for case in CASES if peer.suits(case)]
    assert suited
    for case in suited:
        run = run_of(tmp_path, case)
        command = peer.command("program", run)
        assert all(isinstance(word, str) for word in command)
        assert run.environment()["PEER_URL"] == f"http://127.0.0.1:1{case.path}"
    if peer.can_pace:
        assert any(case.rate_per_s for case in suited)


def test_the_json_is_a_kilobyte() -> None:
    """What is served and posted is 1,024 bytes, and has the total that the scripts check."""
    text = json_text()
    assert len(text) == JSON_BYTES
    assert json.loads(text)["total"] == len(json.loads(text)["items"]) == N_ITEMS


def row(peer: str, number: int, rate: float, cpu_us: float, **more: Any) -> dict[str, Any]:
    """One run of the case "get-64" as a results file holds it."""
    fields = {"case": "get-64", "peer": peer, "round": number, "requests": 100, "requests_said": 100, "errors": 0}
    fields |= {"requests_per_s": rate, "cpu_us": cpu_us, "user_us": 1.0, "system_us": cpu_us - 1.0}
    return {**fields, "peak_mib": 5.0, "p50_ms": 1.0, "p99_ms": None, "exit_code": 0, "complaint": "", **more}


ROWS = [
    *(row("wrk", 1, 100_000, 7.0), row("hybridpress", 1, 80_000, 10.0)),
    *(row("wrk", 2, 50_000, 14.0), row("hybridpress", 2, 45_000, 16.0)),
    *(row("wrk", 3, 120_000, 6.0), row("hybridpress", 3, 60_000, 12.0)),
    *(row("wrk", 4, 1, 1.0), row("hybridpress", 4, 0, 0.0, complaint="did not end")),
]


def test_ratios_are_taken_pair_by_pair() -> None:
    """The median of the rounds' ratios, not the ratio of medians; a round that one of them failed has no ratio."""
    assert report.ratio(ROWS, "get-64", "hybridpress", "wrk", "requests_per_s") == pytest.approx(0.8)
    assert report.ratio(ROWS, "get-64", "hybridpress", "wrk", "cpu_us") == pytest.approx(10 / 7)
    assert report.ratio(ROWS, "get-64", "wrk", "wrk", "cpu_us") == 1.0
    assert report.ratio(ROWS, "get-64", "hybridpress", "ab", "cpu_us") is None


def test_failed_runs_are_in_no_median() -> None:
    """They are shown, and that is all."""
    document = {"rows": ROWS, "cases": [{"name": "get-64"}]}
    told = report.medians(document)["get-64"]["hybridpress"]
    assert told["requests_per_s"] == {"median": 60_000, "min": 45_000, "max": 80_000}
    assert (told["rounds"], told["p99_ms"]) == (3, None)


def test_the_tables_hold_every_peer_and_what_went_wrong() -> None:
    """Losing rows stay in, missing peers and failed runs are named, and counts that differ from nginx's too."""
    told = {"scripted_in": "", "version": "1", "length_by": "its own word", "latency_from": "send", "note": ""}
    document = {
        "date": "2030-01-01",
        "commit": "abc",
        "rounds": 4,
        "seconds": 4,
        "machine": {"cpu": "CPU", "cpus": 2, "system": "Linux"},
        "python": "3",
        "uvloop": "0",
        "pinned": None,
        "cases": [{"name": "get-64", "title": "GET", "rate_per_s": None}],
        "connections": {"get-64": 64},
        "peers": dict.fromkeys(["wrk", "hybridpress", "ab"], told),
        "skipped": {"ab": "is not on PATH"},
        "rows": [*ROWS, row("hybridpress", 5, 80_000, 10.0, requests_said=300, errors=1234)],
    }
    text = report.markdown(document)
    assert re.search(r"\| hybridpress \| –.*70,000 \(45,000–80,000\).*0\.80 ×.* 1,234 ", text)
    assert "nothing pinned" in text
    assert "ab was not run: is not on PATH" in text
    assert "hybridpress, get-64, round 4: failed: did not end" in text
    assert "hybridpress, get-64, round 5: says 300 requests, nginx counted 100" in text


def test_peers_and_cases_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A peer that does not exist is told, with those that do."""
    chosen = parse(["--only", "hybridpress,wrk", "--case", "get-64", "paced-1k"])
    assert [peer.name for peer in chosen.peers] == ["wrk", "hybridpress"]
    assert [case.name for case in chosen.cases] == ["get-64", "paced-1k"]
    with pytest.raises(SystemExit):
        parse(["--only", "siege"])
    assert 'there is no peer "siege"' in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(shutil.which("wrk") is None or sys.platform != "linux", reason="needs wrk and Linux")
def test_the_bench_runs(tmp_path: Path) -> None:
    """One second each of wrk and hybridpress, for real: no errors, plausible numbers, a results file that renders."""
    file = tmp_path / "peers.json"
    command = [sys.executable, str(BENCH / "peers.py"), "--rounds", "1", "--seconds", "1", "--no-install"]
    command += ["--only", "wrk,hybridpress", "--case", "get-64", "--json", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(BENCH.parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    if "nginx is not installed" in done.stderr:
        pytest.skip("needs nginx")
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(file.read_text())
    for each in document["rows"]:
        assert (each["complaint"], each["errors"]) == ("", 0)
        assert each["requests_per_s"] > 1000
        assert 1 < each["cpu_us"] < 1000
        assert each["peak_mib"] > 1
        assert abs(each["requests"] - each["requests_said"]) <= 65
    assert document["medians"]["get-64"]["hybridpress"]["cpu_us_to_wrk"] > 0
    assert "### get-64" in report.markdown(document)
