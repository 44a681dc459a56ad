"""The twins of the hot path: the same names, and the compiled one wherever it can be built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hybridpress.hot as hot

HOT = Path(hot.__file__).parent
NAMES = sorted(name for name in vars(hot) if name.endswith("Base") or name in {"Waits", "exchange", "turns"})


def test_either_twin_has_every_name() -> None:
    """What the room hands out is what the twin in use has, and the Python twin has all of it too."""
    from hybridpress.hot import pure

    assert len(NAMES) >= 11
    for name in NAMES:
        assert hasattr(pure, name)
        assert getattr(hot, name) is getattr(hot.twin, name)


def test_both_hold_the_same() -> None:
    """Every attribute that the Python twin's classes have is one of the compiled twin's."""
    compiled = pytest.importorskip("hybridpress.hot.compiled")
    from hybridpress.hot import pure

    for name in (name for name in NAMES if name.endswith("Base")):
        slots = getattr(pure, name).__slots__
        assert slots
        assert {slot for slot in slots if not hasattr(getattr(compiled, name), slot)} == set()


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_it_is_compiled_where_there_is_a_compiler() -> None:
    """An installation with a compiler has the compiled twin, made from the source that is there now."""
    built = list(HOT.glob("compiled.*.so"))
    assert built
    assert max(file.stat().st_mtime for file in built) >= (HOT / "compiled.pyx").stat().st_mtime


@pytest.mark.slow
@pytest.mark.parametrize("wish", ["", "0", "1"])
def test_the_user_may_ask_for_python(wish: str) -> None:
    """HYBRIDPRESS_PURE=1 takes the Python twin, and `--version` says which one runs."""
    command = [sys.executable, "-m", "hybridpress", "--version"]
    environment = os.environ | {"HYBRIDPRESS_PURE": wish}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    is_compiled = wish != "1" and bool(list(HOT.glob("compiled.*.so")))
    assert ("hot path compiled" in said) is is_compiled
    assert ("hot path in Python" in said) is not is_compiled
