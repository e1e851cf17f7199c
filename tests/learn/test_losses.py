"""Losses against formulas written out in numpy, and against MONAI's."""

import numpy as np
import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss

from napari_unet.arrays.targets import IGNORE, border_weights
from napari_unet.learn.losses import (
    SMOOTH,
    balance,
    binary_cross_entropy,
    cross_entropy,
    dice_scores,
    make_loss,
    one_hot,
    pixel_weights,
    soft_dice,
)
from napari_unet.nets.head import probabilities
from napari_unet.spec import TrainSpec, UNetDiceSpec, UNetKerasSpec, UNetSpec, VGG16UNetSpec, VNetSpec
from napari_unet.storage.samples import load_sample


def literal(logits, target, weights):
    total = norm = 0.0
    for n, y, x in np.ndindex(target.shape):
        if target[n, y, x] == -1:
            continue
        e = np.exp(logits[n, :, y, x])
        total -= weights[n, y, x] * np.log(e[target[n, y, x]] / e.sum())
        norm += weights[n, y, x]
    return total / norm


def test_cross_entropy_is_the_formula():
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(2, 3, 5, 6)), rng.integers(-1, 3, (2, 5, 6))
    weights = rng.uniform(0.5, 10, (2, 5, 6))
    args = torch.from_numpy(logits), torch.from_numpy(target)
    np.testing.assert_allclose(
        float(cross_entropy(*args)), literal(logits, target, np.ones_like(weights)), rtol=1e-5
    )
    np.testing.assert_allclose(
        float(cross_entropy(*args, torch.from_numpy(weights))), literal(logits, target, weights), rtol=1e-5
    )


def test_unannotated_pixels_have_no_gradient():
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    target = torch.full((1, 4, 4), -1)
    target[0, 1, 1] = 0
    cross_entropy(logits, target).backward()
    assert logits.grad.abs().sum(dim=1).count_nonzero() == 1
    logits.grad = None
    cross_entropy(logits, torch.full((1, 4, 4), -1)).backward()
    assert (logits.grad == 0).all()


def test_dice():
    logits = torch.tensor([[[[5.0, 5, 0, 0]], [[0.0, 0, 5, 5]], [[-9.0, -9, -9, -9]]]])
    target = torch.tensor([[[0, 1, 1, -1]]])
    assert dice_scores(logits, target) == [2 / 3, 2 / 3, None]


def random_case(classes, channels=None, seed=0):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(2, channels or classes, 5, 6))
    target = rng.integers(-1, classes, (2, 5, 6))
    return outputs, target, rng.uniform(0.5, 10, target.shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x)
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("classes", "channels"), [(2, 1), (2, 2), (4, 4)])
def test_binary_cross_entropy_is_the_formula(classes, channels):
    outputs, target, weights = random_case(classes, channels)
    total = norm = 0.0
    for n, y, x in zip(*np.nonzero(target != IGNORE), strict=True):
        for k in range(channels):
            p, g = sigmoid(outputs[n, k, y, x]), float(target[n, y, x] == k)
            total -= weights[n, y, x] * (g * np.log(p) + (1 - g) * np.log(1 - p)) / channels
        norm += weights[n, y, x]
    got = binary_cross_entropy(*map(torch.from_numpy, (outputs, target, weights)))
    assert float(got) == pytest.approx(total / norm, rel=1e-5)


def test_one_sigmoid_is_a_softmax_over_it_and_zero():
    outputs, target, weights = map(torch.from_numpy, random_case(2, 1))
    both = torch.cat([outputs, torch.zeros_like(outputs)], dim=1)
    assert float(binary_cross_entropy(outputs, target, weights)) == pytest.approx(
        float(cross_entropy(both, target, weights)), rel=1e-6
    )


@pytest.mark.parametrize("squared", [False, True])
def test_dice_is_the_formula_over_annotated_pixels(squared):
    outputs, target, weights = random_case(3)
    p = softmax(outputs)
    scores = []
    for k in range(3):
        known = target != IGNORE
        g, q, w = (target == k)[known].astype(float), p[:, k][known], weights[known]
        total = (w * (q**2 + g**2)).sum() if squared else (w * (q + g)).sum()
        scores.append((2 * (w * q * g).sum() + SMOOTH) / (total + SMOOTH))
    got = soft_dice(*map(torch.from_numpy, (p, target, weights)), squared=squared)
    assert float(got) == pytest.approx(1 - np.mean(scores), rel=1e-5)


