"""Fragments: pieces of cells, small enough to lie within one cell each, that agglomeration puts together."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi
from skimage.measure import label
from skimage.morphology import local_maxima
from skimage.segmentation import watershed

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]

SEED_SIGMA = 2.0
"""Smoothing of the distances before their maxima become seeds, pixels: more gives fewer fragments."""
BOUNDARY_SIGMA = 1.0
"""Smoothing of the boundary in the landscape that is flooded, pixels."""
DISTANCE_WEIGHT = 0.05
"""Weight of the distances in that landscape; it carries the fragments' edges across holes in a boundary."""
DISTANCE_UNIT = 32.0
"""Distance that counts as 1 in it, pixels: not the longest of the image, which a block does not know."""


class Memory:
    """Remembers the last fragments: other settings of the agglomeration need the same ones.

    Parameters
    ----------
    limit
        Bytes that are kept.

    Examples
    --------
    >>> memory, boundary = Memory(), np.zeros((5, 9), np.float32)
    >>> with memory.used():
    ...     first, again = (fragments(boundary, boundary < 0.5, boundary < 1) for _ in range(2))
    >>> first is again
    True
    """

    def __init__(self, limit: int = 2**26) -> None:
        self._limit = limit
        self._known: OrderedDict[bytes, Labels] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Use it for all fragments that are made meanwhile by this thread."""
        token = _MEMORY.set(self)
        try:
            yield
        finally:
            _MEMORY.reset(token)

    def get(self, key: bytes) -> Labels | None:
        """Return what is known."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
            return self._known.get(key)

    def put(self, key: bytes, found: Labels) -> None:
        """Remember fragments, and forget those that were not asked for the longest."""
        found.flags.writeable = False
        with self._lock:
            self._known[key] = found
            while sum(x.nbytes for x in self._known.values()) > self._limit:
                self._known.popitem(last=False)


_MEMORY: ContextVar[Memory | None] = ContextVar("memory", default=None)


def fragments(
    boundary: Floats, free: Mask, mask: Mask, spacing: Sequence[float] | None = None, *, rims: bool = False
) -> Labels:
    """Cut ``mask`` into fragments by a watershed from the points that are farthest from all boundaries.

    Parameters
    ----------
    boundary
        Boundary probability, ``([Z,] Y, X)``.
    free
        Where no boundary is: seeds lie here.
    mask
        What is to be cut; everything else stays 0.
    spacing
        Size of a pixel along each axis, in any unit.
    rims
        The boundaries are rims of objects with an outside, see `rims_last`.

    Returns
    -------
    int32 array
        Ids from 1 on. Every 4-connected (in 3D 6-connected) piece of ``mask`` with a free pixel has at least
        one, every one has a free pixel; other pieces are fragments of their own.

    Notes
    -----
    Beier et al. 2017, doi:10.1038/nmeth.4151, supplement: the distance transform watershed.

    Examples
    --------
    >>> boundary = np.zeros((5, 9), np.float32)
    >>> boundary[:, 4] = 1
    >>> fragments(boundary, boundary < 0.5, np.ones((5, 9), bool))[2]
    array([1, 1, 1, 1, 1, 2, 2, 2, 2], dtype=int32)
    """
    pixel = relative_spacing(spacing, boundary.ndim)
    memory = _MEMORY.get()
    if memory is None:
        return _cut(boundary, free, mask, pixel, rims=rims)
    key = _digest((boundary, free, mask), (pixel, rims))
    found = memory.get(key)
    if found is None:
        found = _cut(boundary, free, mask, pixel, rims=rims)
        memory.put(key, found)
    return found


def _digest(arrays: Sequence[npt.NDArray[Any]], more: object) -> bytes:
    """Hash what fragments are made of."""
    digest = blake2b(repr((more, arrays[0].shape)).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def _cut(boundary: Floats, free: Mask, mask: Mask, pixel: Sequence[float], *, rims: bool) -> Labels:
    distance = distance_to_boundary(free & mask, pixel)
    smooth = ndi.gaussian_filter(distance, [SEED_SIGMA / p for p in pixel])
    seeds = _seeds(smooth, free & mask, mask)
    landscape = (1 - DISTANCE_WEIGHT) * ndi.gaussian_filter(boundary, [BOUNDARY_SIGMA / p for p in pixel])
    landscape -= DISTANCE_WEIGHT / DISTANCE_UNIT * smooth
    if rims:
        landscape = rims_last(landscape, free, pixel)
    return np.asarray(watershed(landscape, seeds, mask=mask, connectivity=1), dtype=np.int32)


def rims_last(landscape: Floats, free: Mask, pixel: Sequence[float]) -> Floats:
    """Raise the boundary of a landscape, so that it is flooded last and each of its pixels from the nearest cell.

    The rim of an object falls off towards the outside. A flood that got over its crest at one point would run
    around the object on the outer slope, and around its neighbours.

    Parameters
    ----------
    landscape
        What a watershed is going to flood.
    free
        Where no boundary is.
    pixel
        Size of a pixel along each axis.

    Examples
    --------
    >>> free = np.array([True, False, False, False])
    >>> rims_last(np.float32([0, 1, 0.9, 0.1]), free, (1.0,))
    array([0., 2., 3., 4.], dtype=float32)
    """
    if not free.any():
        return landscape
    distance = ndi.distance_transform_edt(~free, sampling=pixel)
    return np.where(free, landscape, landscape.max() + distance).astype(np.float32)


def relative_spacing(spacing: Sequence[float] | None, ndim: int) -> tuple[float, ...]:
    """Return the spacing of the last ``ndim`` axes, in units of the smallest.

    Examples
    --------
    >>> relative_spacing((0.5, 0.1, 0.1), 3), relative_spacing(None, 2)
    ((5.0, 1.0, 1.0), (1.0, 1.0))
    """
    if spacing is None:
        return (1.0,) * ndim
    smallest = min(spacing[-ndim:])
    return tuple(s / smallest for s in spacing[-ndim:])


def distance_to_boundary(free: Mask, pixel: Sequence[float]) -> Floats:
    """Distance of every free pixel to the nearest that is not; the edge of the image is no boundary.

    Where everything is free, all distances are 1.

    Examples
    --------
    >>> distance_to_boundary(np.array([[True, True, True, False]]), (1.0, 1.0))
    array([[3., 2., 1., 0.]], dtype=float32)
    """
    if free.all():
        return np.ones(free.shape, np.float32)
    return np.asarray(ndi.distance_transform_edt(free, sampling=pixel), dtype=np.float32)


def _seeds(smooth: Floats, free: Mask, mask: Mask) -> npt.NDArray[Any]:
    """Maxima of the distance; for pieces of the mask or of its free part that have none, the piece itself."""
    maxima = local_maxima(smooth) & free
    for area in (free, mask):
        pieces = label(area, connectivity=1)
        seeded = np.zeros(int(pieces.max()) + 1, bool)
        seeded[pieces[maxima]] = True
        maxima |= area & ~seeded[pieces]
    return np.asarray(label(maxima, connectivity=maxima.ndim))
