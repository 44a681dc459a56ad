"""Vocab is a dict in all that a dict does, and keeps its kind."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.vocab.word import Vocab


class Login(Vocab):
    """A kind of its own, with a constructor of its own."""

    note = ""

    def __init__(self, user: str) -> None:
        super().__init__(user=user)


values = st.dictionaries(st.text(max_size=5), st.integers(-(2**63), 2**63) | st.text(max_size=5), max_size=5)


def test_added_read_and_removed() -> None:
    """Values come and go by their key; add() can be chained."""
    word = Vocab().add("id", 1).add("name", "ann").add("id", 2)
    assert word == {"id": 2, "name": "ann"}
    assert word.get("id") == 2
    assert word.get("token", "none") == "none"
    assert word.remove("id") == 2
    assert "id" not in word


def test_a_key_that_is_not_there() -> None:
    """Removing what is not there says what is."""
    with pytest.raises(KeyError, match="Login has no key 'id'; it has 'user'"):
        Login("ann").remove("id")
    with pytest.raises(KeyError, match="it has none at all"):
        Vocab().remove("id")


@given(values)
def test_is_a_dict(given_values: dict[str, Any]) -> None:
    """It equals the dict of its values, and is the same JSON."""
    word = Vocab(given_values)
    assert word == given_values
    assert list(word) == list(given_values)
    assert orjson.dumps(word) == orjson.dumps(given_values)
    assert json.dumps(word) == json.dumps(given_values)


@pytest.mark.parametrize(
    "copied",
    [
        copy.copy,
        copy.deepcopy,
        lambda word: word.copy(),
        lambda word: pickle.loads(pickle.dumps(word)),  # noqa: S301 (made here)
    ],
    ids=["copy", "deepcopy", "own", "pickle"],
)
def test_a_copy_is_of_the_same_kind(copied: Any) -> None:
    """Copied and pickled, a word stays what it is, attributes included, whatever its constructor takes."""
    word = Login("ann")
    word.note = "first"
    found = copied(word)
    assert type(found) is Login
    assert found == word
    assert found is not word
    assert found.note == "first"
    found["user"] = "bob"
    assert word["user"] == "ann"


def test_joined() -> None:
    """`word | values` is a new word of the same kind; only mappings can be joined."""
    word = Login("ann")
    joined = word | {"token": "t"}
    assert (type(joined), joined, word) == (Login, {"user": "ann", "token": "t"}, {"user": "ann"})
    with pytest.raises(TypeError):
        word | [("token", "t")]  # type: ignore[operator]


def test_shows_its_kind_and_values() -> None:
    """repr() reads like what makes the word."""
    assert repr(Vocab(id=1, name="ann")) == "Vocab(id=1, name='ann')"
    assert repr(Login("ann")) == "Login(user='ann')"
    assert repr(Vocab({"user id": 1})) == "Vocab({'user id': 1})"
    assert repr(Vocab()) == "Vocab()"
