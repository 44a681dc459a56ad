"""The watch over processes: it sees children, orphans, and nothing else."""

from __future__ import annotations

import subprocess
import sys

from tests.support.processes import StrayWatch

SLEEP = "import time; time.sleep(60)"
ORPHAN = f"""
import subprocess, sys
print(subprocess.Popen([sys.executable, "-c", {SLEEP!r}], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)
"""


def test_sees_and_ends_a_child() -> None:
    """A child that still runs is told of, and killed."""
    with StrayWatch() as watch:
        child = subprocess.Popen([sys.executable, "-c", SLEEP])
        told = watch.wait(patience_s=0)
    assert [line.partition(":")[0] for line in told] == [str(child.pid)]
    assert child.wait(5) < 0


def test_sees_an_orphan() -> None:
    """A process whose parent is gone is no longer our child, and is found all the same."""
    with StrayWatch() as watch:
        orphan = subprocess.run([sys.executable, "-c", ORPHAN], check=True, capture_output=True, text=True).stdout
        told = watch.wait(patience_s=0)
    assert [line.partition(":")[0] for line in told] == [orphan.strip()]


def test_leaves_others_in_peace() -> None:
    """Processes from before, and those that ended in time, are nobody's strays."""
    older = subprocess.Popen([sys.executable, "-c", SLEEP])
    try:
        with StrayWatch() as watch:
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            assert watch.wait() == []
        assert older.poll() is None
    finally:
        older.kill()
        older.wait()
