"""How one setting is named, read and explained, and where settings come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Knob:
    """How one setting is named, read and explained."""

    name: str
    parse: Callable[[Any], Any]
    help: str
    metavar: str = ""
    default_text: str = ""
    is_flag: bool = False
    is_repeated: bool = False
    bare: str = ""
    """What the flag means where no value follows it; empty: one must."""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


@dataclass(frozen=True, slots=True)
class Layer:
    """Settings from one place. Later layers are stronger. `label` makes a setting's name into what the user wrote."""

    settings: Mapping[str, Any]
    label: Callable[[str], str]


def knob(default: Any, knob: Knob) -> Any:
    """A field of settings, with *default* and all that is said of it."""
    if isinstance(default, dict):
        return field(default_factory=dict, metadata={"knob": knob})
    return field(default=default, metadata={"knob": knob})
