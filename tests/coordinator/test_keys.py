"""Keys become commands."""

from __future__ import annotations

import pytest

from hybridpress.coordinator.keys import Keys


@pytest.mark.parametrize(
    ("typed", "commands"),
    [
        ("+", ["qps +10%"]),
        ("--", ["qps -10%", "qps -10%"]),
        ("3000\n", ["qps 3000"]),
        ("2.5k\r", ["qps 2.5k"]),
        ("12\x7f5\n", ["qps 15"]),
        ("12x\n", []),
        ("12+", ["qps +10%"]),
        ("p", ["toggle"]),
        ("q", ["stop"]),
        ("\n\x1b[A", []),
    ],
)
def test_keys(typed: str, commands: list[str]) -> None:
    """A tenth up and down, a number with Enter, a pause, the end; all else is left alone, and ends a number."""
    assert Keys("qps").typed(typed) == commands
    keys = Keys("qps")
    assert [command for key in typed for command in keys.typed(key)] == commands


def test_without_a_rate() -> None:
    """Unpaced, the same keys are for the slots."""
    assert Keys("slots").typed("+7\n") == ["slots +10%", "slots 7"]
