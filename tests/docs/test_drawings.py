"""The page on the networks is made from the code, and tells of every one."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from napari_unet.nets import NETS, geometry_of
from networks import SMALL

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))

from make_drawings import draw  # noqa: E402
from network_trace import TIMES, trace  # noqa: E402

PAGE = (DOCS / "networks.md").read_text("utf-8")
BESIDE = ("pretrained-unet",)
"""Networks whose first level is beside the encoder: what it sees does not enter the geometry."""


@pytest.mark.parametrize("spec", SMALL, ids=str)
def test_drawn_levels_are_those_of_the_geometry(spec):
    axes = geometry_of(spec).axes
    traced = trace(spec, geometry_of(spec).input_shape([4 * n for n in geometry_of(spec).stride]))
    assert traced.depth == len(axes[0].levels) - 1
    for level in range(traced.depth + 1):
        if spec.kind in BESIDE:
            continue
        assert seen(traced, level, up=False) == [a.levels[level].encoder[1] for a in axes]
        if level < traced.depth:
            assert seen(traced, level, up=True) == [a.levels[level].decoder[1] for a in axes]


def seen(traced, level, *, up):
    """How far the drawn convolutions of a level look, per axis."""
    drawn = [traced.maps[n] for n in traced.stage(level, up=up)]
    kernels = [re.findall(r"\d+", m.how) for m in drawn if m.kind == "conv" and not m.descends]
    return [sum(int(k[axis]) // 2 for k in kernels) for axis in range(len(traced.maps[0].size))]


def test_a_network_that_contradicts_its_geometry_is_not_drawn(monkeypatch):
    deeper = geometry_of(NETS["unet"].spec(depth=4))
    monkeypatch.setattr("network_trace.geometry_of", lambda spec: deeper)
    with pytest.raises(ValueError, match="geometry"):
        trace(NETS["unet"].spec())


@pytest.mark.parametrize("name", NETS)
def test_the_drawing_is_good_xml_and_says_sizes_and_joins(name):
    root = ElementTree.fromstring(draw(NETS[name].spec()))
    words = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    depth = len(geometry_of(NETS[name].spec()).axes[0].levels) - 1
    assert sum("channels" in w for w in words) == 2 * depth + 1
    assert words.count("concat") == depth
    assert sum(w.startswith("crop") for w in words) == (depth if name == "unet2015" else 0)
    assert [w for w in words if w.startswith("image")]


def test_sums_and_strides_are_told_from_what_happens():
    maps = trace(NETS["unet"].spec(base=2, depth=1, skips="sum", up="resize"), (8, 8)).maps
    twice = ["conv 3x3"] * 2
    steps = [*twice, "max pool 2x2", *twice, "nearest x2, conv 1x1", "sum", *twice, "conv 1x1"]
    assert [m.how.replace(TIMES, "x") for m in maps] == ["", *steps]


@pytest.mark.parametrize("name", NETS)
def test_every_network_has_its_section(name):
    assert f"\n## {name}\n\n```{{network}} {name}\n" in PAGE
    section = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
    for part in ("**Source.**", "**Ours.**", "**When.**", "$ napari-unet train"):
        assert part in section
