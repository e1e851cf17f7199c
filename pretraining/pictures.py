"""Synthetic microscopy with a known truth: tissue seen by electrons, glowing walls, nuclei, phase contrast.

Every picture comes with labels in the default classes of the package: 1 cell, 2 boundary, 3 background. Pictures
vary far more than any microscope's, so that a network has to find what stays: closed lines between things, and
things on a ground, whatever their brightness, width and texture.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.special import expit
from skimage.segmentation import find_boundaries

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Picture = tuple[Floats, npt.NDArray[np.uint8]]

CELL, BOUNDARY, BACKGROUND = 1, 2, 3
MARGIN = 24
"""Pixels made around a picture and cut off: borders of filters must not show."""


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Floats:
    """Random field of mean 0 and deviation 1 whose features are about ``sigma`` pixels wide."""
    step = max(1, int(sigma / 3))
    small = rng.standard_normal([n // step + 8 for n in shape]).astype(np.float32)
    field = ndimage.gaussian_filter(small, sigma / step)
    field = ndimage.zoom(field, step, order=1) if step > 1 else field
    field = field[: shape[0], : shape[1]]
    return np.asarray((field - field.mean()) / (field.std() + 1e-6), np.float32)


def partition(rng: np.random.Generator, shape: tuple[int, int], size: float, joined: float) -> Labels:
    """Cut the plane into cells of about ``size`` pixels across: a warped power diagram.

    ``joined`` is the share of neighbours that become one cell, which makes shapes that are not convex.
    """
    count = max(4, int(shape[0] * shape[1] / size**2))
    seeds = rng.random((count, 2)) * shape
    if rng.random() < 0.6:  # from random to regular, as in an epithelium
        for _ in range(int(rng.integers(1, 4))):
            points = rng.random((count * 30, 2)) * shape
            owner = cKDTree(seeds).query(points)[1]
            sums = np.stack([np.bincount(owner, points[:, a], count) for a in (0, 1)], 1)
            hits = np.bincount(owner, minlength=count)[:, None]
            seeds = np.where(hits > 0, sums / np.maximum(hits, 1), seeds)
    angle, stretch = rng.random() * np.pi, np.exp(rng.normal(0, 0.25))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    metric = turn @ np.diag([stretch, 1 / stretch]) @ turn.T
    warped = np.indices(shape, np.float32)
    for wide, strength in ((size * 0.9, 0.25), (size * 0.3, 0.06)):
        for axis in (0, 1):
            warped[axis] += smooth_noise(rng, shape, wide) * size * strength * rng.random() * 2
    penalty = np.abs(rng.normal(0, 0.45 * size * rng.random(), count))
    distance, near = cKDTree(seeds @ metric).query(warped.reshape(2, -1).T @ metric, k=min(6, count))
    nearest = near[np.arange(len(near)), (distance + penalty[near]).argmin(1)]
    labels = nearest.reshape(shape).astype(np.int32)
    parent = np.arange(count)
    sides = np.concatenate([np.stack([labels[:-1].ravel(), labels[1:].ravel()], 1)])
    for a, b in np.unique(sides[sides[:, 0] != sides[:, 1]], axis=0):
        if rng.random() < joined:
            parent[parent == parent[a]] = parent[b]
    return np.asarray(parent[labels] + 1, np.int32)


def distance_to_edge(labels: Labels) -> Floats:
    """Pixels from the nearest change of label."""
    edges = find_boundaries(labels, mode="thick")
    return np.asarray(ndimage.distance_transform_edt(~edges), np.float32)


def of_cells(rng: np.random.Generator, labels: Labels, deviation: float) -> Floats:
    """Give every cell a random value, as a picture."""
    values = rng.normal(0, deviation, int(labels.max()) + 1).astype(np.float32)
    return np.asarray(values[labels], np.float32)


def tissue(rng: np.random.Generator, shape: tuple[int, int]) -> Picture:
    """Cells side by side with dark membranes and organelles inside, as in electron microscopy."""
    size = float(np.exp(rng.uniform(np.log(18), np.log(75))))
    labels = partition(rng, shape, size, joined=rng.uniform(0, 0.35))
    distance = distance_to_edge(labels)
    width = rng.uniform(0.8, 3.2) * np.exp(0.3 * smooth_noise(rng, shape, 15))
    profile = expit((width - distance) / rng.uniform(0.25, 0.7))
    image = rng.uniform(0.6, 0.8) + of_cells(rng, labels, rng.uniform(0, 0.09))
    image += rng.uniform(0, 0.08) * smooth_noise(rng, shape, rng.uniform(1.5, 5))
    image += rng.uniform(0, 0.05) * smooth_noise(rng, shape, rng.uniform(30, 80))
    for draw, often in ((_mitochondria, 0.9), (_vesicles, 0.8), (_threads, 0.7), (_specks, 0.5)):
        if rng.random() < often:
            image = draw(rng, image, distance, size)
    faint = np.clip(0.85 + rng.uniform(0, 0.3) * smooth_noise(rng, shape, 12), 0.15, 1.2)
    image -= profile * faint * rng.uniform(0.25, 0.6)
    if rng.random() < 0.3:  # thin gaps between membranes, lighter
        image += 0.25 * (distance < 0.8) * rng.random()
    image = ndimage.gaussian_filter(image, rng.uniform(0.3, 1.3))
    image = add_noise(rng, image, rng.uniform(0.01, 0.12))
    target = np.where(distance <= np.maximum(width, 1.0), BOUNDARY, CELL)
    return image.astype(np.float32), target.astype(np.uint8)


def _places(rng: np.random.Generator, distance: Floats, count: int, inside: float) -> npt.NDArray[np.int64]:
    """Random pixels that are at least ``inside`` pixels from any membrane."""
    found = np.argwhere(distance > inside)
    return found[rng.integers(len(found), size=count)] if len(found) else np.empty((0, 2), np.int64)


def _stamp(image: Floats, at: npt.NDArray[np.int64], radius: int) -> tuple[tuple[slice, slice], Floats, Floats]:
    """Give a window around a pixel, and the coordinates in it."""
    lower, upper = np.maximum(at - radius, 0), np.minimum(at + radius + 1, image.shape)
    window = slice(lower[0], upper[0]), slice(lower[1], upper[1])
    y, x = np.mgrid[window].astype(np.float32)
    return window, y - at[0], x - at[1]


def _mitochondria(rng: np.random.Generator, image: Floats, distance: Floats, size: float) -> Floats:
    """Dark bodies with an outline and folds."""
    outline, body = rng.uniform(0.1, 0.35), rng.uniform(0.05, 0.3)
    for at in _places(rng, distance, int(image.size / size**2 * rng.uniform(0.2, 1.0)), max(4.0, 0.13 * size)):
        room = float(distance[tuple(at)])
        b = min(room * rng.uniform(0.5, 0.9), float(np.exp(rng.uniform(np.log(4), np.log(35)))))
        a = b * rng.uniform(1.0, 1.6)
        angle = rng.random() * np.pi
        window, y, x = _stamp(image, at, int(a * 1.4) + 3)
        u, v = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
        r = np.hypot(u / a, v / b) + 0.06 * np.sin(3 * np.arctan2(v, u) + rng.random() * 6)
        inside = expit((1 - r) * b / 0.6)
        rim = np.exp(-(((r - 1) * b) ** 2) / 1.5)
        folds = np.sin(u * rng.uniform(1.0, 2.0) + 2 * np.sin(v * 0.3)) * inside * rng.uniform(0, 0.12)
        inner = distance[window] > 1.5
        image[window] -= (body * inside + outline * rim + folds) * inner
    return image


def _vesicles(rng: np.random.Generator, image: Floats, distance: Floats, size: float) -> Floats:
    """Small rings, in clusters."""
    dark, radius = rng.uniform(0.1, 0.35), rng.uniform(1.5, 4.0)
    for centre in _places(rng, distance, int(image.size / size**2 * rng.uniform(0.1, 0.6)) + 1, 5):
        spread = rng.uniform(3, 12)
        for at in np.rint(centre + rng.normal(0, spread, (int(rng.integers(1, 14)), 2))).astype(int):
            if (at < 0).any() or (at >= image.shape).any() or distance[tuple(at)] < radius + 1:
                continue
            window, y, x = _stamp(image, at, int(radius) + 4)
            image[window] -= dark * np.exp(-((np.hypot(y, x) - radius) ** 2) / 0.8)
            image[window] += 0.1 * rng.random() * (np.hypot(y, x) < radius - 0.5)
    return image


def _threads(rng: np.random.Generator, image: Floats, distance: Floats, size: float) -> Floats:
    """Short lines inside cells: reticulum and tubules, which are no membranes between cells."""
    dark = rng.uniform(0.08, 0.3)
    for at in _places(rng, distance, int(image.size / size**2 * rng.uniform(0.1, 0.8)), 5):
        length, angle, bend = rng.uniform(4, 16), rng.random() * np.pi, rng.uniform(-0.06, 0.06)
        window, y, x = _stamp(image, at, int(length) + 3)
        u, v = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
        line = np.exp(-((v - bend * u * u) ** 2) / rng.uniform(0.6, 2)) * (np.abs(u) < length / 2)
        image[window] -= dark * line * (distance[window] > 1.5)
    return image


def _specks(rng: np.random.Generator, image: Floats, distance: Floats, size: float) -> Floats:
    """Dark grains."""
    for at in _places(rng, distance, int(image.size * rng.uniform(1e-4, 2e-3)), 1):
        window, y, x = _stamp(image, at, 4)
        image[window] -= rng.uniform(0.05, 0.3) * np.exp(-(y**2 + x**2) / rng.uniform(0.6, 4))
    return image


def walls(rng: np.random.Generator, shape: tuple[int, int]) -> Picture:
    """Bright walls on a dark ground, as of a membrane marker."""
    size = float(np.exp(rng.uniform(np.log(12), np.log(70))))
    labels = partition(rng, shape, size, joined=rng.uniform(0, 0.1))
    outside = np.zeros(shape, bool)
    if rng.random() < 0.4:
        field = smooth_noise(rng, shape, 60)
        outside = np.isin(labels, np.unique(labels[field > rng.uniform(0.6, 1.6)]))
        labels = np.where(outside, 0, labels).astype(np.int32)
    distance = distance_to_edge(labels)
    width = rng.uniform(0.6, 2.5)
    bright = np.clip(1 + rng.uniform(0, 0.5) * smooth_noise(rng, shape, rng.uniform(5, 25)), 0.12, 2)
    image = np.exp(-((distance / width) ** 2) / 2) * bright
    image += ~outside * (rng.uniform(0, 0.35) + of_cells(rng, labels, 0.05))
    image += rng.uniform(0, 0.12) * smooth_noise(rng, shape, rng.uniform(2, 6)) * ~outside
    for _ in range(int(rng.integers(0, 25))):  # bright spots that are no walls
        (at,) = _places(rng, distance, 1, 3)[:1] if (distance > 3).any() else [np.array([5, 5])]
        window, y, x = _stamp(image, at, 6)
        image[window] += rng.uniform(0.2, 0.9) * np.exp(-(y**2 + x**2) / rng.uniform(1, 8))
    image = ndimage.gaussian_filter(image, rng.uniform(0.4, 1.8))
    image *= np.clip(1 + rng.uniform(0, 0.3) * smooth_noise(rng, shape, 90), 0.3, 2)
    image = photons(rng, image, float(np.exp(rng.uniform(np.log(8), np.log(300)))))
    target = np.where(outside, BACKGROUND, CELL)
    target[distance <= max(1.0, width * 1.2)] = BOUNDARY
    return image, target.astype(np.uint8)


def objects(rng: np.random.Generator, shape: tuple[int, int], size: float, gap: float) -> Labels:
    """Separate things: cells of a partition, shrunk, some left out; 0 is the ground."""
    labels = partition(rng, shape, size, joined=0.0)
    distance = distance_to_edge(labels)
    room = gap * np.clip(1 + 0.6 * smooth_noise(rng, shape, size / 2), 0, 3)
    round_by = size * rng.uniform(0.03, 0.22)  # an opening: corners get this radius
    core = distance > room + round_by
    inside = (ndimage.distance_transform_edt(~core) <= round_by) & (distance > room)
    keep = rng.random(int(labels.max()) + 1) < rng.uniform(0.35, 1.0)
    return np.where(inside & keep[labels], labels, 0).astype(np.int32)


def nuclei(rng: np.random.Generator, shape: tuple[int, int]) -> Picture:
    """Bright blobs, some touching, on a dark ground."""
    size = float(np.exp(rng.uniform(np.log(12), np.log(60))))
    labels = objects(rng, shape, size, gap=rng.uniform(0.3, 0.22 * size))
    rim = distance_to_edge(labels)
    dome = 1 - np.exp(-rim / rng.uniform(1, size / 5))
    image = (labels > 0) * dome * np.clip(0.7 + of_cells(rng, labels, rng.uniform(0.05, 0.3)), 0.12, 2)
    image *= 1 + rng.uniform(0, 0.3) * smooth_noise(rng, shape, rng.uniform(1.5, 6))
    image += rng.uniform(0, 0.25) + rng.uniform(0, 0.1) * smooth_noise(rng, shape, 50)
    image = ndimage.gaussian_filter(image, rng.uniform(0.4, 2.0))
    image = photons(rng, image, float(np.exp(rng.uniform(np.log(8), np.log(300)))))
    return image, things_target(labels)


def rods(rng: np.random.Generator, shape: tuple[int, int]) -> Labels:
    """Bacteria: rods with round ends, side by side in colonies; 0 is the ground."""
    labels = np.zeros(shape, np.int32)
    radius, place = rng.uniform(3, 10), np.indices(shape, np.float32)
    for _ in range(int(rng.integers(1, 9))):
        centre, heading = rng.random(2) * shape, rng.random() * np.pi
        for _ in range(int(rng.integers(1, 14))):
            angle = heading + rng.normal(0, 0.25)
            along, across = np.array([np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), -np.sin(angle)])
            half = radius * rng.uniform(0.6, 4.5)
            shift = rng.integers(-3, 4) * (2 * radius + rng.uniform(-0.3, 1.5)) * across
            middle = centre + shift + rng.normal(0, 2.5 * radius) * along
            y, x = place[0] - middle[0], place[1] - middle[1]
            beyond = np.maximum(np.abs(y * along[0] + x * along[1]) - half, 0)
            body = np.hypot(beyond, y * across[0] + x * across[1]) < radius
            if body.any() and (labels[body] == 0).mean() > 0.97:
                labels[body & (labels == 0)] = labels.max() + 1
    return labels


def phase(rng: np.random.Generator, shape: tuple[int, int]) -> Picture:
    """Dark or bright bodies with a halo, as in phase contrast."""
    size = float(np.exp(rng.uniform(np.log(14), np.log(45))))
    if rng.random() < 0.5:
        labels = rods(rng, shape)
    else:
        labels = objects(rng, shape, size, gap=rng.uniform(0.5, 0.15 * size))
    body = (labels > 0).astype(np.float32)
    image = 0.6 - rng.uniform(0.15, 0.45) * ndimage.gaussian_filter(body, rng.uniform(0.5, 1.2))
    wide = ndimage.gaussian_filter(body, rng.uniform(2, 6))
    image += rng.uniform(0.1, 0.6) * wide * (1 - body)
    image += of_cells(rng, labels, 0.05) * body + rng.uniform(0, 0.05) * smooth_noise(rng, shape, 3)
    away = ndimage.distance_transform_edt(labels == 0).astype(np.float32)
    image = _specks(rng, image, away, size) if rng.random() < 0.3 else image
    image += rng.uniform(0, 0.1) * smooth_noise(rng, shape, 60)
    image = ndimage.gaussian_filter(image, rng.uniform(0.4, 1.2))
    return add_noise(rng, image, rng.uniform(0.005, 0.06)), things_target(labels)


def things_target(labels: Labels) -> npt.NDArray[np.uint8]:
    """Classes of separate things: their rim, one pixel wide on either side, is boundary."""
    target = np.where(labels > 0, CELL, BACKGROUND)
    target[find_boundaries(labels, mode="thick")] = BOUNDARY
    return target.astype(np.uint8)


def photons(rng: np.random.Generator, image: Floats, count: float) -> Floats:
    """Count photons, of which a bright pixel sends ``count``."""
    return np.asarray(rng.poisson(np.clip(image, 0, None) * count) / count, np.float32)


def add_noise(rng: np.random.Generator, image: Floats, deviation: float) -> Floats:
    """Noise that is a little wider than a pixel."""
    noise = rng.standard_normal(image.shape)
    mixed = ndimage.gaussian_filter(noise, rng.uniform(0.0, 0.8))
    return np.asarray(image + deviation * mixed / mixed.std(), np.float32)


KINDS: dict[str, tuple[Callable[[np.random.Generator, tuple[int, int]], Picture], float]] = {
    "tissue": (tissue, 0.45),
    "walls": (walls, 0.2),
    "nuclei": (nuclei, 0.2),
    "phase": (phase, 0.15),
}
"""What is made, and its share."""


def picture(rng: np.random.Generator, side: int = 256) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Make one picture: grey values and classes, both uint8 (side, side)."""
    chances = np.array([share for _, share in KINDS.values()])
    make = list(KINDS.values())[int(rng.choice(len(KINDS), p=chances))][0]
    inner = (slice(MARGIN, MARGIN + side),) * 2
    image, target = (a[inner] for a in make(rng, (side + 2 * MARGIN,) * 2))
    while len(np.unique(target)) == 1:  # nothing came to lie in the frame
        image, target = (a[inner] for a in make(rng, (side + 2 * MARGIN,) * 2))
    low, high = np.percentile(image, (0.5, 99.5))
    image = np.clip((image - low) / (high - low + 1e-6), 0, 1) ** np.exp(rng.normal(0, 0.25))
    if rng.random() < 0.25:
        image = 1 - image
    return (image * 255).astype(np.uint8), target
