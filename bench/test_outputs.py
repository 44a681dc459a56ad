"""The bench of the outputs, in small: all of them at once, in a short run."""

from __future__ import annotations

import pytest
from outputs import run


@pytest.mark.slow
def test_all_outputs_at_once() -> None:
    """The run is as it would be without them."""
    row = run("all", 4.0, 500)
    assert row.qps == pytest.approx(500, rel=0.01)
    assert row.cpu_pct < 60  # of a machine that does other things too; for real it is told by the bench
