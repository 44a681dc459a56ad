"""A JSON-lines table is the values of its lines, or it is said which are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridpress.errors import UsageError
from hybridpress.vocab.json_lines import JsonLinesTable, build_jsonl
from tests.vocab.files import file_of

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


def table_of(content: bytes | str, block: int | None = None) -> JsonLinesTable:
    with file_of(content, "words.jsonl", block) as base:
        return build_jsonl("words.jsonl", base, "utf-8")


@pytest.mark.slow
@given(
    st.lists(values, min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]),
    st.booleans(),
    st.integers(1, 40),
)
def test_every_line_is_a_value(given_values: list[Any], end: str, is_ended: bool, block: int) -> None:
    """All values in their order, and no word for a blank line."""
    content = end.join(json.dumps(value) for value in given_values) + end * is_ended
    assert list(table_of(content, block)) == given_values


def test_bad_lines() -> None:
    """Each is told with its line, the place in it, and why."""
    with pytest.raises(UsageError) as caught:
        table_of('{"id": 1}\n{"id": }\n\n{"id": 2} {"id": 3}\n{\n}\n"ok"\n')
    places = [mistake.partition(" at ")[0].partition(": is not JSON: ")[0] for mistake in caught.value.mistakes]
    assert places == ["words.jsonl:2", "words.jsonl:4", "words.jsonl:5", "words.jsonl:6"]
    assert (
        caught.value.mistakes[0]
        == "words.jsonl:2: is not JSON: unexpected character, expected a JSON value at character 8"
    )


def test_not_utf8() -> None:
    """Bytes that are no text are no JSON."""
    with pytest.raises(UsageError, match=r"words\.jsonl:2: is not JSON"):
        table_of(b'"a"\n"\xff"\n')


@pytest.mark.parametrize("content", ["\n \n", ""])
def test_nothing(content: str) -> None:
    """A table without words is a mistake."""
    with pytest.raises(UsageError, match=r"words\.jsonl (holds no words|is empty)"):
        table_of(content)
