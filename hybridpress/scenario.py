"""Load a scenario, and say what is wrong with it, with file and line."""

from __future__ import annotations

import importlib.util
import inspect
import os
import site
import sys
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hybridpress.errors import ScenarioError, UsageError
from hybridpress.mixed import MixedPress, can_press, classes_of_parts
from hybridpress.press import Press
from hybridpress.vocab.table import Table, build_table

_MODULE_PREFIX = "hybridpress_scenario_"
_PACKAGE_DIR = str(Path(__file__).parent)
# sysconfig knows the same, and takes 2 ms to ask.
_LIBRARY_DIRS = (str(Path(os.__file__).parent), *site.getsitepackages())
_MAX_FRAMES = 6

is_loading = False
"""Whether a scenario file is being imported: a run() then was meant to stand under `if __name__ == "__main__"`."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How a scenario is written: how its press() is to be called, and what else there is to an iteration."""

    takes_word: bool
    blocks: bool = False
    """press() is a plain function, for a thread of its slot."""
    starts_blocking: bool = False
    """So is start() or stop()."""
    prepares: bool = False
    verifies: bool = False

    @property
    def has_stages(self) -> bool:
        """Whether there is more to an iteration than an async press()."""
        return self.blocks or self.starts_blocking or self.has_cpu_work

    @property
    def has_cpu_work(self) -> bool:
        return self.prepares or self.verifies


def load(spec: str) -> Press:
    """The scenario that "FILE" or "FILE:Class" names, made with its own defaults.

    Raises:
        ScenarioError: there is no such file, it does not import, or it holds no such class (or several).
    """
    file_name, colon, class_name = spec.rpartition(":")
    if not colon or not class_name.isidentifier():
        file_name, class_name = spec, ""
    path = Path(file_name)
    if not path.is_file():
        raise ScenarioError(f'there is no scenario file "{file_name}"')
    scenario_class = _pick(_import(path), path, class_name)
    try:
        return scenario_class()
    except Exception as error:
        raise ScenarioError(f"{scenario_class.__name__}() raised {told(error)}") from error


def label_of(press: Press) -> str:
    """How the result names a scenario: "file.py:Class"."""
    file = sys.modules[type(press).__module__].__dict__.get("__file__")
    where = _short(file) if file else type(press).__module__
    return f"{where}:{type(press).__name__}"


def shape_of(press: Press) -> Shape:
    """How press() is written.

    Raises:
        ScenarioError: press(), start() or stop() cannot be called as they should; all that is wrong is named.
    """
    name = type(press).__name__
    mistakes = []
    if type(press).press is Press.press:
        mistakes.append(f"{name} has no press(); it needs `async def press(self, word)` or `async def press(self)`")
        raise ScenarioError(mistakes)
    for method, most in (("press", 1), ("start", 0), ("stop", 0), ("vocab", 0)):
        function = getattr(press, method)
        if method == "vocab" and not callable(function):
            continue
        if (mistake := _wrong_call(f"{name}.{method}()", function, most)) is not None:
            mistakes.append(mistake)
    for method, wanted in (("prepare", ["word"]), ("verify", ["word", "reply"])):
        if (mistake := _wrong_work(f"{name}.{method}()", getattr(press, method), wanted)) is not None:
            mistakes.append(mistake)
    prepares = type(press).prepare is not Press.prepare
    if prepares and not mistakes and not _parameters(press.press):
        mistakes.append(
            f"{_where(press.prepare)}: {name}.prepare() makes what press() gets, but press() takes no word; "
            "write `press(self, word)`"
        )
    if mistakes:
        raise ScenarioError(mistakes)
    return Shape(
        takes_word=bool(_parameters(press.press)),
        blocks=not inspect.iscoroutinefunction(press.press),
        starts_blocking=not all(map(inspect.iscoroutinefunction, (press.start, press.stop))),
        prepares=prepares,
        verifies=type(press).verify is not Press.verify,
    )


def words_of(press: Press, shape: Shape) -> Table:
    """The word table of *press*, also put into its `vocab_list`; empty when it has none and press() takes no word.

    Raises:
        ScenarioError: vocab() raised, gave nothing, or gave no words; a source of words cannot be read.
    """
    name = type(press).__name__
    has_vocab = "vocab" in vars(press) or type(press).vocab is not Press.vocab
    try:
        words = build_table(press.vocab() if callable(press.vocab) else press.vocab, _dir_of(press))
    except UsageError as error:
        raise ScenarioError(error.mistakes) from error
    except Exception as error:
        raise ScenarioError(f"{name}.vocab() raised {told(error)}") from error
    if words is None:
        by_hand = getattr(press, "vocab_list", None)  # a constructor may have forgotten ours
        words = (build_table(by_hand, _dir_of(press)) if by_hand else None) or []
    press.vocab_list = words
    if not len(words) and has_vocab:
        raise ScenarioError(f"{name}.vocab() is empty: there is no word to press with")
    if not len(words) and shape.takes_word:
        raise ScenarioError(
            f"{_where(press.press)}: {name}.press() takes a word, but there is no vocab(); "
            "write one, or press() without a word"
        )
    return words


