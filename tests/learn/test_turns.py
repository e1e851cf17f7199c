"""Views of a patch: all different, and each can be undone; the start looks through all of them."""

import numpy as np
import pytest
import torch

import napari_unet as nu
from napari_unet.learn.anchor import Anchor
from napari_unet.learn.turns import turns
from napari_unet.spec import AugmentSpec
from synthetic import classes, tissue


@pytest.mark.parametrize(
    ("spec", "patch", "count"),
    [
        (AugmentSpec(), (8, 8), 8),
        (AugmentSpec(), (8, 6), 4),
        (AugmentSpec(flip=False), (8, 8), 4),
        (AugmentSpec(rotate90=False), (8, 8), 4),
        (AugmentSpec(flip=False, rotate90=False), (8, 8), 1),
        (AugmentSpec(), (4, 8, 8), 16),
        (AugmentSpec(rotate90=False), (4, 8, 6), 8),
        (AugmentSpec(flip=False), (4, 8, 6), 2),
    ],
)
def test_views_differ_and_come_back(spec, patch, count):
    values = torch.rand(2, 3, *patch, generator=torch.Generator().manual_seed(0))
    views = [turn.apply(values) for turn in turns(spec, patch)]
    assert len({view.numpy().tobytes() for view in views}) == len(views) == count
    for turn, view in zip(turns(spec, patch), views, strict=True):
        assert view.shape == values.shape
        assert turn.undo(view).equal(values)


def test_mirrored_views_are_left_out_where_hands_matter():
    """What is never learnt from is not kept to either: the letter L must not be taken for its mirror image."""
    letter = torch.zeros(1, 1, 4, 4)
    letter[..., 0], letter[..., 3, :2] = 1, 1
    found = {turn.apply(letter).numpy().tobytes() for turn in turns(AugmentSpec(flip=False), (4, 4))}
    assert letter.flip(-1).contiguous().numpy().tobytes() not in found


def test_the_start_looks_at_every_step_in_another_way(monkeypatch):
    seen, loss = [], Anchor.loss

    def noted(self, outputs, images, target, turn):
        seen.append(turn)
        return loss(self, outputs, images, target, turn)

    monkeypatch.setattr(Anchor, "loss", noted)
    image, cells = tissue((96, 96), 3)
    true = classes(cells)
    strokes = np.where(np.random.default_rng(0).random(true.shape) < 0.02, true, 0)
    nu.train(image, strokes, style="classes", steps=9)
    assert seen[:8] == list(turns(AugmentSpec(), (64, 64)))
    assert seen[8] == seen[0]


@pytest.mark.parametrize("turn", turns(AugmentSpec(), (16, 16)))
def test_what_is_kept_to_is_seen_through_the_view_and_turned_back(turn):
    """Of a start that sees every direction in another way: its own view costs nothing, another one does."""
    network = torch.nn.Conv2d(1, 2, 3, padding=1, bias=False)
    torch.nn.init.normal_(network.weight, generator=torch.Generator().manual_seed(2))
    anchor = Anchor.__new__(Anchor)
    anchor.network, anchor._half, anchor._ready = network, False, network
    images = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    target = torch.full((1, 16, 16), -1)
    with torch.no_grad():
        through = turn.undo(network(turn.apply(images)))
        assert float(anchor.loss(through, images, target, turn)) == pytest.approx(0, abs=1e-6)
        if turn.quarters or turn.mirrored:
            assert float(anchor.loss(network(images), images, target, turn)) > 1e-4
