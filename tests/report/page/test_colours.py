"""The colours of charts: told apart by all eyes, and seen on their ground."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from hybridpress.report.page.document import asset

Colours = NDArray[np.float64]

# What is left of linear RGB without one kind of cone (Machado, Oliveira and Fernandes 2009, severity 1).
EYES: dict[str, Colours] = {
    "all cones": np.eye(3),
    "no red": np.array([[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]]),
    "no green": np.array([[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]]),
}
# Linear RGB to OKLab (Ottosson 2020), in which distances are about what is seen; 0.02 can just be told apart.
TO_LMS = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
TO_LAB = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])


def theme(name: str) -> dict[str, str]:
    light, dark = asset("charts.css").split(':root[data-theme="dark"]')
    return dict(re.findall(r"--([\w-]+): (#\w{6});", light if name == "light" else dark))


def linear(*colours: str) -> Colours:
    found = np.array([[int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)] for colour in colours])
    return np.where(found <= 0.04045, found / 12.92, ((found + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    return float(linear(colour)[0] @ np.array([0.2126, 0.7152, 0.0722]))


def contrast(a: str, b: str) -> float:
    """As the Web Content Accessibility Guidelines have it: from 1 to 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("eye", EYES)
def test_told_apart(name: str, eye: str) -> None:
    """Any two colours of lines are four times as far apart as the eye needs."""
    colours = theme(name)
    seen = np.clip(linear(*(colours[f"c{k}"] for k in range(8))) @ EYES[eye].T, 0, 1)
    lab = np.cbrt(seen @ TO_LMS.T) @ TO_LAB.T
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + np.eye(8)
    assert distances.min() > 0.08


@pytest.mark.parametrize("name", ["light", "dark"])
def test_seen_on_their_ground(name: str) -> None:
    """Lines stand out by 3 to 1, text by 4.5 to 1."""
    colours = theme(name)
    assert min(contrast(colours[f"c{k}"], colours["card"]) for k in range(8)) >= 3
    for ink in ("ink", "soft-ink", "accent", "good", "warn", "bad"):
        assert min(contrast(colours[ink], colours[ground]) for ground in ("card", "page")) >= 4.5, ink
    for tone in ("good", "warn", "bad"):
        assert contrast(colours[tone], colours[f"{tone}-ground"]) >= 4.5, tone
        assert contrast(colours["ink"], colours[f"{tone}-ground"]) >= 4.5, tone


@pytest.mark.parametrize(("name", "sign"), [("light", -1), ("dark", 1)])
def test_the_heat_map_goes_one_way(name: str, sign: int) -> None:
    """The more iterations, the further from the ground: each level is darker (in the dark: lighter) than the last."""
    colours = theme(name)
    levels = [luminance(colours[f"heat-{k}"]) for k in range(8)]
    assert all(sign * (b - a) > 0.004 for a, b in pairwise(levels)), levels
