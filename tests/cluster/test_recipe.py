"""What is shipped to nodes, and how a scenario is made there of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybridpress.cluster import recipe
from hybridpress.cluster.recipe import Stage, made
from hybridpress.errors import UsageError
from hybridpress.mixed import MixedPress
from hybridpress.press import Press
from hybridpress.scenario import load

SCENARIO = """
from hybridpress import MixedPress, Press
from {module} import WORD


class First(Press):
    qps = 5

    async def press(self):
        return WORD


class Second(Press):
    async def press(self):
        pass
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A scenario with a module beside it, a data file, and what is not to be shipped."""
    module = f"beside_{abs(hash(str(tmp_path)))}"
    found = tmp_path / "scenario"
    (found / "data").mkdir(parents=True)
    (found / "press.py").write_text(SCENARIO.format(module=module))
    (found / f"{module}.py").write_text("WORD = 1\n")
    (found / "data" / "ids.csv").write_text("id\n1\n")
    for skipped in (".git", "__pycache__", "venv"):
        (found / skipped).mkdir()
        (found / skipped / "large").write_text("x" * 1000)
    (found / "venv" / "pyvenv.cfg").write_text("")
    before, path = set(sys.modules), list(sys.path)
    yield found
    sys.path[:] = path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def shipped(stage: Path) -> set[str]:
    return {str(path.relative_to(stage)) for path in stage.rglob("*") if path.is_file()}


def test_the_folder_is_shipped(folder: Path, tmp_path: Path) -> None:
    """All that lies beside the scenario, but what is hidden, cached or installed; and it is made of that."""
    stage = Stage(tmp_path / "stage")
    press = load(f"{folder / 'press.py'}:First")
    press.settings = {"concurrent": 7}
    found = stage.add(press)
    assert {path for path in shipped(tmp_path / "stage") if "beside" not in path} == {"0/press.py", "0/data/ids.csv"}
    again = made(found, tmp_path / "stage")
    assert type(again).__name__ == "First"
    assert (vars(again)["concurrent"], again.settings) == (7, {"concurrent": 7})
    assert str(tmp_path / "stage") in str(sys.modules[type(again).__module__].__file__)


def test_a_mix(folder: Path, tmp_path: Path) -> None:
    """A mix is made of its parts, each with its share."""
    stage = Stage(tmp_path / "stage")
    first, second = (load(f"{folder / 'press.py'}:{name}") for name in ("First", "Second"))
    again = made(stage.add(MixedPress({first: 7, second: 3}, qps=9)), tmp_path / "stage")
    assert isinstance(again, MixedPress)
    assert [(type(press).__name__, share) for press, share in again.parts.items()] == [("First", 7), ("Second", 3)]
    assert again.settings == {"qps": 9}


def test_what_is_too_large(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file stays where it is; a folder that is too much is refused."""
    press = load(f"{folder / 'press.py'}:First")
    monkeypatch.setattr(recipe, "MAX_FILE_BYTES", 5_000)
    (folder / "big.csv").write_text("x" * 10_000)
    stage = Stage(tmp_path / "stage")
    stage.add(press)
    assert stage.large == [folder / "big.csv"]
    monkeypatch.setattr(recipe, "MAX_FILES", 1)
    with pytest.raises(UsageError, match="is too much to ship to the nodes"):
        Stage(tmp_path / "other").add(press)


def test_a_scenario_without_a_file(tmp_path: Path) -> None:
    """What cannot be made anew on a node is refused."""

    class Inner(Press):
        async def press(self) -> None:
            pass

    with pytest.raises(UsageError, match="Inner must stand in a file"):
        Stage(tmp_path).add(Inner())
