"""Weights under the names of other programs."""

import json

import numpy as np
import pytest
import torch

import napari_unet as nu
from milesial import trained
from napari_unet.errors import UserError
from napari_unet.jobs.exchange import import_weights
from napari_unet.nets import build, geometry_of
from napari_unet.spec import (
    BACKGROUND,
    CELL,
    PretrainedUNetSpec,
    UNet3DSpec,
    UNet2015Spec,
    UNetDiceSpec,
    UNetKerasSpec,
    UNetSpec,
    VGG16UNetSpec,
    VNetSpec,
)


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


def saved_as_ours(net, folder):
    """Weights under our own names, and a layout that says so."""
    torch.manual_seed(0)
    network = build(net).eval()
    torch.save(network.state_dict(), folder / "w.pt")
    (folder / "own.json").write_text(json.dumps({"net": net.model_dump(), "names": {}}))
    return network


@pytest.mark.parametrize(
    "net",
    [
        UNetSpec(base=4, depth=2),
        UNet3DSpec(base=4, depth=1),
        UNet2015Spec(base=4, depth=2),
        UNetDiceSpec(base=4),
        UNetKerasSpec(base=4, depth=2),
    ],
    ids=lambda n: n.kind,
)
def test_a_divisor_is_put_into_the_weights_where_that_is_exact(net, tmp_path):
    network = saved_as_ours(net, tmp_path)
    model = import_weights(tmp_path / "w.pt", str(tmp_path / "own.json"), divisor=255)
    x = torch.rand(1, 1, *geometry_of(net).input_shape((16,) * net.ndim)) * 255
    with torch.inference_mode():
        torch.testing.assert_close(model.trained.network(x), network(x / 255), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "net", [VNetSpec(base=4, depth=2), PretrainedUNetSpec(), VGG16UNetSpec(base=4)], ids=lambda n: n.kind
)
def test_a_divisor_is_refused_where_it_would_change_what_comes_out(net, tmp_path):
    saved_as_ours(net, tmp_path)
    with pytest.raises(UserError, match=f"'{net.kind}' uses grey values not only in .* divide the images by 255"):
        import_weights(tmp_path / "w.pt", str(tmp_path / "own.json"), divisor=255)
