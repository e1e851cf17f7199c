import pytest
import torch
from torch import nn

from napari_unet.errors import UserError
from napari_unet.nets.vgg16_unet import VGG16UNet, geometry
from napari_unet.spec import VGG16UNetSpec


def one(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_parameters_are_the_published_numbers():
    with torch.device("meta"):
        network = VGG16UNet(VGG16UNetSpec())
    assert count(network.encoder) == 7_635_264
    assert count(network) == 36_968_514
    convolutions = [m for m in network.encoder.modules() if isinstance(m, nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [64, 64, 128, 128, 256, 256, 256, 512, 512, 512]
    assert sum(map(count, convolutions)) == count(network.encoder)


def test_a_256_rgb_tile_gives_two_maps_of_256():
    with torch.device("meta"):
        network = VGG16UNet(VGG16UNetSpec(in_channels=3))
        assert network(torch.empty(1, 3, 256, 256)).shape == (1, 2, 256, 256)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [2, 4])
def test_output_has_the_input_s_size_and_one_map_per_class(channels, classes):
    network = VGG16UNet(VGG16UNetSpec(base=2, in_channels=channels, classes=classes))
    assert network(one(2, channels, 32, 48)).shape == (2, classes, 32, 48)


def test_grey_is_the_same_picture_in_three_channels():
    network = VGG16UNet(VGG16UNetSpec(base=2)).eval()
    x = one(1, 1, 32, 32)
    torch.testing.assert_close(network(x), network(x.repeat(1, 3, 1, 1)))


def test_two_channels_are_refused():
    with pytest.raises(UserError, match=r"'vgg16-unet' takes 1 channel .* not 2: choose"):
        VGG16UNet(VGG16UNetSpec(in_channels=2))


def test_gradient_reaches_every_parameter():
    torch.manual_seed(0)
    network = VGG16UNet(VGG16UNetSpec(base=2, dropout=0)).double()
    for p in network.parameters():  # few channels: ReLU would block some by chance
        p.data = p.data.abs() + 0.01
    network(one(1, 1, 32, 32).double().abs() + 3).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_dropout_acts_at_the_bottom_and_in_training_only():
    network = VGG16UNet(VGG16UNetSpec(base=2))
    x, bottom = one(1, 1, 32, 32), []
    network.bottom.register_forward_hook(lambda _module, _inputs, result: bottom.append(result))
    torch.manual_seed(0)
    for _ in range(2):
        network(x)
    assert not torch.equal(*bottom)
    assert (bottom[0] == 0).sum() > 0
    network.eval()
    assert torch.equal(network(x), network(x))


def test_a_network_built_without_memory_takes_weights_by_assignment():
    """As the model file is read."""
    spec = VGG16UNetSpec(base=2)
    trained = VGG16UNet(spec).eval()
    with torch.device("meta"):
        network = VGG16UNet(spec)
    assert network.state_dict().keys() == dict(network.named_parameters()).keys()
    network.load_state_dict(trained.state_dict(), assign=True)
    x = one(1, 1, 32, 32)
    assert torch.equal(network.eval()(x), trained(x))


@pytest.mark.parametrize("axis", [0, 1])
def test_receptive_field_and_halo_are_true(axis):
    """A pixel's output depends on nothing beyond the computed field, and does depend on its edge."""
    torch.manual_seed(0)
    spec = VGG16UNetSpec(base=1)
    network = VGG16UNet(spec).double().eval()
    network.pool = nn.AvgPool2d(2)  # sees what maximum pooling compares; a gradient follows the largest alone
    for p in network.parameters():  # positive weights: nothing cancels, ReLU passes everything
        p.data = p.data.abs() + 0.1
    shape = geometry(spec)
    reach, stride, halo = (shape.receptive_field[axis] - 1) // 2, shape.stride[axis], shape.halo[axis]
    side = 2 * (halo + 2 * stride)
    cell = side // 2 // stride * stride
    # a strip along the axis; 4 and more is brighter than white: positive after ImageNet's normalisation
    x = 4 + torch.rand(1, 1, *((side, stride) if axis == 0 else (stride, side)), dtype=torch.double)
    x.requires_grad_()
    output = network(x).sum(dim=(1, 3 - axis))[0]
    furthest, outside = 0, 0
    for phase in range(stride):
        (found,) = torch.autograd.grad(output[cell + phase], x, retain_graph=True)
        seen = found[0, 0].abs().sum(dim=1 - axis).nonzero().flatten()
        first, last = int(seen.min()), int(seen.max())
        furthest = max(furthest, cell + phase - first, last - cell - phase)
        outside = max(outside, cell - first, last - cell - stride + 1)
    assert furthest == reach
    assert halo - stride < outside <= halo


def test_tiles_are_exact_with_the_halo():
    """Numbers, not only supports: an aligned tile gives within its halo what the whole image gives."""
    torch.manual_seed(0)
    spec = VGG16UNetSpec(base=4)
    network = VGG16UNet(spec).double().eval()
    halo, stride = geometry(spec).halo[0], geometry(spec).stride[0]
    x = one(1, 1, 2 * stride, 4 * halo).double()
    with torch.no_grad():
        whole = network(x)
        tile = network(x[..., stride:])
    torch.testing.assert_close(whole[..., stride + halo :], tile[..., halo:], rtol=0, atol=1e-12)
    assert (whole[..., stride:] - tile).abs().max() > 1e-4  # at the cut it is not
