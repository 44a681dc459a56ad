"""A cgroup of a test's own, with a limit that nothing but its processes feels."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

FOLDER = Path("/sys/fs/cgroup")


@contextmanager
def limited(controller: str, v1: tuple[str, str], v2: tuple[str, str]) -> Iterator[Path]:
    """The file by which a process joins the group. Its limit is a file's name and its content, in each version.

    Skips the test where no such group can be had.
    """
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("limits of cgroups are root's to give, on Linux")
    is_v1 = (FOLDER / controller / v1[0]).exists()
    root = FOLDER / controller if is_v1 else FOLDER
    group = root / f"hybridpress-test-{os.getpid()}"
    name, content = v1 if is_v1 else v2
    try:
        group.mkdir()
        if not is_v1:
            with suppress(OSError):
                (root / "cgroup.subtree_control").write_text(f"+{controller}")
        (group / name).write_text(content)
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"no limit of {controller} can be given here: {error}")
    yield group / "cgroup.procs"
    for pid in (group / "cgroup.procs").read_text().split():
        with suppress(OSError):
            (root / "cgroup.procs").write_text(pid)
    group.rmdir()
