"""Colours that mean something can be told apart by colour-blind people, too."""

from __future__ import annotations

from itertools import combinations

import pytest

from napari_unet.plugin.colours import COLOURS
from napari_unet.plugin.sections.plot import ON_DARK, ON_LIGHT
from napari_unet.storage.difference import COLOURS as DIFFERENCES
from seeing import SEEN_BY, distance

APART = 10
"""Of CIEDE2000, five times what is just seen side by side."""


@pytest.mark.parametrize("eye", SEEN_BY)
@pytest.mark.parametrize(
    "colours",
    [tuple(COLOURS.values()), tuple(DIFFERENCES.values()), ON_DARK, ON_LIGHT],
    ids=["classes", "differences", "curves on dark", "curves on light"],
)
def test_colours_are_told_apart_by_every_eye(colours: tuple[str, ...], eye: str) -> None:
    for one, other in combinations(colours, 2):
        assert distance(one, other, eye) > APART, (one, other)


def test_the_simulated_eyes_mistake_red_for_green() -> None:
    """Or the test above would prove nothing."""
    red, green = "#C03020", "#607000"
    assert distance(red, green, "normal") > 40
    assert min(distance(red, green, eye) for eye in SEEN_BY) < APART
