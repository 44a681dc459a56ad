"""What the live page and the other outputs cost the coordinator while it runs, with nobody looking on and with many.

    python bench/web.py [--qps 20000] [--seconds 10] [--rounds 3] [--json FILE] [CASE…]

Cases, taken in turn: `none` (quiet, no output), `page` (the page, nobody looks on), `1` and `20` viewers, and `all`
outputs there are with one viewer. Each is a run of 50 steps without a server; told are the CPU time of the
coordinator's process and of the page's, as shares of a core, over the seconds of the load, and the lateness.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from harness import surroundings

SCENARIO = Path(__file__).parent / "scripts" / "fifty_steps.py"
CASES = {"none": None, "page": 0, "1": 1, "20": 20, "all": 1}
"""How many look on; None: there is no page."""
LEAD_S = 2.0
"""From the beginning of the load to the beginning of the measurement."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run. Shares are of one core; bytes are what the viewers got, together, in the measured time."""

    case: str
    qps: float
    coordinator_pct: float
    page_pct: float | None
    lateness_p99_ms: float
    viewer_bytes_per_s: float

    def __str__(self) -> str:
        page = "–" if self.page_pct is None else f"{self.page_pct:.1f} %"
        return (
            f"{self.case:<6} {self.qps:>9,.0f}/s  coordinator {self.coordinator_pct:>5.2f} %  page {page:>7}  "
            f"lateness p99 {self.lateness_p99_ms:.2f} ms  viewers {self.viewer_bytes_per_s / 1024:,.0f} KiB/s"
        )


class Viewers:
    """So many who look on and read all that they are told."""

    def __init__(self, url: str, n: int) -> None:
        self._url, self._n = url, n
        self.n_bytes = 0

    async def look(self, seconds: float) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            tasks = [asyncio.create_task(self._one(session)) for _ in range(self._n)]
            await asyncio.sleep(seconds)
            for task in tasks:
                assert not task.done(), "a viewer was dropped"
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _one(self, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{self._url}events", timeout=aiohttp.ClientTimeout(total=None)) as reply:
            async for chunk in reply.content.iter_any():
                self.n_bytes += len(chunk)


def press(case: str, qps: float, seconds: float, folder: Path) -> Row:
    """One run of *case*."""
    n_viewers = CASES[case]
    file = folder / "result.json"
    command = [
        sys.executable, "-m", "hybridpress", "run", str(SCENARIO), "--qps", str(qps), "--concurrent", "64", "--quiet",
        "--duration", str(seconds + 2 * LEAD_S), "--json", str(file),
    ]  # fmt: skip
    if n_viewers is not None:
        command += ["--ui", "0"]
    if case == "all":
        command += [
            "--html", str(folder / "r.html"), "--csv", str(folder / "r"), "--junit", str(folder / "r.xml"),
            "--markdown", str(folder / "r.md"), "--hlog", str(folder / "r.hlog"), "--prometheus", "0",
        ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = ""
        while n_viewers is not None and "is shown at" not in url:
            url = process.stderr.readline()
        coordinator = psutil.Process(process.pid)
        page = None
        if n_viewers is not None:
            page = next(child for child in coordinator.children() if "hybridpress.web" in child.cmdline())
        time.sleep(LEAD_S)
        viewers = Viewers(url.split()[-1] if url else "", n_viewers or 0)
        before = [_cpu_s(coordinator), _cpu_s(page)]
        begun = time.monotonic()
        asyncio.run(viewers.look(seconds))
        lasted = time.monotonic() - begun
        used = [_cpu_s(coordinator) - before[0], _cpu_s(page) - before[1]]
        process.wait()
    found: dict[str, Any] = json.loads(file.read_text())
    return Row(
        case=case,
        qps=found["qps"]["achieved"],
        coordinator_pct=100 * used[0] / lasted,
        page_pct=None if page is None else 100 * used[1] / lasted,
        lateness_p99_ms=found["lateness_ms"]["p99"],
        viewer_bytes_per_s=viewers.n_bytes / lasted,
    )


def _cpu_s(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)


def median(rows: list[Row]) -> Row:
    """Each figure's median over the rounds of a case."""
    values = {name: [asdict(row)[name] for row in rows] for name in asdict(rows[0])}
    figures = {name: statistics.median(found) for name, found in values.items() if isinstance(found[0], float)}
    return Row(**{**asdict(rows[0]), **figures})


def main() -> None:
    parser = argparse.ArgumentParser(description="What looking on costs a run.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--qps", type=float, default=20_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    cases = arguments.cases or list(CASES)
    rows: dict[str, list[Row]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.rounds):
            for case in cases:
                rows[case].append(press(case, arguments.qps, arguments.seconds, Path(folder)))
                print(rows[case][-1], flush=True)
    print("\nmedians")
    found = [median(several) for several in rows.values()]
    for row in found:
        print(row)
    if arguments.json is not None:
        told = {"surroundings": surroundings(), "rounds": {case: [asdict(row) for row in rows[case]] for case in cases}}
        arguments.json.write_text(json.dumps(told | {"medians": [asdict(row) for row in found]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
