"""`web.py` runs, and comes to a row: what looking on costs a run is measured by that script, for real."""

from __future__ import annotations

from pathlib import Path

import pytest
import web


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("case", ["none", "20"])
def test_web(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every viewer is told of the run, and none is dropped."""
    monkeypatch.setattr(web, "LEAD_S", 0.5)
    row = web.press(case, 500, 1.5, tmp_path)
    assert row.qps == pytest.approx(500, rel=0.05)
    assert (row.viewer_bytes_per_s > 0) is (case == "20")
    assert row.coordinator_pct < 50
