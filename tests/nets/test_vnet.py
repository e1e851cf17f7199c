"""V-Net against the paper's tables and against what its gradients say."""

import pytest
import torch

from napari_unet.nets.vnet import Stage, VNet, geometry
from napari_unet.spec import VNetSpec

PAPER = {  # table 1 of arXiv:1606.04797
    "L-Stage 1": 5,
    "L-Stage 2": 22,
    "L-Stage 3": 72,
    "L-Stage 4": 172,
    "L-Stage 5": 372,
    "R-Stage 4": 476,
    "R-Stage 3": 528,
    "R-Stage 2": 546,
    "R-Stage 1": 551,
}


def layerwise(axis):
    """Receptive field after every stage: a layer adds its extent less one, times the distance of its inputs.

    A transposed convolution is taken for one of its kernel's size on the finer grid, as the paper does.
    """
    size, jump, stages = 1, 1, {}
    for n, level in enumerate(axis.levels, start=1):
        size += (level.encoder[1] - level.encoder[0]) * jump
        stages[f"L-Stage {n}"] = size
        size += (level.pooled[1] - level.pooled[0]) * jump
        jump *= level.stride
    for n in range(len(axis.levels) - 1, 0, -1):
        level = axis.levels[n - 1]
        jump //= level.stride
        size += (level.stride - 1 + level.decoder[1] - level.decoder[0]) * jump
        stages[f"R-Stage {n}"] = size
    return stages


def positive(network):
    """Positive weights: nothing cancels, so a gradient of 0 means that there is no connection."""
    for p in network.parameters():
        p.data = p.data.abs() + 0.1
    return network.double().eval()


def test_receptive_fields_are_those_of_the_paper():
    found = geometry(VNetSpec())
    for axis in found.axes:
        assert layerwise(axis) == PAPER
    assert found.receptive_field == (551,) * 3
    assert found.stride == (16,) * 3


def test_sizes_are_those_of_the_paper():
    with torch.device("meta"):
        network, x = VNet(VNetSpec()), torch.empty(1, 1, 128, 128, 64)
    seen = []
    for module in network.modules():
        if isinstance(module, Stage):
            module.register_forward_hook(lambda _, __, y: seen.append((y.shape[1], *y.shape[2:])))
    assert network(x).shape == (1, 2, 128, 128, 64)
    left = [(16 * 2**n, 128 // 2**n, 128 // 2**n, 64 // 2**n) for n in range(5)]
    right = [(32 * 2**n, 128 // 2**n, 128 // 2**n, 64 // 2**n) for n in (3, 2, 1, 0)]
    assert seen == left + right
    assert [len(s.convolutions) for s in network.left] == [1, 2, 3, 3, 3]
    assert [len(s.convolutions) for s in network.right] == [3, 3, 2, 1]


@pytest.mark.parametrize("spec", [VNetSpec(base=2, depth=2), VNetSpec(base=2, depth=1, in_channels=3, classes=4)])
def test_gradient_reaches_every_parameter(spec):
    torch.manual_seed(0)
    network = VNet(spec)
    y = network(torch.randn(1, spec.in_channels, 8, 8, 12))
    assert y.shape == (1, spec.outputs, 8, 8, 12)
    y.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_an_input_channel_is_added_to_all_outputs_of_the_first_stage():
    network = VNet(VNetSpec(base=3, depth=1))
    stage = network.left[0]
    for p in stage.parameters():
        p.data.fill_(0)
    stage.activations[0].weight.data.fill_(1)  # then PReLU changes nothing
    x = torch.randn(1, 1, 4, 4, 4)
    assert torch.equal(stage(x), x.expand(1, 3, 4, 4, 4))


@pytest.mark.parametrize("depth", [1, 4])
def test_outputs_start_near_1(depth):
    torch.manual_seed(0)
    y = VNet(VNetSpec(base=4, depth=depth))(torch.randn(1, 1, 32, 32, 32))
    assert 0.1 < y.std() < 3


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_receptive_field_and_halo_are_true(depth):
    """A pixel's output depends on nothing beyond the computed field, and does depend on its edge."""
    torch.manual_seed(0)
    spec = VNetSpec(base=1, depth=depth)
    network, axis = positive(VNet(spec)), geometry(spec).axes[0]
    stride, halo = axis.stride, axis.halo
    length = 2 * (halo + 2 * stride)
    cell = length // 2 // stride * stride
    # one long axis is enough: the axes are alike
    x = torch.rand(1, 1, length, stride, stride, dtype=torch.double, requires_grad=True)
    y = network(x)
    furthest, outside = 0, 0
    phases = range(stride) if depth < 4 else (0, 1, stride - 2, stride - 1)  # all 16 take long
    for phase in phases:
        (slope,) = torch.autograd.grad(y[0, :, cell + phase].sum(), x, retain_graph=True)
        planes = slope[0, 0].abs().sum(dim=(1, 2)).nonzero().flatten()
        furthest = max(furthest, int(cell + phase - planes.min()), int(planes.max() - cell - phase))
        outside = max(outside, int(cell - planes.min()), int(planes.max() - cell - stride + 1))
    assert 2 * furthest + 1 == geometry(spec).receptive_field[0]
    assert halo - stride < outside <= halo


@torch.no_grad()
def test_a_tile_with_the_exact_halo_is_the_whole():
    torch.manual_seed(0)
    spec = VNetSpec(base=1, depth=2)
    network, axis = positive(VNet(spec)), geometry(spec).axes[0]
    stride, halo = axis.stride, axis.halo
    x = torch.randn(1, 1, 2 * halo + 8 * stride, 8, 8, dtype=torch.double)
    whole = network(x)[:, :, halo + 4 * stride : halo + 5 * stride]

    def tile(context):
        start = halo + 4 * stride - context
        return network(x[:, :, start : start + 2 * context + stride])[:, :, context : context + stride]

    assert (tile(halo) - whole).abs().max() <= 1e-9 * whole.abs().max()
    assert (tile(halo - stride) - whole).abs().max() > 1e-9 * whole.abs().max()
