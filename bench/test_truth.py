"""The table of truths is made of what it should be; the runs themselves are `tests/truth`."""

from __future__ import annotations

import pytest
from truth import SERVERS, Row, Server, markdown


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.title)
def test_truths(server: Server) -> None:
    """Each server has its percentiles, in order; only a freeze and slow answers move them apart."""
    truth = server.truth_ms()
    assert truth[50] <= truth[90] <= truth[99]
    assert (truth[99] > 1_500) is (server.model == "frozen")


def test_the_table() -> None:
    """A row each; what a tool does not tell is a dash."""
    lines = list(markdown([Row("always 30 ms", "k6", 30.31, None, 1_030.6)]))
    assert lines[-1] == "| always 30 ms | k6 | 30.3 | – | 1,030.6 |"
