import pytest
import torch

from napari_unet.nets import NETS, build, count_parameters, geometry_of
from napari_unet.spec import UNet2015Spec, UNetDiceSpec, UNetKerasSpec, UNetSpec
from networks import SMALL


def one(spec):
    """An input of the smallest size with some room."""
    shape = geometry_of(spec).input_shape([2 * s for s in geometry_of(spec).stride])
    return torch.randn(1, spec.in_channels, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("spec", SMALL, ids=str)
def test_output_has_the_computed_size_and_one_map_per_output(spec):
    x = one(spec)
    assert build(spec)(x).shape == (1, spec.outputs, *geometry_of(spec).output_shape(x.shape[2:]))


@pytest.mark.parametrize("spec", SMALL, ids=str)
def test_gradient_reaches_every_parameter(spec):
    torch.manual_seed(0)
    network = build(spec).eval()  # dropout would cut some off
    network(one(spec)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def positive(network):
    """Make everything add up: nothing cancels, every ReLU passes, and pooling lets all of its pixels through."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, torch.nn.MaxPool2d | torch.nn.MaxPool3d):
                mean = torch.nn.AvgPool2d if isinstance(child, torch.nn.MaxPool2d) else torch.nn.AvgPool3d
                setattr(parent, name, mean(child.kernel_size))
            elif isinstance(child, torch.nn.Hardtanh):
                child.max_val = float("inf")
    for parameter in network.parameters():
        parameter.data = parameter.data.abs() + 0.1
    return network


@pytest.mark.parametrize("spec", SMALL, ids=str)
def test_receptive_field_and_halo_are_true(spec):
    """A pixel's output depends on nothing beyond the computed field, and does depend on its edge."""
    torch.manual_seed(0)
    network = positive(build(spec).double().eval())
    axes = geometry_of(spec).axes
    for along, axis in enumerate(axes):
        if axis in axes[:along]:
            continue
        furthest = outside = 0
        for phase in range(axis.stride):
            low, high = support(network, spec, along, phase)
            furthest = max(furthest, phase - low, high - phase)
            outside = max(outside, -low, high - axis.stride + 1)
        assert furthest == axis.reach
        if axis.valid:  # its poolings do not begin where its output does
            assert axis.margin - axis.stride < outside <= axis.margin + axis.stride
        else:
            assert axis.halo - axis.stride < outside <= axis.halo


def support(network, spec, along, phase):
    """First and last input pixel, along one axis, of the output pixel at ``phase`` of a cell of the grid."""
    geometry = geometry_of(spec)
    wanted = [
        s if n != along else 2 * (a.halo + 2 * s)
        for n, (s, a) in enumerate(zip(geometry.stride, geometry.axes, strict=True))
    ]
    shape = geometry.input_shape(wanted)
    x = torch.rand(1, spec.in_channels, *shape, dtype=torch.double, requires_grad=True)
    out = network(x)
    stride = geometry.stride[along]
    cell = out.shape[2 + along] // 2 // stride * stride
    out.select(2 + along, cell + phase).sum().backward()
    others = [n for n in range(x.ndim) if n != 2 + along]
    touched = x.grad.abs().sum(dim=others).nonzero().flatten()
    origin = cell + geometry.margin[along]
    return int(touched.min()) - origin, int(touched.max()) - origin


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("length", range(180, 200))
def test_valid_lengths_are_the_ones_that_the_network_takes(depth, length):
    spec = UNet2015Spec(base=1, depth=depth)
    expected = geometry_of(spec).output_shape((length, length))
    sizes = [length]
    for _ in range(depth):
        sizes.append((sizes[-1] - 4) / 2)
    fits = all(s == int(s) for s in sizes)
    assert (expected is not None) == fits
    if fits:
        assert build(spec)(torch.zeros(1, 1, length, length)).shape[2:] == expected


PUBLISHED = [
    (UNet2015Spec(), (1, 572, 572), (2, 388, 388), 31_030_658),
    (UNetKerasSpec(), (1, 512, 512), (1, 512, 512), 31_031_685),
    (UNetDiceSpec(), (1, 512, 512), (1, 512, 512), 7_759_521),
    (UNetSpec(), (1, 512, 512), (2, 512, 512), 482_466),
]


@pytest.mark.parametrize(("spec", "given", "expected", "parameters"), PUBLISHED, ids=str)
def test_published_sizes(spec, given, expected, parameters):
    with torch.device("meta"):
        network = build(spec)
        assert network(torch.zeros(1, *given)).shape == (1, *expected)
    assert count_parameters(network) == parameters


def test_the_published_network_has_23_convolutional_layers():
    with torch.device("meta"):
        network = build(UNet2015Spec())
    kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d)
    assert sum(isinstance(m, kinds) for m in network.modules()) == 23


def test_weights_of_the_published_network_start_as_he_et_al_draw_them():
    torch.manual_seed(0)
    network = build(UNet2015Spec(base=32, depth=2))
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d) and layer.in_channels > 1:
            inputs = layer.in_channels * layer.kernel_size[0] ** 2
            assert layer.weight.std().item() == pytest.approx((2 / inputs) ** 0.5, rel=0.15)
            assert (layer.bias == 0).all()


def test_the_list_of_networks_is_complete():
    for name, family in NETS.items():
        assert family.spec().kind == name
        assert family.purpose
        assert any(spec.kind == name for spec in SMALL)
