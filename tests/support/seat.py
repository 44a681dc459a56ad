"""Gives a command a terminal of its own, as a shell does: `python seat.py COMMAND…`, in a new session, on the terminal.

With HANGUP=ignore in the environment, as under nohup. It stands for subprocess's preexec_fn, for which a process is
forked that has threads here, of gRPC or a browser's driver, and may die of it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import termios

HANGUP = "HANGUP"


def main() -> None:
    """Does not return: the command is in this process's place."""
    fcntl.ioctl(sys.stdin, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if os.environ.pop(HANGUP, None) == "ignore" else signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 (a test's own command)


if __name__ == "__main__":
    main()
