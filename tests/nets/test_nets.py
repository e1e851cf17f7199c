import pytest
import torch

from napari_unet.nets import NETS, build, count_parameters, geometry
from napari_unet.spec import UNet3DSpec, UNetSpec

SMALL = [
    UNetSpec(base=4, depth=2),
    UNetSpec(base=4, depth=3, up="resize", in_channels=2, classes=4),
    UNetSpec(base=4, depth=1, ndim=3),
    UNet3DSpec(base=4, depth=2, up="resize"),
]


def one(spec, side=None):
    side = side or 2 ** (spec.depth + 1)
    return torch.randn(1, spec.in_channels, *(side,) * spec.ndim, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("spec", SMALL, ids=str)
def test_output_has_the_input_s_size_and_one_map_per_class(spec):
    x = one(spec)
    assert build(spec)(x).shape == (1, spec.classes, *x.shape[2:])


@pytest.mark.parametrize("spec", SMALL, ids=str)
def test_gradient_reaches_every_parameter(spec):
    network = build(spec)
    network(one(spec)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    "spec", [UNetSpec(base=4, depth=d, up=up) for d in (1, 2, 3) for up in ("transposed", "resize")], ids=str
)
def test_receptive_field_and_halo_are_true(spec):
    """A pixel's output depends on nothing beyond the computed field, and does depend on its edge."""
    torch.manual_seed(0)
    network = build(spec).double().eval()
    for p in network.parameters():  # positive weights: nothing cancels, ReLU passes everything
        p.data = p.data.abs() + 0.1
    reach = (geometry.receptive_field(spec) - 1) // 2
    stride, halo = geometry.stride(spec)[0], geometry.halo(spec)[0]
    side = 2 * (halo + 2 * stride)
    furthest, outside = 0, 0
    for phase in range(stride):
        x = torch.rand(1, 1, side, side, dtype=torch.double, requires_grad=True)
        centre = side // 2 // stride * stride + phase
        network(x)[0, :, centre, centre].sum().backward()
        rows = x.grad[0, 0].abs().sum(dim=1).nonzero().flatten()
        furthest = max(furthest, int(centre - rows.min()), int(rows.max() - centre))
        cell = side // 2 // stride * stride
        outside = max(outside, int(cell - rows.min()), int(rows.max() - cell - stride + 1))
    assert furthest == reach
    assert halo - stride < outside <= halo


def test_the_list_of_networks_is_complete():
    for name, (spec, purpose) in NETS.items():
        assert spec().kind == name
        assert count_parameters(build(spec())) > 1000
        assert purpose
