"""A target that all tests of the whole command share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hybridpress.target import Target
from hybridpress.target.sides import SIDES


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    """Our own server. Count differences: other tests press it too."""
    with Target(sides=SIDES) as server:
        yield server


@pytest.fixture
def target_url(target: Target) -> str:
    return target.url
