"""Tissue made of random cells: for tests that need a truth at any size, in 2D and 3D."""

import numpy as np
from scipy import ndimage

from napari_unet.arrays.targets import near_other_value


def tissue(shape, cells=30, seed=0, noise=0.15):
    """Image (uint8, dark boundaries, noisy) and instance labels (touching cells, ids from 1)."""
    rng = np.random.default_rng(seed)
    points = np.full(shape, 0)
    points.flat[rng.choice(points.size, cells, replace=False)] = np.arange(1, cells + 1)
    nearest = ndimage.distance_transform_edt(points == 0, return_distances=False, return_indices=True)
    instances = points[tuple(nearest)].astype(np.int32)
    bright = np.where(near_other_value(instances, 1), 0.25, 0.75)
    image = ndimage.gaussian_filter(bright, 0.7) + rng.normal(0, noise, shape)
    return np.clip(image * 255, 0, 255).astype(np.uint8), instances


def classes(instances):
    """Dense annotation in the style ``classes``: 1 = cell, 2 = boundary."""
    return np.where(near_other_value(instances, 1), 2, 1).astype(np.uint8)


def strokes(instances, part=0.03, seed=0):
    """Sparse annotation: short horizontal strokes on ``part`` of the pixels."""
    full = classes(instances)
    rng = np.random.default_rng(seed)
    starts = rng.random(full.shape) < part / 12
    return np.where(ndimage.maximum_filter1d(starts, 12, axis=-1), full, 0).astype(np.uint8)
