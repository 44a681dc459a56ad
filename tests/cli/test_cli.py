"""The command line: every command and option has its help, and what cannot be understood exits with 2."""

from __future__ import annotations

import io
import keyword
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from hybridpress import Press, __version__
from hybridpress.cli import COMMANDS, cli, main
from hybridpress.cli.run import given
from hybridpress.cli.target import summary
from hybridpress.config import knobs
from hybridpress.errors import (
    EXIT_BROKEN,
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    InterruptedRunError,
    RunError,
    UsageError,
)
from hybridpress.scenario import load, shape_of, words_of


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def run(*args: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `hybridpress ARGS`, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        with pytest.raises(SystemExit) as exit_:
            main(list(args))
    assert isinstance(exit_.value.code, int)
    return exit_.value.code, out.getvalue(), err.getvalue()


# help


def test_the_help_lists_every_command() -> None:
    """`--help`, and `-h`, show each command with what it is for."""
    for flag in ("--help", "-h"):
        code, out, _ = run(flag)
        assert code == EXIT_DONE
        for name, purpose in COMMANDS.items():
            assert re.search(rf"^  {name} +{re.escape(purpose[:30])}", out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_lists_every_option(name: str) -> None:
    """Each command's help shows each of its options, which each have a text of their own."""
    code, out, _ = run(name, "--help")
    assert code == EXIT_DONE
    found = command(name)
    assert found.help
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert all(flag in out for flag in parameter.opts)


def test_every_knob_is_an_option() -> None:
    """`run` takes each knob of a run under its flag, with its help and its default."""
    options = {option.name: option for option in command("run").params if isinstance(option, click.Option)}
    for knob in knobs().values():
        option = options[knob.name]
        assert option.opts == [knob.flag]
        assert option.help is not None
        assert option.help.startswith(knob.help)
        assert knob.default_text in option.help
        assert (option.is_flag, option.multiple) == (knob.is_flag, knob.is_repeated)
    assert options.keys() - {knob.name for knob in knobs().values()} == {"once"}


def test_the_help_shows_an_example_and_the_exit_codes() -> None:
    """Whoever reads the help of `run` can type a command, and knows what it will return."""
    _, out, _ = run("run", "--help")
    assert re.search(r"hybridpress run \S+\.py --host \S+ --qps", out)
    for code in (0, 1, 2, 3, 130):
        assert re.search(rf"\b{code}\b", out)


def test_the_version() -> None:
    """`--version` is the package's."""
    code, out, _ = run("--version")
    assert code == EXIT_DONE
    assert __version__ in out


# bad usage


@pytest.mark.parametrize(
    "args",
    [
        ["run", "query.py", "--no-such-option"],
        ["run", "--no-such-option"],
        ["run"],
        ["run", "a.py", "b.py"],
        ["no-such-command"],
        ["--no-such-option"],
        [],
        ["init"],
        ["target", "--port", "high"],
        ["target", "--port", "65536"],
        ["target", "--processes", "0"],
        ["demo", "--host"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_understood(args: list[str]) -> None:
    """Unknown commands and options, and missing words, exit with 2 and say something on stderr alone."""
    code, out, err = run(*args)
    assert (code, out) == (EXIT_USAGE, "")
    assert err


def test_a_mistyped_option() -> None:
    """The nearest option is proposed."""
    _, _, err = run("run", "query.py", "--concurent", "3")
    assert "--concurrent" in err


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """It is told in one line, and nothing was sent."""
    code, out, err = run("run", str(tmp_path / "no.py"))
    assert (code, out) == (EXIT_USAGE, "")
    assert err == f'hybridpress: there is no scenario file "{tmp_path / "no.py"}"\n'


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """Every setting that is wrong is told, a line each."""
    file = tmp_path / "query.py"
    file.write_text("from hybridpress import Press\nclass A(Press):\n    async def press(self): pass\n")
    code, _, err = run("run", str(file), "--qps", "fast", "--concurrent", "0", "--duration", "soon")
    assert code == EXIT_USAGE
    assert [line.split()[1] for line in err.splitlines()] == ["--qps", "--concurrent", "--duration"]
    assert all(line.startswith("hybridpress: ") for line in err.splitlines())


@pytest.mark.parametrize("once", [False, True])
def test_once_checks_the_settings_too(tmp_path: Path, *, once: bool) -> None:
    """A bad setting is bad usage, whichever way the scenario is run."""
    file = tmp_path / "query.py"
    file.write_text("from hybridpress import Press\nclass A(Press):\n    async def press(self): pass\n")
    code, _, err = run("run", str(file), "--qps", "fast", *(["--once"] if once else []))
    assert code == EXIT_USAGE
    assert "--qps must be a rate" in err


@pytest.mark.parametrize(("raises", "code"), [("", EXIT_DONE), ("raise ValueError('no such VM')", EXIT_BROKEN)])
def test_once(tmp_path: Path, capsys: pytest.CaptureFixture[str], raises: str, code: int) -> None:
    """`--once` runs one iteration, and says by its exit code whether it failed."""
    file = tmp_path / "query.py"
    file.write_text(
        "from hybridpress import Press, check\nclass A(Press):\n"
        f"    async def press(self):\n        check(True, 'is there')\n        {raises}\n        return 'a reply'\n"
    )
    with pytest.raises(SystemExit) as exit_:
        main(["run", str(file), "--once"])
    assert exit_.value.code == code
    out = capsys.readouterr().out
    assert "is there" in out
    assert ("no such VM" if raises else "a reply") in out


# how errors end the command


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (
            UsageError(["--qps is wrong", "--host is, too"]),
            EXIT_USAGE,
            "hybridpress: --qps is wrong\nhybridpress: --host is, too\n",
        ),
        (RunError("all worker processes died"), EXIT_BROKEN, "hybridpress: all worker processes died\n"),
        (InterruptedRunError(), EXIT_INTERRUPTED, "hybridpress: interrupted before the load began\n"),
        (click.UsageError("what?"), EXIT_USAGE, "Error: what?\n"),
        (click.Abort(), EXIT_INTERRUPTED, ""),
        (KeyboardInterrupt(), EXIT_INTERRUPTED, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_errors_become_exit_codes(monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, says: str) -> None:
    """Each of our errors ends the command with its own code and its message, without a traceback."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)
    assert run() == (code, "", says)


def test_the_reader_of_our_output_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed pipe (`| head`) ends the command without a complaint."""

    def fail(*args: Any, **kwargs: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(cli, "main", fail)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with pytest.raises(SystemExit) as exit_:
        main([])
    assert exit_.value.code == EXIT_BROKEN


def test_only_what_was_given() -> None:
    """An option that was not given is no setting; a flag that was is."""
    assert given({"qps": None, "param": (), "quiet": True, "host": ""}) == {"quiet": True, "host": ""}


# init


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return lambda *args: run("init", *args)


Init = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("name", "file", "class_name"),
    [
        ("query", "query.py", "Query"),
        ("query_vm", "query_vm.py", "QueryVm"),
        ("query-vm.py", "query-vm.py", "QueryVm"),
        ("1st", "1st.py", "Scenario"),
        ("my.query", "my.query.py", "Scenario"),
        ("press", "press.py", "Press"),
        ("check", "check.py", "Check"),
        ("iterator", "iterator.py", "Iterator"),
        ("none", "none.py", "Scenario"),
        ("class", "class.py", "Class"),
        ("größe", "größe.py", "Größe"),
    ],
)
def test_init_writes_what_can_be_run(init: Init, name: str, file: str, class_name: str) -> None:
    """Whatever it is called, the file loads, and is a scenario with a word table and a host."""
    code, out, _ = init(name, "--host", "http://127.0.0.1:9")
    assert code == EXIT_DONE
    assert file in out
    press = load(file)
    assert isinstance(press, Press)
    assert not keyword.iskeyword(type(press).__name__)
    assert type(press).__name__ == class_name
    shape = shape_of(press)
    assert shape.takes_word
    assert len(words_of(press, shape)) == 1_000
    assert press.host == "http://127.0.0.1:9"


def test_init_overwrites_nothing(init: Init) -> None:
    """A file that is there stays as it is."""
    Path("query.py").write_text("mine")
    code, out, err = init("query")
    assert (code, out) == (EXIT_USAGE, "")
    assert err == 'hybridpress: "query.py" exists already; choose another name, or remove it\n'
    assert Path("query.py").read_text() == "mine"


def test_init_into_a_directory(init: Init) -> None:
    """A directory may be named, if it is there."""
    Path("sub").mkdir()
    assert init("sub/query")[0] == EXIT_DONE
    assert Path("sub/query.py").is_file()
    code, _, err = init("nowhere/query")
    assert code == EXIT_USAGE
    assert 'there is no directory "' in err


@pytest.mark.parametrize("host", ["localhost", "ftp://a", "", "http://a:0"])
def test_init_looks_at_the_host(init: Init, host: str) -> None:
    """A host that `run` would refuse is refused before a file is written with it."""
    code, _, err = init("query", "--host", host)
    assert (code, Path("query.py").exists()) == (EXIT_USAGE, False)
    assert "--host" in err


# target


def test_the_targets_port_is_taken() -> None:
    """A port that cannot be had is told in one message."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        code, _, err = run("target", "--port", str(listener.getsockname()[1]))
    assert code != EXIT_DONE
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("statuses", "line"),
    [
        ({}, "answered 1,234 requests over 5 connections"),
        ({"200": 1_200, "0": 34}, "answered 1,234 requests over 5 connections (200: 1,200, reset: 34)"),
    ],
)
def test_what_the_target_counted(statuses: dict[str, int], line: str) -> None:
    """Its last words are one line."""
    assert summary({"requests": 1_234, "connections": {"accepted": 5}, "statuses": statuses}) == line


def test_with_clicks_own_runner() -> None:
    """The group serves click's runner as well, which other programs may use."""
    found = CliRunner().invoke(cli, ["--version"])
    assert (found.exit_code, __version__ in found.output) == (0, True)
