"""A scenario on other machines: the files that it is made from, and how it is made of them anew.

What is shipped is the folder of each scenario file, with all below it, and the local modules that the scenario has
imported from elsewhere. What is hidden, cached, or a virtual environment stays here, and so do files that are too
large.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hybridpress.cluster.messages import Recipe
from hybridpress.errors import UsageError
from hybridpress.mixed import MixedPress, Share
from hybridpress.press import Press
from hybridpress.scenario import is_user_file, load
from hybridpress.units import format_bytes, format_count

MAX_FILE_BYTES = 64 * 2**20
"""A file that is larger is expected to be on every node."""
MAX_BYTES = 200 * 2**20
MAX_FILES = 10_000
MODULES = "modules"
_SKIPPED = {"__pycache__", "node_modules"}


@dataclass(slots=True)
class Stage:
    """A folder to be shipped, filled by `add`."""

    folder: Path
    large: list[Path] = field(default_factory=list)
    """Files that were left out, for their size."""
    _folders: dict[Path, str] = field(default_factory=dict)
    _n_bytes: int = 0
    _n_files: int = 0

    def add(self, press: Press) -> Recipe:
        """Ship what *press* is made from. Returns how it is made.

        Raises:
            UsageError: it cannot be made from a file, or there is too much to ship.
        """
        settings = dict(press.settings)
        if type(press) is MixedPress:
            pairs = press.parts.items() if isinstance(press.parts, Mapping) else [(part, None) for part in press.parts]
            parts = tuple((self.add(part() if isinstance(part, type) else part), share) for part, share in pairs)
            return Recipe("", "", settings, parts)
        name = type(press).__name__
        file = sys.modules[type(press).__module__].__dict__.get("__file__")
        if file is None or "." in type(press).__qualname__:
            raise UsageError(
                f"{name} must stand in a file, at the outermost level: over a cluster each node makes it from there"
            )
        path = Path(file).absolute()
        return Recipe(f"{self._shipped(path.parent)}/{path.name}", name, settings)

    def add_modules(self) -> None:
        """Ship the local modules that are imported by now, from other folders than the scenarios'."""
        for top in sorted(_local_modules()):
            path = _path_of(top)
            if path is None or any(path.is_relative_to(folder) for folder in self._folders):
                continue
            if path.is_dir():
                self._copy(path, self.folder / MODULES / top)
            else:
                self._copy_file(path, self.folder / MODULES / path.name)

    def _shipped(self, folder: Path) -> str:
        if folder not in self._folders:
            self._folders[folder] = str(len(self._folders))
            self._copy(folder, self.folder / self._folders[folder])
        return self._folders[folder]

    def _copy(self, source: Path, target: Path) -> None:
        for file in _files_of(source):
            self._copy_file(file, target / file.relative_to(source))

    def _copy_file(self, file: Path, target: Path) -> None:
        n_bytes = file.stat().st_size
        if n_bytes > MAX_FILE_BYTES:
            self.large.append(file)
            return
        self._n_bytes += n_bytes
        self._n_files += 1
        if self._n_bytes > MAX_BYTES or self._n_files > MAX_FILES:
            raise UsageError(
                f'the folder "{file.parent}" is too much to ship to the nodes of a cluster (more than '
                f"{format_bytes(MAX_BYTES)}, or than {format_count(MAX_FILES)} files): give the scenario one of its own"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def made(recipe: Recipe, folder: Path) -> Press:
    """The scenario of *recipe*, of the files in *folder*.

    Raises:
        UsageError: it cannot be made.
    """
    if recipe.parts:
        parts = [(made(part, folder), share) for part, share in recipe.parts]
        press: Press = MixedPress({part: _share(share) for part, share in parts})
    else:
        if str(folder / MODULES) not in sys.path:
            sys.path.append(str(folder / MODULES))
        press = load(f"{folder / recipe.file}:{recipe.name}")
    for name, value in recipe.settings.items():
        setattr(press, name, value)
    press.settings = recipe.settings
    return press


def _share(share: object) -> object:
    return Share() if share is None else share


def _files_of(folder: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        here = Path(where)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and name not in _SKIPPED and not (here / name / "pyvenv.cfg").exists()
        ]
        for name in files:
            path = here / name
            if not name.startswith(".") and not name.endswith(".pyc") and path.is_file():
                yield path


def _local_modules() -> set[str]:
    """The outermost names of modules that are neither installed nor ours."""
    found = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and name != "__main__" and not name.startswith("hybridpress") and is_user_file(str(Path(file))):
            found.add(name.partition(".")[0])
    return found


def _path_of(module: str) -> Path | None:
    """Where the outermost *module* is: a folder if it is a package, else a file."""
    found = sys.modules.get(module)
    file = getattr(found, "__file__", None)
    if file:
        path = Path(file).absolute()
        return path.parent if path.name == "__init__.py" else path
    folders = list(getattr(found, "__path__", []))
    return Path(folders[0]).absolute() if folders else None
