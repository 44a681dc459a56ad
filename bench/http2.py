"""HTTP/2 requests a second on one core: the asyncio clients that speak it, side by side.

Each makes `GET /` (128 bytes) with 64 requests under way at a time, over TLS, against nginx on the other core: bare
loops on uvloop, each client in an environment and a process of its own, in turns; told are medians with their spread,
and the CPU of a request. The press with `step()` is `scenarios/http2_get.py`; `self.http` is there for what HTTP/1.1
costs.

    PYTHONPATH=. .venv/bin/python bench/http2.py [--rounds 5] [--seconds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness import surroundings
from peerbench.peer import ROOT, Package, UnavailableError

from tests.support.nginx import Nginx

N_SLOTS = 64
SCENARIO = ROOT / "scenarios" / "http2_get.py"
OURS, HTTP1 = "hybridpress, scenarios/http2_get.py", "hybridpress, self.http (HTTP/1.1)"

PEER = """
    import asyncio, ssl, sys, time
    import uvloop

    URL, CA = sys.argv[1] + "/", sys.argv[2]

    {client}

    async def slot(ask, until):
        n = 0
        while time.monotonic() < until:
            status, version, body = await ask()
            if status != 200 or len(body) != 128 or "2" not in version:
                raise AssertionError((status, version, body))
            n += 1
        return n

    async def main():
        ask, close = await opened()
        until = time.monotonic() + {seconds}
        print(sum(await asyncio.gather(*(slot(ask, until) for _ in range({n_slots})))))
        await close()

    uvloop.run(main())
"""

HTTPX = """
    import httpx

    async def opened():
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        context = ssl.create_default_context(cafile=CA)
        client = httpx.AsyncClient(http1=False, http2=True, verify=context, limits=limits)
        async def ask():
            reply = await client.get(URL)
            return reply.status_code, reply.http_version, reply.content
        return ask, client.aclose
"""

NIQUESTS = """
    import niquests

    async def opened():
        session = niquests.AsyncSession(disable_http1=True, disable_http3=True, pool_maxsize={n_slots})
        session.verify, session.trust_env = CA, False
        async def ask():
            reply = await session.get(URL)
            return reply.status_code, str(reply.http_version), reply.content
        return ask, session.close
"""

PYREQWEST = """
    from pathlib import Path
    from pyreqwest.client import ClientBuilder

    async def opened():
        client = ClientBuilder().http2_prior_knowledge().add_root_certificate_pem(Path(CA).read_bytes()).build()
        async def ask():
            reply = await client.get(URL).build().send()
            return reply.status, reply.version, await reply.bytes()
        return ask, client.close
"""

HTTP1_PRESS = """
    from hybridpress import Press

    class Get(Press):
        async def press(self):
            await self.http.get("/")
"""


@dataclass(frozen=True, slots=True)
class Client:
    """An asyncio client that speaks HTTP/2, and how it is asked to."""

    package: Package
    script: str


CLIENTS = {
    "niquests": Client(Package("niquests", ("niquests==3.21.2", "uvloop"), "python"), NIQUESTS),
    "httpx": Client(Package("httpx", ("httpx==0.28.1", "h2", "uvloop"), "python"), HTTPX),
    "pyreqwest": Client(Package("pyreqwest", ("pyreqwest==0.15.1", "uvloop"), "python"), PYREQWEST),
}


@dataclass(frozen=True, slots=True)
class Pressed:
    """One contender: requests a second over its rounds, and µs of its CPU for a request."""

    name: str
    version: str
    n_rounds: int
    requests_per_s: float
    lowest_per_s: float
    highest_per_s: float
    cpu_us: float

    def __str__(self) -> str:
        spread = f"{self.lowest_per_s:,.0f} to {self.highest_per_s:,.0f}"
        return f"{self.name:<36} {self.requests_per_s:>8,.0f}/s ({spread}), {self.cpu_us:6.1f} µs of CPU each"


def compare(rounds: int, seconds: float, names: Sequence[str]) -> list[Pressed]:
    """Press with each of *names* in turn, so many rounds. One that cannot be installed is told and left out."""
    programs, versions = _found(names)
    rates: dict[str, list[float]] = {name: [] for name in programs}
    costs: dict[str, list[float]] = {name: [] for name in programs}
    cpus = sorted(os.sched_getaffinity(0))
    with Nginx(tls=True, http2=True) as nginx, tempfile.TemporaryDirectory() as folder:
        for pid in nginx.pids:
            os.sched_setaffinity(pid, {cpus[0]})
        for _ in range(rounds):
            for name, program in programs.items():
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                n_requests = _one(name, program, nginx, Path(folder), seconds, {cpus[-1]})
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
                rates[name].append(n_requests / seconds)
                costs[name].append(cpu_s / n_requests * 1e6)
    return [
        Pressed(
            name, versions[name], rounds, statistics.median(all_), min(all_), max(all_), statistics.median(costs[name])
        )
        for name, all_ in rates.items()
    ]


def _found(names: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The Python that each contender runs with, and its version."""
    programs, versions = {}, {}
    for name in names:
        if name not in CLIENTS:
            programs[name], versions[name] = sys.executable, ""
            continue
        package = CLIENTS[name].package
        try:
            programs[name] = package.find(install=True)
        except UnavailableError as error:
            print(f"{name} {error}", file=sys.stderr)
            continue
        versions[name] = package.version(programs[name])
    return programs, versions


def _one(name: str, program: str, nginx: Nginx, folder: Path, seconds: float, cpus: set[int]) -> int:
    """How many requests one run of a contender came to. All of them were answered, by nginx's count as well."""
    script, result = folder / "contender.py", folder / "result.json"
    n_before = nginx.n_requests()
    if name in CLIENTS:
        client = textwrap.dedent(CLIENTS[name].script).format(n_slots=N_SLOTS)
        text = textwrap.dedent(PEER).format(client=client, seconds=seconds, n_slots=N_SLOTS)
        script.write_text(text)
        command = [program, str(script), nginx.tls_url, str(nginx.ca_file)]
    else:
        script.write_text(textwrap.dedent(HTTP1_PRESS))
        command = [program, "-m", "hybridpress", "run", str(SCENARIO if name == OURS else script)]
        command += [
            "--host",
            nginx.tls_url,
            "--ca-file",
            str(nginx.ca_file),
            "--param",
            f"ca={nginx.ca_file}",
            "--processes",
            "1",
            "--quiet",
        ]
        command += ["--concurrent", str(N_SLOTS), "--duration", f"{int(seconds * 1000)}ms", "--json", str(result)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, cpus),
    )
    if name in CLIENTS:
        assert done.returncode == 0, done.stderr
        n_requests = int(done.stdout)
    else:
        assert done.returncode in (0, 3), done.stderr
        iterations = json.loads(result.read_text())["iterations"]
        assert iterations["failed"] == 0, iterations
        n_requests = int(iterations["completed"])
    assert n_requests == nginx.n_requests() - n_before
    return n_requests


def main() -> None:
    """Run it for real, and print; `--json` keeps it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each contender in each round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    arguments = parser.parse_args()
    begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    found = compare(arguments.rounds, arguments.seconds, [*CLIENTS, OURS, HTTP1])
    for pressed in found:
        print(pressed, flush=True)
    if arguments.json is not None:
        document = {**surroundings(), "begun_at": begun, "results": [asdict(pressed) for pressed in found]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
