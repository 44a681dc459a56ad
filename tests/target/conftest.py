"""One running target for each module of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hybridpress.target import Target


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    """A target of one process, shared by the tests of a module: what it counted before is there."""
    with Target() as running:
        yield running


@pytest.fixture(scope="module")
def pair() -> Iterator[Target]:
    """A target of two processes."""
    with Target(processes=2) as running:
        yield running
