"""The command starts fast because it does not import what it does not need yet.

Judged by what is imported, not by a stopwatch: that holds on a busy machine too.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "cryptography", "rich", "uvloop")
"""Packages that take tens of milliseconds each to import, and that a start can do without."""

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
