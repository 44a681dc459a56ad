"""Vocab: the dict-like word, whose subclasses tell the words of a mixed table apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self


class Vocab(dict[str, Any]):
    """A word with named values: a dict, made step by step where that reads better.

        word = Vocab(account="ann").add("token", login("ann"))
        word["account"], word.get("token"), word.remove("token")

    A subclass is a kind of its own, for a press() that is given words of several: `isinstance(word, LoginWord)`. It is
    JSON as any dict is, is pickled with its kind, and equals every dict with the same values.
    """

    def add(self, key: str, value: Any) -> Self:
        """Set *key* to *value*, whatever it was before. Returns the word, so that calls can follow one another."""
        self[key] = value
        return self

    def remove(self, key: str) -> Any:
        """Take *key* out, and return its value.

        Raises:
            KeyError: the word has no such key; the message names those that it has.
        """
        try:
            return self.pop(key)
        except KeyError:
            known = ", ".join(map(repr, self)) or "none at all"
            raise KeyError(f"{type(self).__name__} has no key {key!r}; it has {known}") from None

    def copy(self) -> Self:
        """A shallow copy of the same kind."""
        # Not by the constructor: a subclass may have given it parameters of its own.
        mine = type(self).__new__(type(self))
        mine.update(self)
        if own := getattr(self, "__dict__", None):
            mine.__dict__.update(own)
        return mine

    __copy__ = copy

    def __or__(self, other: Mapping[str, Any]) -> Self:  # type: ignore[override]  # dict's own loses the kind
        if not isinstance(other, Mapping):
            return NotImplemented
        mine = self.copy()
        mine.update(other)
        return mine

    def __repr__(self) -> str:
        if all(isinstance(key, str) and key.isidentifier() for key in self):
            return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self.items())})"
        return f"{type(self).__name__}({dict(self)!r})"
