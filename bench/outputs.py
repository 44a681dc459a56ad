"""What outputs cost the coordinator: its CPU in a run of 20,000 iterations a second with 50 steps, output by output.

    python bench/outputs.py [--seconds 10] [--qps 20000] [--json FILE] [CASE…]

Cases are `none`, `terminal` (200×50, read all the time), `prometheus` (scraped every 5 s), `otlp` (metrics, and 0.1 %
of the iterations followed), `influx` (over HTTP), `page` (the live page, with one that looks at it), `files`, and
`all`. Told is the CPU time of the coordinator while the load runs, in percent of a core.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
from harness import surroundings

SCENARIO = Path(__file__).parent / "scripts" / "many_steps.py"
CASES = ("none", "terminal", "prometheus", "otlp", "influx", "page", "files", "all")
SCRAPE_GAP_S = 5.0
COLUMNS, ROWS = 200, 50


@dataclass(frozen=True, slots=True)
class Row:
    """One run."""

    case: str
    qps: float
    cpu_pct: float
    """Of the coordinator, while the load ran."""
    verdict: str

    def __str__(self) -> str:
        return f"{self.case:<12} {self.qps:>9,.0f}/s  {self.cpu_pct:>5.1f} % of a core  {self.verdict}"


class _Taker(BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def taker() -> Iterator[str]:
    """A server that takes what is posted; its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def options_of(case: str, url: str, folder: Path, ports: Sequence[int]) -> list[str]:
    files = [
        word for name in ("html", "hlog", "csv", "junit", "markdown") for word in (f"--{name}", str(folder / name))
    ]
    options = {
        "prometheus": ["--prometheus", str(ports[0])],
        "otlp": ["--otlp", url, "--trace-sample", "0.1%"],
        "influx": ["--influx", f"{url}/write"],
        "page": ["--ui", str(ports[1])],
        "files": files,
    }
    wanted = options if case == "all" else [case] if case in options else []
    return [word for name in wanted for word in options[name]]


def _drain(master: int) -> None:
    with suppress(OSError):
        while os.read(master, 65_536):
            pass


def _scrape(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
            reply.read()
        time.sleep(SCRAPE_GAP_S)


def _look(port: int, process: subprocess.Popen[bytes]) -> None:
    """Be the page: read its events."""
    while process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/events", timeout=5) as reply:
            while reply.readline():
                pass
        time.sleep(0.1)


def run(case: str, seconds: float, qps: int) -> Row:
    """One run with the outputs of *case*, of 4 seconds or more."""
    with taker() as url, tempfile.TemporaryDirectory() as folder:
        ports = _free_port(), _free_port()
        is_seen = case in ("terminal", "all")
        result = Path(folder) / "result"
        command = [sys.executable, "-m", "hybridpress", "run", str(SCENARIO), "--qps", str(qps), "--concurrent", "64"]
        command += ["--duration", f"{seconds}s", "--json", str(result), *options_of(case, url, Path(folder), ports)]
        master, slave = pty.openpty()
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        out: Any = slave if is_seen else subprocess.DEVNULL
        process = subprocess.Popen(
            command if is_seen else [*command, "--quiet"], stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        readers: list[tuple[Callable[..., None], tuple[Any, ...]]] = [(_drain, (master,))]
        if case in ("prometheus", "all"):
            readers.append((_scrape, (ports[0], process)))
        if case in ("page", "all"):
            readers.append((_look, (ports[1], process)))
        for reader, arguments in readers:
            threading.Thread(target=reader, args=arguments, daemon=True).start()
        coordinator = psutil.Process(process.pid)
        time.sleep(2.5)  # starting is over, and so are imports that the first second brings
        began_s, before_s = time.monotonic(), _cpu_s(coordinator)
        time.sleep(seconds - 3.0)
        cpu_pct = 100 * (_cpu_s(coordinator) - before_s) / (time.monotonic() - began_s)
        process.wait()
        os.close(slave)
        os.close(master)
        found = json.loads(result.read_text())
        return Row(case, found["qps"]["achieved"], round(cpu_pct, 2), found["generator"]["verdict"])


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"which of {', '.join(CASES)}; all of them")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each run lasts (10)")
    parser.add_argument("--qps", type=int, default=20_000, help="iterations a second (20000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to this file")
    arguments = parser.parse_args()
    rows = []
    for case in arguments.cases or CASES:
        row = run(case, arguments.seconds, arguments.qps)
        print(row, flush=True)
        rows.append(asdict(row))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({**surroundings(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
