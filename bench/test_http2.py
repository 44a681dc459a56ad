"""bench/http2.py runs: nginx is asked over HTTP/2. What it says is judged by people, on a quiet machine."""

from __future__ import annotations

import http2
import pytest


@pytest.mark.slow
def test_against_nginx() -> None:
    """One short round of those that need nothing to be installed."""
    found = http2.compare(1, 0.5, [http2.OURS, http2.HTTP1])
    assert [pressed.requests_per_s > 0 for pressed in found] == [True, True]
