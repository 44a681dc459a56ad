"""The command starts fast because it does not import what it does not need yet.

Judged by what is imported, not by a stopwatch: that holds on a busy machine too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.nginx import Nginx

HEAVY = ("aiohttp", "cryptography", "rich", "uvloop")
"""Packages that take tens of milliseconds each to import, and that a start can do without."""

FOR_SOME_RUNS = (
    "csv", "difflib", "email", "encodings.idna", "hmac", "http", "importlib.metadata", "secrets", "sqlite3",
    "sysconfig", "unittest", "xml",
)  # fmt: skip
"""Python's own modules that cost a millisecond or more with what they import, and that only some runs need."""

ROOMS_OF_A_RUN = ("hybridpress.coordinator", "hybridpress.report", "hybridpress.target", "hybridpress.worker")

PRINT_MODULES = "print(*sys.modules, sep='\\n', file=sys.stderr)"
COMMAND = f"""
import sys
from hybridpress.cli import main
sys.argv[0] = "hybridpress"
try:
    main()
finally:
    {PRINT_MODULES}
"""


def modules_after(code: str, *arguments: str) -> set[str]:
    """Names of all modules that are imported once *code* has run in a fresh interpreter."""
    command = [sys.executable, "-c", code, *arguments]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr
    return set(found.stderr.split())


def test_the_package_alone_is_light() -> None:
    """`import hybridpress` brings no engine, and none of the heavy packages."""
    modules = modules_after(f"import sys, hybridpress; {PRINT_MODULES}")
    assert modules.isdisjoint([*HEAVY, *ROOMS_OF_A_RUN, "hybridpress.cli", "hybridpress.run"])


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]], ids=" ".join)
def test_telling_about_itself_is_light(arguments: list[str]) -> None:
    """Version and help come without the engine: tab completion is made of the same, once a keystroke."""
    modules = modules_after(COMMAND, *arguments)
    assert modules.isdisjoint([*HEAVY, *ROOMS_OF_A_RUN])


@pytest.mark.slow
def test_a_scenario_is_light() -> None:
    """A scenario's own imports bring what it names, and no engine before run() is called."""
    modules = modules_after(f"import sys; from hybridpress import Press, check, step; {PRINT_MODULES}")
    assert modules.isdisjoint([*HEAVY, *ROOMS_OF_A_RUN])


SCENARIO = """
import sys
from pathlib import Path
from hybridpress import Press, check

class Plain(Press):
    async def press(self):
        reply = await self.http.get("/")
        check(reply.status == 200, "status is 200")

    async def stop(self):
        Path(self.params["to"]).write_text("\\n".join(sys.modules))
"""


@pytest.mark.slow
def test_a_plain_run_is_light(tmp_path: Path, nginx: Nginx) -> None:
    """A quiet run of plain requests brings nothing that only other runs need, and imports nothing twice: what a worker
    needs is there before the fork.
    """
    scenario, of_worker = tmp_path / "plain.py", tmp_path / "modules"
    scenario.write_text(SCENARIO)
    options = ["--iterations", "1", "--quiet", "--json", str(tmp_path / "result.json"), "--param", f"to={of_worker}"]
    in_coordinator = modules_after(COMMAND, "run", str(scenario), "--host", nginx.url, "--concurrent", "1", *options)
    in_worker = set(of_worker.read_text().split())
    unneeded = {*HEAVY, *FOR_SOME_RUNS} - {"uvloop"}
    assert (in_coordinator | in_worker).isdisjoint(unneeded)
    # Those of multiprocessing are the spawner's, which makes the channels; _sha2 takes Python 3.13 a moment, for seeds.
    assert {name for name in in_worker - in_coordinator if not name.startswith("multiprocessing.")} <= {"_sha2"}
