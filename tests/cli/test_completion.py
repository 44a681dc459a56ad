"""Tab completion, as README says to switch it on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "offered"),
    [("rep", {"report"}), ("run --trace", {"--trace-sample"}), ("run --jun", {"--junit"})],
)
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash(typed: str, offered: set[str]) -> None:
    """Bash takes the script, and is then offered the commands and options that begin so."""
    words = ["hybridpress", *typed.split(" ")]
    script = f"""
        eval "$(_HYBRIDPRESS_COMPLETE=bash_source hybridpress)"
        COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}
        _hybridpress_completion hybridpress
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    found = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=30, check=True
    )
    assert set(found.stdout.split()) == offered, found.stderr
