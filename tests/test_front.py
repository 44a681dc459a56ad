"""The front of the package: all that it promises is there, and nothing is imported before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import hybridpress


@pytest.mark.parametrize("name", hybridpress.__all__)
def test_what_it_promises(name: str) -> None:
    """Each name can be had, and is listed."""
    assert getattr(hybridpress, name) is not None
    assert name in dir(hybridpress)


def test_what_it_does_not_promise() -> None:
    """Another name is told as one of this module."""
    with pytest.raises(AttributeError, match="module 'hybridpress' has no attribute 'Stress'"):
        hybridpress.Stress  # noqa: B018 (that is what raises)


def test_the_import_costs_nothing() -> None:
    """By itself it imports neither asyncio nor numpy: pytest imports it at each start."""
    code = "import sys, hybridpress; print([name for name in ('asyncio', 'numpy', 'aiohttp') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
