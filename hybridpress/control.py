"""The socket by which a run is changed while it runs: where it is, who may use it, and how a command is sent.

A Unix socket in a folder that only its user can enter. A command is one line of words, the reply one line of JSON.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import struct
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hybridpress.errors import HybridpressError, UsageError

PATIENCE_S = 5.0


def folder() -> Path:
    """The folder of all sockets of this user, made if need be.

    Raises:
        HybridpressError: it cannot be made, or others could get at it.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    path = Path(runtime) / "hybridpress" if runtime else Path(tempfile.gettempdir()) / f"hybridpress-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise HybridpressError(f'cannot make the folder of control sockets "{path}": {error.strerror}') from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise HybridpressError(f'"{path}" must be a folder of your own that nobody else can enter')
    return path


def path_of(pid: int) -> Path:
    """The socket of the run whose parent process is *pid*."""
    return folder() / f"{pid}.sock"


def remove(path: Path) -> None:
    """Remove the socket of a run that is over, if it is there."""
    with suppress(OSError):
        if path.is_socket():
            path.unlink()


def is_ours(connection: Any) -> bool:
    """Whether the process at the other end is this user's (or root's), as far as the system tells: on Linux."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return uid in {os.getuid(), 0}


def found() -> list[Path]:
    """The sockets of this user's runs that answer; those of runs that were killed are removed."""
    alive = []
    for path in sorted(folder().glob("*.sock")):
        try:
            with _connected(path):
                alive.append(path)
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except OSError:
            continue
    return alive


def listener_at(path: Path) -> socket.socket:
    """A socket that listens at *path*, for its user alone. One that a dead run left there is gone. There is no moment
    at which it is found by its name and refuses: by that `found` knows a dead run's.

    Raises:
        OSError: it cannot be had.
    """
    if path.exists() and not path.is_socket():
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    listener = socket.socket(socket.AF_UNIX)
    being_made = path.with_name(f".{os.getpid():x}")
    before = os.umask(0o177)
    try:
        being_made.unlink(missing_ok=True)
        listener.bind(str(being_made))
        listener.listen(100)
        being_made.rename(path)
    except BaseException:
        listener.close()
        being_made.unlink(missing_ok=True)
        raise
    finally:
        os.umask(before)
    return listener


def only() -> Path:
    """The socket of the one run that there is.

    Raises:
        UsageError: there is none, or more than one.
    """
    paths = found()
    if not paths:
        raise UsageError("no run of yours is under way")
    if len(paths) > 1:
        names = ", ".join(path.stem for path in paths)
        raise UsageError(f"several runs are under way, say which by --pid: {names}")
    return paths[0]


def send(path: Path, words: str) -> dict[str, Any]:
    """Send a command, and wait for the reply: {"ok": …, "text": …, "status": {…}}.

    Raises:
        HybridpressError: nobody answers there.
    """
    try:
        with _connected(path) as connection, connection.makefile("rwb") as lines:
            lines.write(words.encode() + b"\n")
            lines.flush()
            reply: dict[str, Any] = json.loads(lines.readline() or b"null") or {}
    except (OSError, ValueError) as error:
        raise HybridpressError(f'no run answers at "{path}": {error}') from None
    if not reply:
        raise HybridpressError(f'the run at "{path}" ended before it answered')
    return reply


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(path))
    except BaseException:
        connection.close()
        raise
    return connection
