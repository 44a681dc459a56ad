"""The load in the words of a command line: profiles as sums of calls, stages, shares."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from hybridpress.errors import UsageError
from hybridpress.load.profile import Hold, Profile, constant, hold, parse_stages, ramp, sine, spike, steps

_CALLS: dict[str, Callable[..., Profile | Hold]] = {
    call.__name__: call for call in (constant, ramp, hold, steps, spike, sine)
}
_CALL = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*")
_EXAMPLE = '"ramp(0, 500, 1m) + hold(5m)"'


def parse_profile(value: object) -> Profile:
    """A profile from words such as "ramp(0, 500, 1m) + hold(5m)", or one that is ready made.

    Raises:
        UsageError: all that is wrong with the calls, or a profile that asks for nothing.
    """
    if isinstance(value, Profile):
        return value.checked()
    if not isinstance(value, str):
        raise UsageError(f"must be a profile such as {_EXAMPLE}, got {value!r}")
    mistakes: list[str] = []
    parts = []
    # A + is between a call's end and the next one's beginning; what is between is no business of ours.
    for word in re.split(r"(?<=\))\s*\+", value):
        try:
            parts.append(_called(word, value))
        except UsageError as error:
            mistakes += error.mistakes
    if mistakes:
        raise UsageError(list(dict.fromkeys(mistakes)))
    whole, *rest = parts
    for part in rest:
        whole = whole + part  # Hold says itself that it cannot begin a profile
    if isinstance(whole, Hold):
        raise UsageError(f'must begin with a rate for hold() to hold, such as {_EXAMPLE}, got "{value}"')
    return whole.checked()


def _called(word: str, whole: str) -> Profile | Hold:
    match = _CALL.fullmatch(word)
    if match is None or match[1] not in _CALLS:
        names = ", ".join(_CALLS)
        raise UsageError(f'must be a sum of {names}, such as {_EXAMPLE}, got "{whole}"')
    call = _CALLS[match[1]]
    arguments = [word.strip().strip("\"'") for word in match[2].split(",")] if match[2].strip() else []
    try:
        inspect.signature(call).bind(*arguments)
    except TypeError:
        names = ", ".join(inspect.signature(call).parameters)
        raise UsageError(f'must give {match[1]} its arguments, {match[1]}({names}), got "{word.strip()}"') from None
    return call(*arguments)


class Csv(NamedTuple):
    """A CSV file of rates: its name, for messages, and its text."""

    path: str
    text: str

    def __str__(self) -> str:
        return self.path


def parse_words(value: object) -> tuple[str, ...]:
    """One or more words, as a tuple; commas part them, too."""
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, Iterable):
        raise UsageError(f"must be words, or a list of them, got {value!r}")
    return tuple(part.strip() for word in several for part in str(word).split(","))


def parse_slot_stages(texts: tuple[str, ...], first: int) -> Profile:
    """The number of slots over time, from stages DURATION:N, beginning at *first*: a profile whose rate is the number.

    Raises:
        UsageError: every stage that is wrong.
    """
    try:
        return parse_stages(texts, float(first))
    except UsageError as error:
        raise UsageError([mistake.replace("a rate", "a number") for mistake in error.mistakes]) from None


def parse_scale(value: object) -> float:
    """A factor above 0."""
    try:
        scale = float(str(value))
    except ValueError:
        scale = math.nan
    if not (scale > 0 and math.isfinite(scale)):
        raise UsageError(f'must be a factor above 0 such as 0.5 or 10, got "{value}"')
    return scale


def parse_catch_up(value: object) -> float:
    """How many times the plan's rate a run that is behind may go: above 1."""
    scale = parse_scale(value)
    if scale <= 1:
        raise UsageError(f'must be a factor above 1 such as 1.5, or a late plan never gets level; got "{value}"')
    return scale


def one_of(*choices: str) -> Callable[[object], str]:
    """A parser that takes one of *choices*."""

    def parse(value: object) -> str:
        if value not in choices:
            raise UsageError(f'must be {" or ".join(choices)}, got "{value}"')
        return str(value)

    return parse
