"""The settings that make known cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage as ndi

import napari_unet as nu
from napari_unet.arrays.tuning import MARGIN, Place, Scored, best_of, chosen, known_area, score, tune
from napari_unet.spec import BOUNDARY, CELL, CellSpec

CLASSES = (CELL, BOUNDARY)
SIDE = 24


def checkerboard(strength: int, cells: int = 4) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Square cells with boundaries of one strength (0 to 255): probabilities (K, Y, X) and their numbers."""
    length = cells * SIDE
    rows, columns = np.indices((length, length)) // SIDE
    truth = 1 + rows * cells + columns
    edge = (np.indices((length, length)) % SIDE < 2).any(axis=0)
    boundary = np.where(edge, strength, 10).astype(np.uint8)
    return np.stack([255 - boundary, boundary]), np.where(edge, 0, truth)


def test_area_does_not_depend_on_the_numbers() -> None:
    rng = np.random.default_rng(0)
    truth, cells = rng.integers(0, 5, (30, 40)), rng.integers(0, 6, (30, 40))
    other = np.array([0, 70, 3, 9, 12, 5])[cells]
    assert known_area(cells, truth) == pytest.approx(known_area(other, truth))
    assert known_area(truth, truth) == [1.0] * 4


def test_cut_and_joined_cells_count_less_than_whole_ones() -> None:
    truth = np.repeat([[1, 1, 2, 2]], 4, axis=0)
    assert np.mean(known_area(truth, truth)) == 1
    assert np.mean(known_area(np.ones_like(truth), truth)) == 0.5
    assert np.mean(known_area(np.repeat([[1, 2, 3, 3]], 4, axis=0), truth)) == 0.75


@pytest.mark.parametrize("strength", [90, 130, 240])
def test_boundaries_of_any_strength_are_found(strength: int) -> None:
    probabilities, truth = checkerboard(strength)
    tried = nu.tune_cells(probabilities, truth, CLASSES)
    before = next(t.score for t in tried if t.cells == CellSpec())
    assert tried[0].score >= max(before, 0.85)
    assert score([Place(probabilities[:, None], truth[None])], CLASSES, tried[0].cells) == tried[0].score
    if strength == 90:
        assert before < 0.2


def test_one_cell_is_enough_and_what_is_unknown_does_not_count() -> None:
    probabilities, truth = checkerboard(90)
    tried = nu.tune_cells(probabilities, np.where(truth == 6, 6, 0), CLASSES)
    assert tried[0].score > 0.85


def test_small_known_cells_are_not_left_out_for_their_size() -> None:
    probabilities, truth = checkerboard(240)
    few = CellSpec(min_size=10_000)
    assert score([Place(probabilities[:, None], truth[None])], CLASSES, few) == 0
    assert nu.tune_cells(probabilities, truth, CLASSES, start=few)[0].score > 0.85


def test_slices_without_known_cells_are_not_looked_at_and_volumes_are_whole() -> None:
    probabilities, truth = checkerboard(90)
    stack, known = np.stack([probabilities] * 6, axis=1), np.stack([truth] * 6)
    known[1:] = 0
    flat = nu.tune_cells(stack, known, CLASSES)
    assert flat[0].score == nu.tune_cells(probabilities, truth, CLASSES)[0].score
    assert nu.tune_cells(stack, known, CLASSES, volume=True)[0].score > 0.85


def test_of_equals_the_nearest_to_the_defaults_is_taken() -> None:
    far, near = CellSpec(beta=0.2), CellSpec(beta=0.45)
    assert best_of([Scored(far, 0.9001), Scored(near, 0.9)]).cells == near
    assert best_of([Scored(far, 0.92), Scored(near, 0.9)]).cells == far


def test_a_part_around_the_known_cells_is_enough() -> None:
    large = np.zeros((1, 600, 700), np.int32)
    large[0, 300:320, 400:440] = 5
    (place,) = chosen([Place(np.zeros((2, *large.shape), np.uint8), large)])
    assert place.truth.shape == (1, 20 + 2 * MARGIN, 40 + 2 * MARGIN)
    assert place.probabilities.shape == (2, *place.truth.shape)
    assert (place.truth > 0).sum() == 800


def test_progress_ends_at_the_end() -> None:
    probabilities, truth = checkerboard(240, 2)
    parts = [part for _, part in tune([Place(probabilities[:, None], truth[None])], CLASSES)]
    assert parts == sorted(parts)
    assert 0 < parts[0] < 0.1
    assert parts[-1] > 0.75


def test_nothing_known_is_refused() -> None:
    probabilities, truth = checkerboard(240, 2)
    with pytest.raises(nu.UserError, match="no cell is known"):
        nu.tune_cells(probabilities, np.zeros_like(truth), CLASSES)
    with pytest.raises(nu.UserError, match="shape"):
        nu.tune_cells(probabilities, truth[:-1], CLASSES)


def test_noise_does_not_win_over_a_good_start() -> None:
    probabilities, truth = checkerboard(240)
    noisy = np.clip(ndi.gaussian_filter(probabilities.astype(float), (0, 1, 1)), 0, 255).astype(np.uint8)
    before = score([Place(noisy[:, None], truth[None])], CLASSES, CellSpec())
    assert nu.tune_cells(noisy, truth, CLASSES)[0].score >= before - 0.0005