@pytest.mark.parametrize("squared", [False, True])
def test_dice_is_monai_s_where_everything_is_annotated(squared):
    outputs, target, _ = random_case(3)
    outputs, target = torch.from_numpy(outputs).float(), torch.from_numpy(np.abs(target))
    theirs = DiceLoss(softmax=True, squared_pred=squared, batch=True, smooth_nr=SMOOTH, smooth_dr=SMOOTH)
    expected = theirs(outputs, one_hot(target, 3))
    assert float(soft_dice(outputs.softmax(1), target, squared=squared)) == pytest.approx(
        float(expected), rel=1e-5
    )


def test_dice_with_cross_entropy_is_monai_s():
    outputs, target, _ = random_case(3)
    outputs, target = torch.from_numpy(outputs).float(), torch.from_numpy(np.abs(target))
    theirs = DiceCELoss(softmax=True, batch=True, smooth_nr=SMOOTH, smooth_dr=SMOOTH)
    expected = theirs(outputs, one_hot(target, 3))
    ours = make_loss(TrainSpec(loss="dice+cross-entropy"), UNetSpec(classes=3))
    assert float(ours(outputs, target, None)) == pytest.approx(float(expected), rel=1e-5)


NETS = [UNetSpec(classes=3), UNetSpec(), UNetKerasSpec(), UNetDiceSpec(), VGG16UNetSpec(), VNetSpec()]
CHOICES = [(n, loss) for n in NETS for loss in (None, "dice", "dice+cross-entropy")]


@pytest.mark.parametrize(("net", "loss"), CHOICES, ids=str)
def test_no_loss_looks_at_unannotated_pixels_and_all_prefer_the_truth(net, loss):
    function = make_loss(TrainSpec(loss=loss), net)
    _, target, weights = random_case(net.classes)
    target, weights = torch.from_numpy(target), torch.from_numpy(weights).float()
    truth = 8 * (2 * one_hot(target, net.outputs) - 1)
    assert float(function(truth, target, weights)) < 0.1 < float(function(-truth, target, weights))
    outputs = torch.zeros_like(truth).requires_grad_()
    function(outputs, target, weights).backward()
    seen = outputs.grad.abs().sum(dim=1) > 0
    assert (seen == (target != IGNORE)).all()
    nothing = torch.full_like(target, IGNORE)
    outputs.grad = None
    function(outputs, nothing, weights).backward()
    assert (outputs.grad == 0).all()


def test_dice_of_one_sigmoid_counts_both_classes():
    """Whichever of the two is rare, missing it all is half of the loss."""
    function = make_loss(TrainSpec(), UNetDiceSpec())
    target = torch.zeros(1, 20, 20, dtype=torch.long)
    target[0, 0] = 1
    for sign in (1, -1):
        everything = torch.full((1, 1, 20, 20), 9.0 * sign)
        assert float(function(everything, target if sign == 1 else 1 - target, None)) > 0.4


def test_sigmoids_far_below_zero_still_make_probabilities():
    outputs = torch.tensor([-200.0, -201.0, -300.0]).reshape(1, 3, 1)
    chances = probabilities(outputs, VGG16UNetSpec(classes=3))
    torch.testing.assert_close(chances.sum(dim=1), torch.ones(1, 1))
    assert chances[0, 0, 0] > 0.7


def test_weights_are_equation_2_of_the_2015_paper_on_real_cells():
    """w(x) = w_c(x) + w0 exp(-(d1 + d2)^2 / (2 sigma^2)), the distances by brute force."""
    _, labels = load_sample("nuclei-2").pair()
    cells = np.asarray(labels.data)[:48, :64].astype(np.int32)
    ids = [i for i in np.unique(cells) if i]
    assert len(ids) >= 2
    rows, columns = np.indices(cells.shape)
    distances = []
    for i in ids:
        y, x = np.nonzero(cells == i)
        distances.append(np.sqrt((rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2).min(axis=-1))
    d1, d2 = np.sort(np.stack(distances), axis=0)[:2]
    target = np.where(cells > 0, 0, 2)
    counts = [int((target == k).sum()) for k in range(3)]
    w_c = np.array([cells.size / (2 * n) if n else 1 for n in counts])[target]
    expected = w_c + np.where(cells > 0, 0, 10 * np.exp(-((d1 + d2) ** 2) / (2 * 5**2)))
    border = torch.from_numpy(border_weights(cells, 10, 5))
    got = pixel_weights(torch.from_numpy(target), border, balance(counts))
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_balanced_classes_weigh_the_same():
    counts = [900, 90, 10]
    np.testing.assert_allclose(balance(counts).numpy() * counts, sum(counts) / 3, rtol=1e-6)
