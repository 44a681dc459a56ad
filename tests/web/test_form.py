"""What can be set from a page: the load, and no file of the machine; and it becomes words that say the same."""

from __future__ import annotations

from typing import Any

import pytest

from hybridpress.config import Layer, RunConfig, knobs
from hybridpress.errors import UsageError
from hybridpress.web import form


def test_every_field_is_a_knob_and_none_a_file() -> None:
    """Whoever may press is not thereby one who may read and write files here."""
    known = {knob.name: knob for knob in knobs().values()}
    assert set(form.NAMES) <= known.keys()
    assert not [name for name in form.NAMES if "FILE" in known[name].metavar]
    for name in ("json", "html", "control", "ca_file", "rate_csv", "ui", "local_address"):
        with pytest.raises(UsageError, match=f'"{name}" cannot be set from the page'):
            form.asked({name: "x"})


def test_words_say_what_the_form_said() -> None:
    """Empty fields are left out; lines are several; a value that begins with a dash stays a value."""
    settings = {"qps": "500", "stage": "10s:100\n20s:0\n\n", "host": " http://x ", "duration": "", "insecure": True,
                "param": "a=--b\nc=d e", "seed": "-5"}  # fmt: skip
    assert form.asked(settings) == [
        "--qps=500", "--stage=10s:100", "--stage=20s:0", "--host=http://x", "--insecure", "--param=a=--b",
        "--param=c=d e", "--seed=-5",
    ]  # fmt: skip
    assert form.asked({"insecure": False}) == []


@pytest.mark.parametrize("value", [5, None, [], {}, "x" * 5_000, "a\0b"])
def test_values_are_words(value: Any) -> None:
    """Nothing else becomes part of a command, and all that is wrong is told at once."""
    with pytest.raises(UsageError) as caught:
        form.asked({"qps": value, "duration": value, "json": "x"})
    assert len(caught.value.mistakes) == 3


def test_a_field_shows_what_was_chosen() -> None:
    """As it was written; what was not chosen is empty, and says its default."""
    fields = {field["name"]: field for field in form.fields({"qps": 200, "stage": ("10s:5", "1m:7"), "duration": "5s"})}
    assert fields["qps"]["value"] == "200"
    assert fields["stage"]["value"] == "10s:5\n1m:7"
    assert (fields["concurrent"]["value"], fields["concurrent"]["default"]) == ("", "10")
    settings = {name: field["value"] for name, field in fields.items()}
    assert form.asked(settings) == ["--qps=200", "--duration=5s", "--stage=10s:5", "--stage=1m:7"]
    RunConfig.build("x.py:X", [Layer({"qps": "200", "stage": ["10s:5"]}, str)])


def test_secrets_are_not_shown() -> None:
    """What is secret stands neither in the form nor in the command that is shown; it goes to every run all the same."""
    assert form.is_secret("param", {"password": "x"})
    assert form.is_secret("host", "http://user:secret@example.test")
    assert not form.is_secret("host", "http://example.test")
    shown = " ".join(map(form.shown, ["--param=password=abc", "--param=vm=7", "--host=http://u:abc@h/", "--qps=5"]))
    assert "abc" not in shown
    assert "vm=7" in shown
    assert "--qps=5" in shown
