"""Apache's generated code for everything.thrift, and clients of a worker that remember what they measured."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.clients.thrift import apache
from tests.support import programs


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleType, ModuleType]:
    """The modules of the service and of its types, as Apache's compiler writes them."""
    programs.need("thrift")
    return apache.generate(tmp_path_factory.mktemp("gen-py"))
