"""Fixtures that all tests share, and how Hypothesis works here."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import settings

from tests.support import ports, programs
from tests.support.leaks import LeakWatch
from tests.support.nginx import Nginx
from tests.support.processes import StrayWatch

# What tests before it left to the collector is not for a forked process to free: grpcio's objects, without the threads
# that they had, end in a crash there.
os.register_at_fork(after_in_child=gc.freeze)

# Whoever runs the tests in the background of a shell has them ignore Ctrl-C, and so would the commands they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: on a busy machine an example takes as long as it takes, and that says nothing of the code.
settings.register_profile("suite", deadline=None, max_examples=60, print_blob=True)
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """Fails the suite when, all tests and shared fixtures being done, a process, a descriptor or a file is left."""
    with LeakWatch() as watch:
        yield
        leaks = watch.leaks()
    assert not leaks, "the suite left behind:\n" + "\n".join(leaks)


@pytest.fixture(scope="session")
def nginx() -> Iterator[Nginx]:
    """An nginx with one worker process, shared by all tests of this session. Do not stop it; count differences."""
    with Nginx() as server:
        yield server


@pytest.fixture
def start_nginx(no_stray_processes: None) -> Iterator[Callable[..., Nginx]]:
    """Starts an nginx of this test's own, with the options of `Nginx`. It ends with the test."""
    with ExitStack() as stack:

        def start(**options: Any) -> Nginx:
            return stack.enter_context(Nginx(**options))

        yield start


@pytest.fixture
def free_port() -> int:
    """A TCP port on which nobody listens, for servers that cannot be given port 0."""
    return ports.free_port()


@pytest.fixture
def no_stray_processes() -> Iterator[None]:
    """Fails the test when a process that it started, however far down, is still there after it."""
    with StrayWatch() as watch:
        yield
        strays = watch.wait()
    assert not strays, "the test left processes behind:\n" + "\n".join(strays)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which programs were missing, so that skipped tests do not go unseen."""
    packages = programs.packages()
    for program in programs.missing():
        terminalreporter.write_line(
            f"not installed: {program} (Debian: {packages[program]}); tests that need it were skipped", yellow=True
        )
