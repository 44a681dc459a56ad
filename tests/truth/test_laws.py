"""The closed forms against queues that are worked out, customer by customer."""

from __future__ import annotations

import numpy as np
import pytest

from tests.truth.laws import frozen, inverse, md1_cdf, mm1_cdf, percentile, responses


@pytest.mark.slow
@pytest.mark.parametrize("load", [0.5, 0.8])
@pytest.mark.parametrize("service", ["M", "D"])
def test_the_closed_forms(service: str, load: float) -> None:
    """400 queues of 20,000 customers, the first 1,000 of each left out, come to the closed form within 2 %."""
    rng = np.random.default_rng(1)
    shape = (400, 20_000)
    due = np.cumsum(rng.exponential(1 / load, shape), axis=1)
    served = rng.exponential(1.0, shape) if service == "M" else np.ones(shape)
    found = responses(due, served)[:, 1_000:].ravel()
    cdf = (mm1_cdf if service == "M" else md1_cdf)(load, 1.0)
    for percent in (50, 90, 99):
        assert percentile(found, percent) == pytest.approx(inverse(cdf, percent / 100, 100.0), rel=0.02)


def test_mm1_by_hand() -> None:
    """At ρ = 0.5 the median of the response time is 2 ln 2 services."""
    assert inverse(mm1_cdf(0.5, 1.0), 0.5, 100.0) == pytest.approx(2 * np.log(2))


def test_md1_by_hand() -> None:
    """Who comes to an idle server takes one service: 1 − ρ of all, by PASTA."""
    assert md1_cdf(0.8, 1.0)(1.0) == pytest.approx(0.2)
    assert md1_cdf(0.8, 1.0)(0.999) == 0.0


def test_a_freeze_by_hand() -> None:
    """One slot, one request a second, frozen from 2.5 to 6: the one of 3 s waits for the end, those behind for it."""
    response, service = frozen(np.arange(8.0), 0.1, 1, 2.5, 6.0)
    assert response.tolist() == pytest.approx([0.1, 0.1, 0.1, 3.1, 2.2, 1.3, 0.4, 0.1])
    assert service.tolist() == pytest.approx([0.1, 0.1, 0.1, 3.1, 0.1, 0.1, 0.1, 0.1])
