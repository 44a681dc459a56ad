"""The documents say what the code does: every command, every option, every row of the table of imports."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from hybridpress.cli import cli
from hybridpress.config import knobs
from hybridpress.target import Target
from tests.support.readme import options_in, options_table
from tests.test_layers import MAY_IMPORT

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL_BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


def commands() -> dict[str, click.Command]:
    """Every command of `hybridpress`, by name."""
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def flags_of(command: click.Command) -> set[str]:
    """Every option that *command* takes, in its long form."""
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return {flag for option in options for flag in option.opts if flag.startswith("--")}


def test_every_setting_is_in_the_readme() -> None:
    """The table of options is the one that the settings themselves make."""
    assert options_in(README) == options_table(), "write it anew: make readme"
    assert all(f"`{knob.flag}" in README for knob in knobs().values())


def test_every_command_is_in_the_readme() -> None:
    """Each command and each option of it is named, and each has its help."""
    for name, command in commands().items():
        assert f"hybridpress {name}" in README
        assert command.help, f"{name} has no help"
    assert flags_of(commands()["run"]) <= set(re.findall(r"--[a-z][a-z-]*", README))


def test_the_readme_shows_no_command_that_is_not_there() -> None:
    """Every command line in the README could be typed."""
    known = commands()
    for line in "".join(SHELL_BLOCKS).splitlines():
        words = shlex.split(line)
        if words[:1] == ["hybridpress"]:
            assert {word for word in words if word.startswith("--")} <= flags_of(known[words[1]]), line


@pytest.mark.slow
@pytest.mark.parametrize("source", PYTHON_BLOCKS, ids=[f"example {n}" for n, _ in enumerate(PYTHON_BLOCKS, 1)])
def test_scenarios_in_the_readme_work(source: str, tmp_path: Path, no_stray_processes: None) -> None:
    """Each example does one iteration against the target, without an error and with its checks fulfilled."""
    file = tmp_path / "example.py"
    file.write_text(source)
    with Target() as target:
        command = [sys.executable, "-m", "hybridpress", "run", str(file), "--host", target.url, "--once"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        n_answered = target.stats()["requests"]
    assert found.returncode == 0, found.stdout + found.stderr
    assert n_answered > 0


def test_the_table_of_imports_is_the_one_that_is_checked() -> None:
    """CONTRIBUTING.md and tests/test_layers.py say the same of every room."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", CONTRIBUTING, re.MULTILINE)
    told = {room: set(allowed.split(", ")) - {"nothing"} for room, allowed in rows}
    assert told.pop("run") == {"everything but `cli` and `pytest_plugin`"}
    assert told == {room: allowed for room, allowed in MAY_IMPORT.items() if room != "run"}
    assert MAY_IMPORT["run"] == MAY_IMPORT.keys() - {"run", "cli", "pytest_plugin", "__init__", "__main__"}


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README.md", "CONTRIBUTING.md"])
def test_files_that_are_named_exist(text: str) -> None:
    """Files and folders of the project that a document names are there."""
    named = re.findall(r"`((?:tests|scenarios|bench|hybridpress)/[\w./]*)`", text)
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


FAULTS = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", (ROOT / "tests" / "README.md").read_text())


def test_the_table_of_faults_names_tests_that_are_there() -> None:
    """Every file of tests that the table names exists, with the test that it names."""
    assert len(FAULTS) > 30
    for file, test in FAULTS:
        path = ROOT / "tests" / file
        assert path.is_file(), file
        assert f"def {test}" in path.read_text(), f"{file}::{test}"
