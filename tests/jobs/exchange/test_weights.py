"""Weights under the names of other programs."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import napari_unet as nu
from napari_unet.errors import UserError
from napari_unet.jobs.exchange import import_weights
from napari_unet.spec import BACKGROUND, CELL, UNetSpec


class DoubleConv(nn.Module):
    """The layers of github.com/milesial/Pytorch-UNet under their names, written anew for this test."""

    def __init__(self, channels_in, channels, *, bias=False):
        super().__init__()
        layers = []
        for n in (channels_in, channels):
            layers += [nn.Conv2d(n, channels, 3, padding=1, bias=bias), nn.BatchNorm2d(channels), nn.ReLU()]
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x):
        return self.double_conv(x)


class Down(nn.Module):
    def __init__(self, channels, *, bias):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(channels, 2 * channels, bias=bias))

    def forward(self, x):
        return self.maxpool_conv(x)


class Up(nn.Module):
    def __init__(self, channels, *, bias):
        super().__init__()
        self.up = nn.ConvTranspose2d(channels, channels // 2, 2, stride=2)
        self.conv = DoubleConv(channels, channels // 2, bias=bias)

    def forward(self, x, skip):
        return self.conv(torch.cat([skip, self.up(x)], dim=1))


class OutConv(nn.Module):
    def __init__(self, channels, outputs):
        super().__init__()
        self.conv = nn.Conv2d(channels, outputs, 1)

    def forward(self, x):
        return self.conv(x)


class Milesial(nn.Module):
    def __init__(self, channels=1, outputs=2, base=4, depth=4, *, bias=False):
        super().__init__()
        self.depth = depth
        self.inc = DoubleConv(channels, base, bias=bias)
        for n in range(1, depth + 1):
            setattr(self, f"down{n}", Down(base * 2 ** (n - 1), bias=bias))
            setattr(self, f"up{n}", Up(base * 2 ** (depth - n + 1), bias=bias))
        self.outc = OutConv(base, outputs)

    def forward(self, x):
        found = [self.inc(x)]
        for n in range(1, self.depth + 1):
            found.append(getattr(self, f"down{n}")(found[-1]))
        y = found.pop()
        for n in range(1, self.depth + 1):
            y = getattr(self, f"up{n}")(y, found.pop())
        return self.outc(y)


def trained(**more):
    torch.manual_seed(1)
    network = Milesial(**more)
    for _ in range(5):  # BatchNorm takes up statistics
        network(torch.randn(2, more.get("channels", 1), 32, 32))
    return network.eval()


@pytest.fixture
def saved(tmp_path):
    def save(network, name="w.pth"):
        torch.save(network.state_dict(), tmp_path / name)
        return tmp_path / name

    return save


@pytest.mark.parametrize("more", [{}, {"outputs": 3, "channels": 3}, {"bias": True}, {"depth": 3, "base": 8}])
def test_weights_of_milesial_compute_the_same(more, saved):
    network = trained(**more)
    model = import_weights(saved(network), "milesial")
    x = torch.randn(1, more.get("channels", 1), 48, 64)
    with torch.inference_mode():
        expected, found = network(x).softmax(dim=1), model.trained.network(x).softmax(dim=1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert float(expected.std()) > 1e-3  # not the same everywhere
    assert model.spec.net == UNetSpec(
        in_channels=more.get("channels", 1),
        classes=more.get("outputs", 2),
        base=more.get("base", 4),
        depth=more.get("depth", 4),
    )


def test_one_output_is_a_sigmoid_and_grey_values_may_be_divided(saved, tmp_path):
    network = trained(outputs=1)
    model = import_weights(saved(network), "milesial", classes=(CELL, BACKGROUND), divisor=255)
    model.save(tmp_path / "m.safetensors")
    image = np.random.default_rng(0).integers(0, 255, (64, 80), dtype=np.uint8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(image / np.float32(255))[None, None]).sigmoid()[0, 0]
    found = nu.load(tmp_path / "m.safetensors").predict(image)
    np.testing.assert_allclose(found[0], expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-6)


def test_it_can_be_trained_further(saved):
    image = np.random.default_rng(0).integers(0, 255, (96, 96), dtype=np.uint8)
    labels = np.where(image > 127, 1, 2).astype(np.uint8)
    start = import_weights(saved(trained()), "milesial")
    model = nu.train(image, labels, start=start, base=4, depth=4, steps=2, device="cpu")
    assert model.spec.net.base == 4


def test_a_json_file_tells_names(saved, tmp_path):
    from napari_unet.nets import build

    net = UNetSpec(base=4, depth=1)
    network = build(net).eval()
    theirs = {f"layer{n}": tensor for n, tensor in enumerate(network.state_dict().values())}
    torch.save(theirs, tmp_path / "w.pt")
    names = dict(zip(theirs, network.state_dict(), strict=True))
    layout = tmp_path / "mine.json"
    layout.write_text(json.dumps({"net": net.model_dump(), "names": names}))
    found = import_weights(tmp_path / "w.pt", str(layout)).trained.network.state_dict()
    assert all(torch.equal(found[k], v) for k, v in network.state_dict().items())


def test_what_does_not_fit_is_named(saved, tmp_path):
    network = trained()
    state = network.state_dict()

    def refused(state, match):
        torch.save(state, tmp_path / "w.pt")
        with pytest.raises(UserError, match=match):
            import_weights(tmp_path / "w.pt", "milesial")

    refused({k: v for k, v in state.items() if k != "up2.up.bias"}, r"lacks up\.1\.bias")
    refused({**state, "extra.weight": torch.ones(1)}, r"has besides extra\.weight")
    refused({**state, "outc.conv.bias": torch.ones(7)}, r"head\.bias is 7, not 2")
    refused({**state, "outc.conv.bias": torch.full((2,), torch.nan)}, r"'head\.bias' are NaN or infinite")
    refused({k: v for k, v in state.items() if not k.startswith("up1.up")}, "bilinear=True")
    refused({"conv.weight": torch.ones(1)}, "not of the layout 'milesial'")
    with pytest.raises(UserError, match="no layout 'mine'; there are: milesial"):
        import_weights(saved(network), "mine")
    with pytest.raises(UserError, match="2 classes apart, 1 are named"):
        import_weights(saved(network), "milesial", classes=(CELL,))
    with pytest.raises(UserError, match="cannot be divided by 0"):
        import_weights(saved(network), "milesial", divisor=0)