def _dir_of(press: Press) -> Path:
    """Where the scenario's file is."""
    file = sys.modules[type(press).__module__].__dict__.get("__file__")
    return Path(file).absolute().parent if file else Path.cwd()


def told(error: BaseException) -> str:
    """The error in words: kind, message, and the user's own frames (the last few), without ours and the libraries'."""
    if isinstance(error, SyntaxError) and error.filename:
        return "".join(traceback.format_exception_only(error)).strip()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_user_file(frame.filename)]
    text = f"{type(error).__name__}: {message_of(error)}".removesuffix(": ")
    return "\n".join([text, *traceback.format_list(frames[-_MAX_FRAMES:])]).rstrip()


def message_of(error: BaseException) -> str:
    """What the error says of itself."""
    try:
        return str(error)
    except Exception as worse:  # noqa: BLE001 (a __str__ of the user's)
        return f"(its __str__ raised {type(worse).__name__})"


def place_in(frame: FrameType | None, below: Collection[FrameType] = ()) -> str | None:
    """The innermost line of the user's code on the stack of *frame*: "slow.py:12 in press()"; None: there is none above
    the frames *below*, which are of whoever started the run.
    """
    while frame is not None and frame not in below:
        if is_user_file(frame.f_code.co_filename):
            return f"{_short(frame.f_code.co_filename)}:{frame.f_lineno} in {frame.f_code.co_name}()"
        frame = frame.f_back
    return None


def is_user_file(file_name: str) -> bool:
    """Whether code of this file is the user's: not ours, not Python's, not an installed library's."""
    if file_name.startswith("<"):
        return False
    return not file_name.startswith((_PACKAGE_DIR, *_LIBRARY_DIRS))


def _import(path: Path) -> Any:
    global is_loading
    module_name = _MODULE_PREFIX + path.stem
    while (known := sys.modules.get(module_name)) is not None and known.__file__ != str(path):
        module_name += "_"  # a file of the same name in another directory
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise ScenarioError(f'"{path}" is not a Python file; a scenario\'s name ends in .py')
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    sys.path.insert(0, str(path.absolute().parent))
    is_loading = True
    try:
        spec.loader.exec_module(module)
    except ScenarioError:
        raise
    except (Exception, SystemExit) as error:
        raise ScenarioError(f"{path} does not import: {told(error)}") from error
    finally:
        is_loading = False
    return module


def _pick(module: Any, path: Path, class_name: str) -> type[Press]:
    """The Press of *module* that is meant: the one named, or the only one that it defines."""
    presses = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Press) and value not in {Press, MixedPress}
    }
    if class_name:
        if class_name in presses:
            return presses[class_name]
        found = ", ".join(presses) or "none at all"
        raise ScenarioError(f"{path} has no Press named {class_name}; it has {found}")
    different = list(dict.fromkeys(presses.values()))
    own = [value for value in different if value.__module__ == module.__name__]
    candidates = [value for value in own or different if can_press(value)] or own
    mixed = {
        part for value in candidates if issubclass(value, MixedPress) for part in classes_of_parts(value) - {value}
    }
    candidates = [value for value in candidates if value not in mixed] or candidates
    if not candidates:
        raise ScenarioError(f"{path} has no scenario: no class in it is a subclass of hybridpress.Press")
    if len(candidates) > 1:
        names = [value.__name__ for value in candidates]
        raise ScenarioError(f"{path} has several scenarios ({', '.join(names)}); name one: {path}:{names[0]}")
    return candidates[0]


def _wrong_call(name: str, function: Any, most: int) -> str | None:
    """What is wrong with a method that is called with up to *most* arguments; None when nothing is."""
    wanted = "self, or self and a word" if most else "self alone"
    if not callable(function):
        return f"{name} must be a method, but it is {function!r}"
    if most and (inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)):
        return f"{_where(function)}: {name} must not yield; it is one iteration, `async def` with `await`"
    try:
        parameters = _parameters(function)
    except (TypeError, ValueError):
        return None
    needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
    if len(needed) > most or any(p.kind is p.KEYWORD_ONLY for p in needed):
        return f"{_where(function)}: {name} takes {len(needed) + 1} parameters; it may take {wanted}"
    return None


def _wrong_work(name: str, function: Any, wanted: list[str]) -> str | None:
    """What is wrong with a method of CPU work, which is called with exactly *wanted*; None when nothing is."""
    if not callable(function):
        return f"{name} must be a method, but it is {function!r}"
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(is_kind(function) for is_kind in kinds):
        return f"{_where(function)}: {name} is work for the CPU: a plain `def`, without async and without yield"
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*wanted)
    except TypeError:
        return f"{_where(function)}: {name} takes other parameters; it is called with self, {' and '.join(wanted)}"
    return None


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Parameters without self and without **keywords and keyword-only ones that have a default."""
    found = inspect.signature(function).parameters.values()
    return [
        p for p in found if p.kind is not p.VAR_KEYWORD and not (p.kind is p.KEYWORD_ONLY and p.default is not p.empty)
    ]


def _where(function: Any) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{_short(code.co_filename)}:{code.co_firstlineno}" if code else "?"


def _short(file_name: str) -> str:
    """The file's path from here, where that is shorter."""
    try:
        return str(Path(file_name).absolute().relative_to(Path.cwd()))
    except ValueError:
        return file_name
