"""A prepared network computes what the network computes."""

import pytest
import torch
from torch import nn

from napari_unet.learn import inference
from napari_unet.learn.device import memory_format
from napari_unet.nets import build, geometry_of
from networks import SMALL

CPU = torch.device("cpu")


def as_if_trained(spec):
    """A network whose biases and BatchNorm have left what they begin with, and whose maps are of size 1."""
    torch.manual_seed(0)
    network = build(spec)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            module.momentum = None  # the statistics are those of all that it sees
            nn.init.uniform_(module.weight, 0.5, 1.5)
        if getattr(module, "bias", None) is not None:
            nn.init.normal_(module.bias, std=0.1)
    with torch.no_grad():
        network.train()(some(spec, batch=2))
    return network.eval()


def some(spec, steps=3, batch=1):
    """An input that is not square."""
    geometry = geometry_of(spec)
    shape = geometry.input_shape([s * (steps + n) for n, s in enumerate(geometry.stride)])
    return torch.randn(batch, spec.in_channels, *shape).contiguous(memory_format=memory_format(spec.ndim))


def assert_equal(got, expected):
    """Within the rounding errors of the plain network itself, which grow with its values: up to 16 in one."""
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * max(1, float(expected.abs().max()) / 4))


def operations(network, x):
    """Names of the operations that a network's forward pass calls."""
    with torch.profiler.profile() as profile, torch.inference_mode():
        network(x)
    return {event.key for event in profile.key_averages()}


@pytest.fixture(params=[True, False], ids=["fused", "plain"])
def fused(request, monkeypatch):
    """With the fused operations, and as where PyTorch lacks them."""
    if request.param and not inference.has_fused(2):
        pytest.skip("PyTorch has no fused operations here")
    if not request.param:
        monkeypatch.setattr(inference, "has_fused", lambda ndim: False)
    return request.param


@pytest.mark.parametrize("spec", SMALL, ids=str)
@torch.inference_mode()
def test_every_network_computes_the_same(spec, fused):
    network = as_if_trained(spec)
    ready = inference.prepare(network, spec.ndim, CPU)
    for x in (some(spec), some(spec, steps=2, batch=2)):
        given = x.clone()
        expected = network(x)
        assert expected.std() > 0.01
        for _ in range(2):  # nothing is kept from one time to the next
            assert_equal(ready(x), expected)
        torch.testing.assert_close(x, given, rtol=0, atol=0)


@pytest.mark.parametrize("spec", SMALL[:6], ids=str)
@torch.inference_mode()
def test_the_memory_format_of_the_input_does_not_matter(spec, fused):
    network = as_if_trained(spec)
    x = some(spec).contiguous()
    assert_equal(inference.prepare(network, spec.ndim, CPU)(x), network(x))


def test_the_network_itself_stays_as_it_was(fused):
    network = as_if_trained(SMALL[0])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    inference.prepare(network, 2, CPU)(some(SMALL[0]))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("spec", SMALL[:6], ids=str)
def test_nothing_is_left_of_batchnorm_activations_and_joins(spec):
    if not inference.has_fused(spec.ndim):
        pytest.skip("PyTorch has no fused operations here")
    called = operations(inference.prepare(build(spec), spec.ndim, CPU), some(spec))
    assert "mkldnn::_convolution_pointwise" in called
    assert not called & {"aten::batch_norm", "aten::relu_", "aten::relu", "aten::cat"}


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize(
    "missing", ["_convolution_pointwise", "_convolution_pointwise_", "_reorder_convolution_weight"]
)
def test_a_missing_operation_is_noticed(ndim, missing, monkeypatch):
    class Lacking:
        def __getattr__(self, name):
            if name == missing:
                raise AttributeError(name)
            return getattr(torch._ops._OpNamespace("mkldnn"), name)

    monkeypatch.setattr(torch.ops, "mkldnn", Lacking())
    assert inference.has_fused.__wrapped__(ndim) is False


@pytest.mark.parametrize("wrong", [0.0, float("nan")])
def test_a_wrong_result_is_noticed(wrong, monkeypatch):
    monkeypatch.setattr(inference._Fused, "forward", lambda self, x: torch.full((1, 4, 8, 8), wrong))
    assert inference.has_fused.__wrapped__(2) is False


def test_looking_for_the_operations_leaves_the_random_numbers():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    inference.has_fused.__wrapped__(2)
    assert torch.equal(torch.rand(3), expected)
