"""What may be set on the page before a run: a choice of the run's knobs, and how they become words of a command.

What names files of this machine is not among them: who may press is not thereby one who may read and write here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hybridpress.config import Knob, knobs_by_name
from hybridpress.config.secrets import masked, masked_url
from hybridpress.errors import UsageError

MAIN = ("host", "qps", "concurrent", "processes", "duration", "stage")
MORE = (
    "iterations", "profile", "arrivals", "late", "catch_up", "slot_stage", "cpu_workers", "timeout", "param", "seed",
    "draw", "exhausted", "insecure",
)  # fmt: skip
NAMES = (*MAIN, *MORE)
MOST_CHARACTERS = 2_000


def is_secret(name: str, value: Any) -> bool:
    """Whether a setting may be one that is not for all who see the page: parameters, and a URL with a password."""
    return name == "param" or masked_url(str(value)) != str(value)


def fields(chosen: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fields of the form, with what was *chosen* so far, by the names of the knobs."""
    known = knobs_by_name()
    return [
        {
            "name": name,
            "flag": known[name].flag,
            "help": known[name].help,
            "metavar": known[name].metavar,
            "default": known[name].default_text,
            "value": _shown(known[name], chosen.get(name)),
            "is_main": name in MAIN,
            "is_flag": known[name].is_flag,
            "is_repeated": known[name].is_repeated,
        }
        for name in NAMES
    ]


def asked(settings: Mapping[str, Any]) -> list[str]:
    """The settings that a form came back with, as words of `hybridpress run`; empty ones are left out.

    Raises:
        UsageError: there is something else among them; all of it is named. What they mean is the command's matter.
    """
    mistakes = [f'"{name[:100]}" cannot be set from the page' for name in settings if name not in NAMES]
    for name, value in settings.items():
        knob = knobs_by_name().get(name)
        if knob is None or name not in NAMES or (knob.is_flag and isinstance(value, bool)):
            continue
        if not isinstance(value, str) or len(value) > MOST_CHARACTERS or "\0" in value:
            mistakes.append(f"{knob.flag} must be text, of at most {MOST_CHARACTERS} characters")
    if mistakes:
        raise UsageError(mistakes)
    return words(settings)


def words(settings: Mapping[str, Any]) -> list[str]:
    """Settings by the names of their knobs as words of `hybridpress run`."""
    found = []
    for name, value in settings.items():
        knob = knobs_by_name()[name]
        if knob.is_flag:
            found += [knob.flag] if value else []
        else:
            # One word with its flag: a value that begins with a dash is no flag of its own.
            found += [f"{knob.flag}={each}" for each in _several(knob, value)]
    return found


def shown(word: str) -> str:
    """A word of a command without what is secret in it."""
    flag, equals, value = word.partition("=")
    if flag == "--param":
        name, _, text = value.partition("=")
        return f"{flag}{equals}{name}={masked({name: text})[name]}"
    return f"{flag}{equals}{masked_url(value)}"


def _several(knob: Knob, value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{key}={item}" for key, item in value.items()]
    if isinstance(value, str):
        value = value.splitlines() if knob.is_repeated else [value]
    elif not isinstance(value, Iterable):
        value = [value]
    return [text for each in value if (text := str(each).strip())]


def _shown(knob: Knob, value: Any) -> Any:
    """A setting as it stands in its field: several in lines."""
    if knob.is_flag:
        return bool(value)
    return "" if value is None else "\n".join(_several(knob, value))
