import copy

import pytest
import torch
from torch import nn

from napari_unet.nets.freeze import free_modules, freeze, is_frozen, train_mode, unfreeze

OPTIMISERS = {
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.5),
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.5),
}


class Small(nn.Module):
    """An encoder with everything that could move, and a decoder."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
        self.decoder = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))

    def forward(self, x):
        return self.decoder(self.encoder(x))


def steps(network, optimiser, count=3):
    for seed in range(count):
        train_mode(network)
        x = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        optimiser.zero_grad()
        network(x).square().sum().backward()
        optimiser.step()


def state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(module, before):
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_a_frozen_part_stays_bit_for_bit_and_the_rest_learns(make):
    network = Small()
    freeze(network.encoder)
    encoder, decoder = state(network.encoder), state(network.decoder)
    steps(network, make(network.parameters()))
    assert moved(network.encoder, encoder) == set()
    assert moved(network.decoder, decoder) == set(decoder)


@pytest.mark.parametrize("make", OPTIMISERS.values(), ids=OPTIMISERS)
def test_freezing_in_the_midst_leaves_no_momentum_and_unfreezing_lets_everything_move(make):
    network = Small()
    optimiser = make(network.parameters())
    steps(network, optimiser)
    freeze(network.encoder)
    encoder = state(network.encoder)
    optimiser.step()  # with the gradients of the step before
    steps(network, optimiser)
    assert moved(network.encoder, encoder) == set()
    unfreeze(network.encoder)
    steps(network, optimiser)
    assert moved(network.encoder, encoder) == set(encoder)


def test_dropout_in_a_frozen_part_is_off():
    network = Small()
    freeze(network.encoder)
    train_mode(network)
    x = torch.rand(1, 1, 8, 8)
    assert torch.equal(network.encoder(x), network.encoder(x))
    assert network.training
    assert network.decoder[2].training
    unfreeze(network.encoder)
    train_mode(network)
    assert not torch.equal(network.encoder(x), network.encoder(x))


def test_a_copy_is_frozen_where_the_network_is():
    """As the average of the weights, none of which needs a gradient."""
    network = Small()
    freeze(network.encoder)
    again = copy.deepcopy(network).requires_grad_(False)
    train_mode(again)
    assert not any(m.training for m in again.encoder.modules())
    assert all(m.training for m in again.decoder.modules())
    assert [m for m in free_modules(again) if isinstance(m, nn.BatchNorm2d)] == [again.decoder[1]]


def test_unfreezing_reaches_parts_of_a_part():
    network = Small()
    freeze(network.encoder[1])
    freeze(network.encoder)
    assert list(free_modules(network)) == [network, network.decoder, *network.decoder]
    unfreeze(network.encoder)
    assert not any(is_frozen(m) for m in network.modules())
    assert list(free_modules(network)) == list(network.modules())
    assert all(p.requires_grad for p in network.parameters())
