"""Where annotation is worth most: squares that a network is unsure of, and that stand for much that is not known.

After Yang et al. 2017, "Suggestive annotation: a deep active learning framework for biomedical image segmentation"
(arXiv:1706.04737), which annotates what is uncertain and covers best what is not like anything annotated yet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_unet.arrays.region import Region
from napari_unet.arrays.uncertainty import uncertainty, unsure_of_region

Floats = npt.NDArray[np.float32]
ENOUGH = 0.03
"""Part of a square that is painted when a few strokes lie in it: more of them tell little more."""


PASSED = 0.5
"""What a square counts as annotated that was suggested and left as it was: others like it are wanted less."""


@dataclass(frozen=True)
class Square:
    """A square of a plane, and what is known of it."""

    region: Region
    unsure: float
    """0 to 1, see `unsure_of_region`."""
    painted: float
    """Part of its pixels that is annotated."""
    features: Floats
    """What it looks like, to the eye and to the network, see `describe`."""
    sampled: bool = True
    """It is of a spread sample of the image, and no place that is looked at in any case; see `weigh`."""


@dataclass(frozen=True)
class Suggestion:
    """Where to annotate next, and why."""

    region: Region
    """A square of one plane."""
    unsure: float
    """How unsure the network is there, 0 to 1, see `unsure_of_region`."""
    unlike: float
    """1: nothing that looks alike is annotated; 0: plenty is."""
    stands_for: float
    """Share of the image that looks like it and is not annotated, 0 to 1, see `judge`."""
    planes: int
    """Planes that were looked at, at least in part."""
    of: int
    """Planes of the image."""
    again: bool = False
    """All that was looked at has been suggested before."""


@dataclass(frozen=True)
class Worth:
    """What annotation of some squares would be worth; 0 to 1 each."""

    total: Floats
    unlike: Floats
    """1: nothing like the square is annotated; 0: there is enough annotation in one just like it."""
    stands_for: Floats
    """Share of the image that its annotation would newly cover."""


def look_at(
    region: Region,
    pixels: Floats,
    probabilities: Floats,
    painted: npt.NDArray[np.bool_],
    side: int,
    *,
    sampled: bool = True,
) -> Iterator[Square]:
    """Cut a piece of a plane into squares, and look at each.

    Parameters
    ----------
    region
        Where the piece lies; one plane.
    pixels
        (C, Y, X), normalised.
    probabilities
        (K, Y, X).
    painted
        (Y, X): where there is annotation.
    side
        Of a square, in pixels; about, so that the squares fill the piece.
    sampled
        The piece is of a spread sample of the image.
    """
    unsure = uncertainty(probabilities)
    for y, x in cut(painted.shape, side):
        box = slice(*y), slice(*x)
        place = Region(region.t, region.z, _moved(y, region.y[0]), _moved(x, region.x[0]))
        features = describe(pixels[(slice(None), *box)], probabilities[(slice(None), *box)])
        yield Square(place, unsure_of_region(unsure[box]), float(painted[box].mean()), features, sampled)


def cut(shape: Sequence[int], side: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Cut a plane into squares of about ``side``: rows and columns of each.

    Examples
    --------
    >>> list(cut((64, 90), 50))
    [((0, 64), (0, 45)), ((0, 64), (45, 90))]
    """
    rows, columns = (np.linspace(0, n, max(1, round(n / side)) + 1).round().astype(int).tolist() for n in shape)
    yield from product(pairwise(rows), pairwise(columns))


def _moved(span: tuple[int, int], by: int) -> tuple[int, int]:
    return span[0] + by, span[1] + by


def describe(pixels: Floats, probabilities: Floats) -> Floats:
    """Describe a square by a few numbers: grey values, edges and grain of every channel, and parts of the classes.

    Parameters
    ----------
    pixels
        (C, Y, X), normalised.
    probabilities
        (K, Y, X).

    Returns
    -------
    float32 array
        (7 C + K,).
    """
    found: list[float] = []
    for channel in pixels:
        smooth = ndimage.uniform_filter(channel, 5)
        edges = np.hypot(*np.gradient(smooth)) if min(smooth.shape) > 1 else np.zeros_like(smooth)
        found += [channel.mean(), channel.std(), *np.percentile(smooth, (5, 50, 95))]
        found += [edges.mean(), (channel - smooth).std()]
    return np.array([*found, *probabilities.mean(axis=(1, 2))], np.float32)


