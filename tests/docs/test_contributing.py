"""The example of a new network in CONTRIBUTING is one that works."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from napari_unet import nets
from napari_unet.spec import networks

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^ +```python\n(.*?)^ +```$", re.MULTILINE | re.DOTALL)

sys.path.insert(0, str(ROOT / "docs"))

from make_drawings import draw  # noqa: E402


@pytest.fixture
def plain(monkeypatch):
    """Do what the page says, without writing files; give the new network's spec."""
    spec_class, file, entry = (dedent(b) for b in BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    names = dict(vars(networks))
    exec(spec_class, names)
    spec = names["PlainSpec"]
    monkeypatch.setattr("napari_unet.spec.PlainSpec", spec, raising=False)
    module = type(sys)("plain")
    exec(file, vars(module))
    family = eval(f"{{{entry}}}", {"Family": nets.Family, "PlainSpec": spec, "plain": module})
    monkeypatch.setattr(nets, "NETS", nets.NETS | family)
    return spec


def test_the_new_network_is_built_and_its_geometry_is_true(plain):
    spec = plain(base=2, depth=3)
    network, geometry = nets.build(spec), nets.geometry_of(spec)
    for parameter in network.parameters():
        parameter.data = parameter.data.abs() + 0.1  # nothing cancels
    x = torch.rand(1, 1, 32, 32, requires_grad=True)
    outputs = network(x)
    assert outputs.shape == (1, spec.outputs, 32, 32)
    outputs[0, 0, 16, 16].backward()
    rows = x.grad[0, 0].sum(dim=1).nonzero().flatten()
    assert (int(rows.min()), int(rows.max())) == (16 - geometry.halo[0], 16 + geometry.halo[0])


def test_the_new_network_says_what_it_is_for_and_is_drawn(plain):
    assert nets.NETS[plain().kind].purpose
    assert "16 channels" in draw(plain())
