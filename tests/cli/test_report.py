"""`hybridpress report`: any output from a result file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hybridpress.cli import cli
from hybridpress.errors import UsageError
from hybridpress.report.csv import CsvFiles
from hybridpress.report.json import write_json
from hybridpress.report.junit import JunitFile
from hybridpress.report.markdown import MarkdownFile
from hybridpress.report.page import HtmlFile
from tests.report.made import result_of, second, steps

RESULT = result_of([second(0, steps=steps(3))])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    write_json(RESULT, str(path))
    return path


def report(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, ["report", *map(str, args)])


def test_the_same_as_at_the_end_of_the_run(file: Path, tmp_path: Path) -> None:
    """What is made of the file is, byte for byte, what the run would have written."""
    later, then = tmp_path / "later", tmp_path / "then"
    later.mkdir()
    then.mkdir()
    files: list[str | Path] = ["--json", later / "r.json", "--html", later / "r.html", "--csv", later / "r"]
    made = report(file, *files, "--junit", later / "r.xml", "--markdown", later / "r.md")
    assert (made.exit_code, made.output) == (0, "")
    write_json(RESULT, str(then / "r.json"))
    for output in (
        HtmlFile(f"{then}/r.html"),
        CsvFiles(f"{then}/r"),
        JunitFile(f"{then}/r.xml"),
        MarkdownFile(f"{then}/r.md"),
    ):
        output.finished(RESULT)
    names = sorted(path.name for path in then.iterdir())
    assert names == sorted(path.name for path in later.iterdir())
    for name in names:
        assert (later / name).read_bytes() == (then / name).read_bytes(), name


def test_without_an_option(file: Path) -> None:
    """The summary, as it was printed then."""
    made = report(file)
    assert made.exit_code == 0
    assert made.output.startswith("\nvalid: the generator kept up")


def test_bad_usage(file: Path, tmp_path: Path) -> None:
    """All mistakes are told at once, and nothing is written."""
    file.write_text("{")
    made = report(file, "--csv", tmp_path / "none" / "x", "--junit", tmp_path / "r.xml")
    assert isinstance(made.exception, UsageError)
    told = str(made.exception)
    assert "--csv must be in a directory that exists" in told
    assert str(file) in told
    assert not (tmp_path / "r.xml").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_what_cannot_be_written(file: Path) -> None:
    made = report(file, "--junit", "/dev/full")
    assert made.exit_code == 1
    assert 'hybridpress: --junit: cannot write the test report to "/dev/full": No space left' in made.output