def judge(squares: Sequence[Square], passed: npt.ArrayLike | None = None, pixels: int | None = None) -> Worth:
    """Judge what annotation would be worth in each of some squares.

    It is worth much where the network is unsure, and where it stands for much that nothing annotated stands for:

        unsure_i mean_j max(0, alike_ij - known_j),    known_j = max_k alike_jk annotated_k,

    where a square with `ENOUGH` annotation counts as annotated, and is quite alike to itself, and the mean is one
    of the whole image, see `weigh`. Suggestive annotation (Yang et al. 2017) chooses what covers most among the
    most uncertain; here both count all along.

    Parameters
    ----------
    squares
        At least one; those that are annotated are what the others are compared with.
    passed
        Which were suggested before, and left as they were; None: none.
    pixels
        Of the image, all planes together; None: the squares are all of it.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_unet.arrays.region import Region
    >>> places = [Region((0, 1), (0, 1), (0, 64), (x, x + 64)) for x in (0, 64, 128)]
    >>> looks = [np.float32([1, 1]), np.float32([1, 1]), np.float32([3, 2])]
    >>> painted = [0.1, 0.0, 0.0]
    >>> squares = [Square(r, 0.5, p, f) for r, p, f in zip(places, painted, looks)]
    >>> judge(squares).total.round(2)
    array([0.  , 0.  , 0.11], dtype=float32)
    """
    unsure = np.array([s.unsure for s in squares], np.float32)
    annotated = np.minimum(1, np.array([s.painted for s in squares], np.float32) / ENOUGH)
    alike = likeness(np.stack([s.features for s in squares]))
    if passed is not None:
        annotated = np.maximum(annotated, PASSED * np.asarray(passed, np.float32))
    known = (alike * annotated).max(axis=1)
    covered = np.average(np.maximum(0, alike - known), axis=1, weights=weigh(squares, pixels))
    return Worth(unsure * covered, 1 - known, covered)


def weigh(squares: Sequence[Square], pixels: int | None = None) -> Floats:
    """Weigh squares so that a mean over them is one of the whole image.

    What is looked at in any case, the plane in view and what is annotated, is a larger part of the squares than of
    a large image. Such squares count for themselves only; the others, a spread sample, share all the rest.

    Parameters
    ----------
    squares
        At least one.
    pixels
        Of the image, all planes together; None: the squares are all of it.

    Returns
    -------
    float32 array
        (N,): of how many squares of the image each is the only one that was seen. Exactly 1 where all were.

    Examples
    --------
    One square of a plane that is in view, and two of ten others:

    >>> places = [Region((0, 1), (z, z + 1), (0, 64), (0, 64)) for z in (0, 5, 9)]
    >>> looked = [Square(r, 0.5, 0.0, np.zeros(1, np.float32), r.z[0] > 0) for r in places]
    >>> weigh(looked, 11 * 64 * 64)
    array([1., 5., 5.], dtype=float32)
    """
    weights = np.ones(len(squares), np.float32)
    sampled = np.array([s.sampled for s in squares])
    if pixels is not None and sampled.any():
        areas = np.array([math.prod(s.region.shape) for s in squares])
        weights[sampled] = (pixels - areas[~sampled].sum()) / areas[sampled].sum()
    return weights


def likeness(features: Floats) -> Floats:
    """Tell how alike every two of some squares are.

    Parameters
    ----------
    features
        (N, F).

    Returns
    -------
    float32 array
        (N, N), 1 on the diagonal, falling to 0 with the distance.

    Examples
    --------
    >>> likeness(np.array([[0, 1], [0, 1], [9, 1]], np.float32)).round(2)[0]
    array([1.  , 1.  , 0.37], dtype=float32)
    """
    spread = features.std(axis=0)
    scaled = features / np.where(spread > 1e-6, spread, np.inf)
    squared = ((scaled[:, None] - scaled) ** 2).sum(axis=-1)
    apart = squared[squared > 0]
    usual = float(np.median(apart)) if apart.size else 1.0
    found: Floats = np.exp(-squared / usual).astype(np.float32)
    return found


def spread(count: int, start: int = 0) -> Iterator[int]:
    """Go through numbers so that wherever one stops, those gone through are spread evenly.

    Parameters
    ----------
    count
        How many numbers.
    start
        The first of them.

    Examples
    --------
    >>> list(spread(8)), list(spread(5, 3))
    ([0, 4, 2, 6, 1, 5, 3, 7], [3, 2, 0, 4, 1])
    """
    bits = max(0, count - 1).bit_length()
    for n in range(2**bits):
        at = int(f"{n:0{bits}b}"[::-1], 2) if bits else 0
        if at < count:
            yield (start + at) % count
