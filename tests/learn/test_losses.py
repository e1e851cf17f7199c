import numpy as np
import torch

from napari_unet.learn.losses import cross_entropy, dice_scores


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
