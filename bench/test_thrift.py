"""bench/thrift.py runs: both contenders get their answers. What it says is judged by people, on a quiet machine."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_against_thriftpy2() -> None:
    """One short round of each."""
    # Not by its name: that is also the name of Apache's package.
    spec = importlib.util.spec_from_file_location("thrift_bench", Path(__file__).with_name("thrift.py"))
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = bench  # where dataclasses look for it
    spec.loader.exec_module(bench)
    found = bench.compare(1, 0.5, [bench.OURS, bench.THEIRS])
    assert [pressed.calls_per_s > 0 for pressed in found] == [True, True]
