"""The load in words and settings: what is read, and every mistake at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hybridpress.config import Layer, RunConfig
from hybridpress.errors import UsageError
from hybridpress.load.profile import constant, hold, ramp, sine, spike, steps
from hybridpress.load.words import parse_profile


def built(*layers: dict[str, Any]) -> RunConfig:
    return RunConfig.build("made.py:Made", [Layer(layer, lambda name: f"--{name}") for layer in layers])


def mistakes_of(*layers: dict[str, Any]) -> list[str]:
    with pytest.raises(UsageError) as raised:
        built(*layers)
    return raised.value.mistakes


@pytest.mark.parametrize(
    ("words", "profile"),
    [
        ("constant(5, 1m)", constant(5, "1m")),
        ("ramp(0, 5k, 1m)+hold(5m)", ramp(0, 5000, 60) + hold(300)),
        (' ramp("0", 500, "1m") + hold() ', ramp(0, 500, 60) + hold()),
        ("steps(10, 30, 3, 2s) + spike(5, 50, 0s, 1s, 1s)", steps(10, 30, 3, 2) + spike(5, 50, 0, 1, 1)),
        ("sine(1000, 500, 1m, 1h)", sine(1000, 500, 60, 3600)),
    ],
)
def test_profiles_in_words(words: str, profile: object) -> None:
    """The calls of a class, as words."""
    assert parse_profile(words) == profile


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("500", ["must be a sum of constant, ramp, hold, steps, spike, sine"]),
        ("ramp(1)", ["must give ramp its arguments, ramp(start, end, duration)"]),
        ("ramp(x, 1, y) + hole(3)", ["ramp(): start must be", "ramp(): duration must be", "must be a sum of"]),
        ("hold(3)", ["must begin with a rate for hold() to hold"]),
        ("hold(3) + ramp(0, 1, 1s)", ["hold() has no rate before it to hold"]),
        ("constant(0, 5s)", ["asks for nothing"]),
        (5, ["must be a profile such as"]),
    ],
)
def test_profiles_that_are_none(value: object, told: list[str]) -> None:
    """Each mistake is told, with what was given and the way out."""
    mistakes = mistakes_of({"profile": value})
    assert len(mistakes) == len(told)
    assert all(words in mistake for words, mistake in zip(told, mistakes, strict=True)), mistakes
    assert all(mistake.startswith("--profile ") for mistake in mistakes)


@pytest.mark.parametrize(
    ("layers", "profile", "duration_s"),
    [
        ([{"qps": 5}], constant(5), 30),
        ([{"stage": ["10s:500", "1m:2k"]}], ramp(0, 500, 10) + ramp(500, 2000, 60), 70),
        ([{"qps": 100}, {"stage": "10s:500,5s:0"}], ramp(100, 500, 10) + ramp(500, 0, 5), 15),
        ([{"profile": ramp(0, 5, 9)}, {"qps": 7}], constant(7), 30),
        ([{"qps": 7}, {"profile": ramp(0, 5, 9)}], ramp(0, 5, 9), 9),
        ([{"profile": ramp(0, 5, 9), "duration": 4}], ramp(0, 5, 9), 4),
        ([{"profile": ramp(0, 5, 9)}, {"stage": "1s:5"}], ramp(0, 5, 1), 1),
        ([{}], None, 30),
    ],
)
def test_which_load_counts(layers: list[dict[str, Any]], profile: object, duration_s: float) -> None:
    """The stronger setting counts, stages begin at the rate wherever that stands, and a profile sets the duration."""
    config = built(*layers)
    assert (config.profile, config.duration_s) == (profile, duration_s)


def test_slot_stages() -> None:
    """They begin at --concurrent, or at 0; the most of them is how many slots are made."""
    config = built({"slot_stage": ["10s:20", "10s:0"]})
    assert config.slot_profile == ramp(0, 20, 10) + ramp(20, 0, 10)
    assert (config.concurrent, config.duration_s, config.is_paced) == (20, 20, False)
    assert built({"concurrent": 8, "slot_stage": "10s:4"}).concurrent == 8


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"qps": 5, "profile": "ramp(0, 1, 1s)"}, ["--qps and --profile exclude each other; give one"]),
        ({"stage": "1s:1", "profile": "ramp(0, 1, 1s)"}, ["--stage and --profile exclude each other; give one"]),
        ({"stage": ["x", "1s:y"]}, ["--stage must be DURATION:RATE", '--stage "1s:y": the rate must be']),
        ({"slot_stage": "1s:4", "qps": 3}, ["--slot_stage is for unpaced runs, but --qps asks for a rate"]),
        ({"slot_stage": "1s:y"}, ['--slot_stage "1s:y": the rate must be a number of 0 or more']),
        ({"stage": "1s:9", "duration": "2s"}, ["--duration 2s is longer than --stage, 1s: leave it out, or add"]),
        ({"stage": "2s:10", "iterations": 11}, ["--iterations 11 is more than --stage holds, 10"]),
        ({"qps": 1, "late": "drop", "catch_up": 2}, ["--catch_up is for --late wait"]),
        ({"late": "drop"}, ["--late is for runs with a rate"]),
        ({"catch_up": 2, "arrivals": "poisson"}, ["--catch_up is for runs with a rate", "--arrivals is for runs with"]),
        ({"qps": 1, "late": "never"}, ['--late must be wait or drop, got "never"']),
        ({"qps": 1, "catch_up": 1}, ["--catch_up must be a factor above 1"]),
        ({"qps": 1, "rate_scale": 2}, ["--rate_scale is for --rate-csv"]),
        ({"rate_csv": "/nowhere"}, ['--rate_csv must be a file, but there is none at "/nowhere"']),
    ],
)
def test_what_does_not_go_together(settings: dict[str, Any], told: list[str]) -> None:
    """Contradictions are told, all of them, with the way out."""
    mistakes = mistakes_of(settings)
    assert len(mistakes) == len(told), mistakes
    assert all(words in mistake for words, mistake in zip(told, mistakes, strict=True)), mistakes


def test_a_curve_with_mistakes(tmp_path: Path) -> None:
    """Every row that is wrong is told, with its line, beside the other mistakes."""
    path = tmp_path / "curve.csv"
    path.write_text("t,rate\n0,5\nx,6\n2\n1,-3\n")
    mistakes = mistakes_of({"rate_csv": str(path), "rate_scale": "big", "concurrent": "many"})
    assert [mistake.split(" ")[0] for mistake in mistakes] == [
        "--rate_scale", "--concurrent", f"{path}:3:", f"{path}:4:", f"{path}:5:",
    ]  # fmt: skip
