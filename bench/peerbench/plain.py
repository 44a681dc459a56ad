"""Peers that send one fixed request over and over: their command lines, and how their reports are read."""

from __future__ import annotations

import csv
import json
import re
import shlex

from peerbench.peer import SCRIPTS, Peer, Program, Run, Said, ms


def _wrk(program: str, run: Run) -> list[str]:
    words = [program, "-t1", f"-c{run.case.connections}", f"-d{run.seconds}s", "--latency"]
    if run.case.kind == "post":
        words += ["-s", str(SCRIPTS / "wrk_post.lua")]
    return [*words, run.url]


def _wrk2(program: str, run: Run) -> list[str]:
    return [*_wrk(program, run)[:-1], f"-R{run.case.rate_per_s}", run.url]


def _parse_wrk(output: str, run: Run) -> Said:
    total = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)\b", output)
    assert total is not None, "no total"
    errors = [int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", output)]
    errors += [int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", output)]

    def percentile(number: str) -> float:
        found = re.search(rf"^\s*{number}(?:\.0+)?%\s+([\d.]+)(us|ms|s|m)\b", output, re.MULTILINE)
        assert found is not None, f"no p{number}"
        return ms(found[1], found[2])

    return Said(int(total[1]), sum(errors), ms(total[2], total[3]) / 1e3, percentile("50"), percentile("99"))


_AB_MOST_PER_S = 1_000_000


def _ab(program: str, run: Run) -> list[str]:
    # -t sets -n to 50,000 by itself, so a larger -n has to come after it; ab allocates 32 bytes for each of so many.
    # -r: go on after a socket error, and count it.
    words = [program, "-q", "-r", "-k", f"-c{run.case.connections}"]
    words += [f"-t{run.seconds}", f"-n{_AB_MOST_PER_S * run.seconds}"]
    if run.case.kind == "post":
        words += ["-p", str(run.body_file), "-T", "application/json"]
    return [*words, "-e", str(run.folder / "ab.csv"), run.url]


def _parse_ab(output: str, run: Run) -> Said:
    def number(name: str) -> float | None:
        found = re.search(rf"^{name}:\s+([\d.]+)", output, re.MULTILINE)
        return None if found is None else float(found[1])

    complete, failed = number("Complete requests"), number("Failed requests")
    assert complete is not None, "no total"
    assert failed is not None, "no failures"
    errors = int(failed + (number("Non-2xx responses") or 0))
    with (run.folder / "ab.csv").open() as file:
        times = {int(row[0]): float(row[1]) for row in csv.reader(file) if row and row[0].isdigit()}
    return Said(int(complete), errors, number("Time taken for tests"), times[50], times[99])


def _h2load(program: str, run: Run) -> list[str]:
    words = [program, "--h1", "-t1", f"-c{run.case.connections}", f"-D{run.seconds}s"]
    if run.case.rate_per_s is not None:
        words.append(f"--rps={run.case.rate_per_s / run.case.connections}")
    if run.case.kind == "post":
        words += ["-d", str(run.body_file), "-H", "Content-Type: application/json"]
    return [*words, run.url]


def _parse_h2load(output: str, run: Run) -> Said:
    length = re.search(r"^finished in ([\d.]+)(us|ms|s|m)\b", output, re.MULTILINE)
    total = re.search(r"(\d+) done, \d+ succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output)
    assert length is not None, "no length"
    assert total is not None, "no total"
    failed = max(int(total[2]), int(total[3]) + int(total[4]))
    return Said(int(total[1]), failed, ms(length[1], length[2]) / 1e3)


def _hey(program: str, run: Run) -> list[str]:
    words = [program, "-z", f"{run.seconds}s", "-c", str(run.case.connections)]
    if run.case.rate_per_s is not None:
        words += ["-q", str(run.case.rate_per_s / run.case.connections)]
    if run.case.kind == "post":
        words += ["-m", "POST", "-D", str(run.body_file), "-T", "application/json"]
    return [*words, run.url]


def _parse_hey(output: str, run: Run) -> Said:
    total = re.search(r"Total:\s+([\d.]+) secs", output)
    assert total is not None, "no total"
    statuses = {int(code): int(n) for code, n in re.findall(r"\[(\d{3})\]\s+(\d+) responses", output)}
    wrong = sum(n for code, n in statuses.items() if code != 200)
    broken_list = output.partition("Error distribution:")[2]
    broken = sum(int(n) for n in re.findall(r"^\s+\[(\d+)\]\s+\D", broken_list, re.MULTILINE))

    def percentile(number: int) -> float | None:
        found = re.search(rf"{number}%+ in ([\d.]+) secs", output)
        return None if found is None else ms(found[1], "s")

    return Said(sum(statuses.values()) + broken, wrong + broken, float(total[1]), percentile(50), percentile(99))


def _vegeta(program: str, run: Run) -> list[str]:
    (run.folder / "target").write_text(
        f"POST {run.url}\nContent-Type: application/json\n@{run.body_file}\n"
        if run.case.kind == "post"
        else f"GET {run.url}\n"
    )
    connections = run.case.connections
    attack = [program, "attack", f"-targets={run.folder / 'target'}", f"-duration={run.seconds}s"]
    attack += [f"-rate={run.case.rate_per_s or 0}", f"-workers={connections}", f"-max-workers={connections}"]
    attack += [f"-connections={connections}"]
    return ["sh", "-c", f"{shlex.join(attack)} | {shlex.quote(program)} report -type=json"]


def _parse_vegeta(output: str, run: Run) -> Said:
    told = json.loads(output)
    requests = int(told["requests"])
    errors = requests - int(told["status_codes"].get("200", 0))
    length_s = (told["duration"] + told["wait"]) / 1e9
    return Said(requests, errors, length_s, told["latencies"]["50th"] / 1e6, told["latencies"]["99th"] / 1e6)


PLAIN = [
    Peer("wrk", "", Program("wrk", ("-v",), "wrk"), _wrk, _parse_wrk),
    Peer("ab", "", Program("ab", ("-V",), "apache2-utils"), _ab, _parse_ab),
    Peer(
        "h2load",
        "",
        Program("h2load", ("--version",), "nghttp2-client"),
        _h2load,
        _parse_h2load,
        can_pace=True,
        note="--h1; tells no percentiles",
    ),
    Peer(
        "hey",
        "",
        Program("hey", package="hey"),
        _hey,
        _parse_hey,
        can_pace=True,
        note="keeps the first million times for its percentiles",
    ),
    Peer(
        "vegeta",
        "",
        Program("vegeta", ("-version",)),
        _vegeta,
        _parse_vegeta,
        can_pace=True,
        note="`attack` piped into `report`, both are counted",
    ),
    Peer(
        "wrk2",
        "",
        Program("wrk2", ("-v",)),
        _wrk2,
        _parse_wrk,
        latency_from="plan",
        can_pace=True,
        must_pace=True,
        at_least_s=14,
        note="calibrates for 10 s, so it runs 14 s at least",
    ),
]
