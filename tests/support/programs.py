"""The programs that tests start: which are there, which are missing, and the package that each comes with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

APT_PACKAGES = Path(__file__).parents[1] / "apt-packages.txt"
# Servers live where only root looks for programs.
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def packages() -> dict[str, str]:
    """Every program that tests may start, and its Debian package."""
    lines = APT_PACKAGES.read_text().splitlines()
    return dict(line.split() for line in lines if line and not line.startswith("#"))


def find(program: str) -> str | None:
    """Where *program* is; None when it is not installed."""
    return shutil.which(program, path=_PATH)


def need(program: str) -> str:
    """Where *program* is. Skips the test that asks when it is not installed."""
    found = find(program)
    if found is None:
        pytest.skip(f"{program} is not installed (Debian: apt-get install {packages().get(program, program)})")
    return found


def missing() -> list[str]:
    """The programs that are not installed."""
    return [program for program in packages() if find(program) is None]
