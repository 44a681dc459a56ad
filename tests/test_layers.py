"""Who may import whom. The table stands here as data, and in CONTRIBUTING.md for people."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.imports import Import, imports_of

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hybridpress"
MAX_LINES = 500

FRONT = "__init__"
"""The name by which the table speaks of `hybridpress/__init__.py`."""

MAY_IMPORT = {
    room: set(rooms.split())
    for room, rooms in {
        "__init__": "errors load metrics mixed press vocab",
        "__main__": "cli",
        "errors": "",
        "clock": "",
        "hot": "clock",
        "machine": "",
        "control": "errors",
        "units": "errors",
        "load": "errors units",
        "metrics": "errors hot units",
        "clients": "errors clock hot",
        "vocab": "errors units load",
        "press": "errors clock clients vocab",
        "mixed": "errors load press units",
        "scenario": "errors mixed press vocab",
        "parts": "config errors load mixed press scenario vocab",
        "settings": "errors load machine units",
        "config": "errors machine settings units load metrics vocab",
        "ipc": "errors load metrics config",
        "worker": "errors clock hot machine units load metrics clients vocab press parts scenario config ipc",
        "coordinator": "errors clock control machine units load metrics config ipc",
        "report": "errors units metrics config",
        "web": "config errors metrics report",
        "cluster": "errors clock control machine units load metrics mixed parts press scenario config vocab ipc "
        "coordinator report run",
        "target": "errors clock machine units clients.thrift",
        "run": "errors clock control hot machine settings units load metrics clients vocab press mixed parts scenario "
        "config ipc worker coordinator report web cluster target",
        "pytest_plugin": "errors metrics press run scenario units",
        "cli": "errors control hot units metrics mixed press scenario config report target run",
    }.items()
}

INSIDE_FUNCTIONS = {"press": {"run"}}
"""Only inside a function: `Press.run()` is the one door from a scenario to the engine."""

FOR_TYPES = {"press": {"metrics"}}
"""Only under `if TYPE_CHECKING`: `Press.run()` returns a Result."""

ARITHMETIC = {"load", "metrics"}
"""Rooms that know neither a clock nor a loop and do no I/O."""
NOT_ARITHMETIC = {
    "asyncio", "datetime", "multiprocessing", "select", "selectors", "signal", "socket", "ssl", "subprocess",
    "threading", "time", "uvloop",
}  # fmt: skip

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """The name by which the module at *path* is imported."""
    words = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(words[:-1] if words[-1] == "__init__" else words)


def room_of(module: str) -> str:
    """The room of a module: "load" for "hybridpress.load.pacer". The version alone is at the front."""
    words = module.removesuffix(".__version__").split(".")
    return words[1] if len(words) > 1 else FRONT


def may_import(room: str, wanted: Import) -> bool:
    """Whether *room* may import, in this way, a module of the package."""
    target = room_of(wanted.module)
    if target in {room, FRONT}:
        return True
    path = wanted.module.removeprefix("hybridpress.") + "."
    return (
        any(path.startswith(allowed + ".") for allowed in MAY_IMPORT[room])
        or (wanted.inside_function and target in INSIDE_FUNCTIONS.get(room, ()))
        or (wanted.for_types and target in FOR_TYPES.get(room, ()))
    )


def mistakes_in(source: str, module: str, package: str) -> list[str]:
    """What *module* of *package* imports against the table, a sentence each."""
    room = room_of(module)
    mistakes = []
    for wanted in imports_of(source, package):
        top = wanted.module.partition(".")[0]
        if top == "hybridpress" and not may_import(room, wanted):
            allowed = ", ".join(sorted(MAY_IMPORT[room])) or "nothing"
            mistakes.append(f"line {wanted.line} imports {wanted.module}, but {room} may import {allowed}")
        if room in ARITHMETIC and top in NOT_ARITHMETIC:
            mistakes.append(f"line {wanted.line} imports {wanted.module}, but {room} is arithmetic only")
    return mistakes


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_what_its_room_may(path: Path) -> None:
    """No module imports, at any depth, what the table does not give to its room."""
    module = name_of(path)
    assert room_of(module) in MAY_IMPORT, f"{room_of(module)} has no row in the table of imports"
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    assert mistakes_in(path.read_text(), module, package) == []


@pytest.mark.parametrize(
    ("room", "statement", "is_right"),
    [
        ("load", "from hybridpress.units import NS_PER_S", True),
        ("load", "import hybridpress.metrics.histogram", False),
        ("load", "import time", False),
        ("metrics", "from asyncio.events import get_running_loop", False),
        ("worker", "from hybridpress import __version__", True),
        ("worker", "from hybridpress import Press", False),
        ("worker", "from hybridpress import load", True),
        ("worker", "from hybridpress import coordinator", False),
        ("worker", "from ..coordinator import state", False),
        ("worker", "from . import slots", True),
        ("report", "def show():\n    from hybridpress.ipc.messages import Counts", False),
        ("report", "if TYPE_CHECKING:\n    import hybridpress.worker", False),
        ("target", "from hybridpress.clients.thrift.binary import read", True),
        ("target", "from hybridpress.clients.thrifty import read", False),
        ("target", "from hybridpress.clients.http import HttpClient", False),
        ("press", "from hybridpress.run import run_scenario", False),
        ("press", "class Press:\n    def run(self):\n        from hybridpress.run import run_scenario", True),
        ("press", "from hybridpress.metrics.result import Result", False),
        ("press", "if TYPE_CHECKING:\n    from hybridpress.metrics.result import Result", True),
        ("cli", "from hybridpress.worker.process import work", False),
        ("run", "from hybridpress.cli import main", False),
    ],
)
def test_tells_right_from_wrong(room: str, statement: str, *, is_right: bool) -> None:
    """The judge itself: what it lets pass, and what it does not."""
    assert (mistakes_in(statement, f"hybridpress.{room}.some", f"hybridpress.{room}") == []) is is_right


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_says_what_it_is_for(path: Path) -> None:
    """Every module opens with a docstring, and is not too long to be read in one go."""
    source = path.read_text()
    assert (ast.get_docstring(ast.parse(source)) or "").strip(), f"{name_of(path)} has no docstring"
    assert source.count("\n") <= MAX_LINES, f"{name_of(path)} is longer than {MAX_LINES} lines: look for a second noun"


# One interpreter for all modules of a room, one fork of it for each module: as fresh, and a tenth of the time.
IMPORT_EACH_ALONE = textwrap.dedent("""
    import importlib, os, sys

    failed = []
    for name in sys.argv[1:]:
        pid = os.fork()
        if pid == 0:
            try:
                importlib.import_module(name)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            failed.append(name)
    sys.exit(f"failed alone: {', '.join(failed)}" if failed else 0)
""")


@pytest.mark.slow
@pytest.mark.parametrize("room", sorted({room_of(name_of(path)) for path in MODULES} - {"__main__"}))
def test_imports_alone(room: str) -> None:
    """Each module can be the first that is imported, without a warning."""
    names = [name_of(path) for path in MODULES if room_of(name_of(path)) == room and path.stem != "__main__"]
    command = [sys.executable, "-W", "error", "-c", IMPORT_EACH_ALONE, *names]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stderr
