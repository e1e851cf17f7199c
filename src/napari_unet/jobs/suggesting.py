"""Where to annotate next: a look at a spread sample of an image, piece by piece, and the best square of it."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import torch
from torch import nn

from napari_unet.arrays.axes import Image
from napari_unet.arrays.intensity import Normalisation
from napari_unet.arrays.region import Region
from napari_unet.arrays.squares import Square, Suggestion, cut, judge, look_at, spread
from napari_unet.errors import UserError
from napari_unet.jobs.inputs import Source, as_image, as_labels
from napari_unet.jobs.model import Model
from napari_unet.jobs.preview import Previewer
from napari_unet.learn.data import check_pair
from napari_unet.learn.start import shipped
from napari_unet.spec import TrainingSpec

Plane = tuple[int, int]
"""t and z."""
SECONDS = 1.5
"""Time that a look may take, unless it is told otherwise."""
PIECE = {2: 512, 3: 256}
"""Sides of the parts of a plane that are predicted at once, per dimensions of the network."""
SMALLEST, LARGEST = 64, 128
"""Sides of a square; between them it is half of the patch that the network learns from."""
GOLDEN = 0.618034
"""Part of the image by which every further look begins elsewhere, where there is no time for all of it."""


@dataclass(frozen=True)
class Search:
    """Where to look.

    Parameters
    ----------
    image
        Only what is looked at is read.
    labels
        The annotation; None: there is none.
    view
        Plane (t, z) that is always looked at.
    shown
        Squares that were suggested before, and not annotated since.
    planes
        Planes (t, z) with annotation; None: they are looked for.
    seconds
        How long to look; at least one piece of the image is looked at.
    """

    image: Image
    labels: Image | None = None
    view: Plane = (0, 0)
    shown: tuple[Region, ...] = ()
    planes: tuple[Plane, ...] | None = None
    seconds: float = SECONDS


@dataclass(frozen=True)
class Piece:
    """A piece of the image to look at."""

    region: Region
    """Of one plane."""
    sampled: bool
    """It is of the spread sample of all pieces; otherwise it is looked at in any case."""


class Suggester:
    """Looks for squares; the grey values of an image are fitted once and kept until another one comes.

    Parameters
    ----------
    spec
        Network, patch and normalisation.
    device
        Where to compute.
    known
        The normalisation of the image, if it has been fitted before.
    """

    def __init__(self, spec: TrainingSpec, device: torch.device, known: Normalisation | None = None) -> None:
        self._spec, self._known, self._previewer = spec, known, Previewer(spec, device)

    def look(self, network: nn.Module, search: Search) -> Iterator[Suggestion | None]:
        """Look at an image piece by piece.

        Parameters
        ----------
        network
            On the device, in evaluation mode.
        search
            Where to look. Only the time between being asked for a piece and giving it counts.

        Yields
        ------
        Suggestion or None
            None after every piece, so that something else may be done; the suggestion at the end.
        """
        if self._known is not None:
            self._previewer.know(search.image, self._known)
        squares: list[Square] = []
        spent = 0.0
        began = time.perf_counter()
        for piece in pieces_to_look_at(search, PIECE[self._spec.net.ndim]):
            squares += self._look_at(network, search, piece)
            spent += time.perf_counter() - began
            if spent >= search.seconds:
                break
            yield None
            began = time.perf_counter()
        yield choose(squares, search)

    def _look_at(self, network: nn.Module, search: Search, piece: Piece) -> Iterator[Square]:
        """Cut a piece of a plane into squares and look at them."""
        region = piece.region
        probabilities = self._previewer.part(network, search.image, region)
        t, *box = region.t[0], slice(*region.z), slice(*region.y), slice(*region.x)
        pixels = self._previewer.normalisation(search.image).apply(search.image.read(t, *box))[:, 0]
        painted = np.zeros(pixels.shape[1:], bool)
        if search.labels is not None:
            painted = search.labels.read(t, *box)[0, 0] != 0
        return look_at(region, pixels, probabilities, painted, side_of(self._spec), sampled=piece.sampled)


def side_of(spec: TrainingSpec) -> int:
    """Side of a square: half of the patch, but not so small that nothing is seen, nor too large to paint in.

    Examples
    --------
    >>> side_of(TrainingSpec())
    96
    """
    patch = spec.train.patch or (2 * 96,)
    return min(LARGEST, max(SMALLEST, max(patch[-2:]) // 2))


def pieces_to_look_at(search: Search, side: int) -> Iterator[Piece]:
    """Go through the pieces of an image: of the plane in view, with annotation, and all others, by turns.

    Parameters
    ----------
    search
        Where to look.
    side
        Of a piece, in pixels.

    Examples
    --------
    >>> search = Search(Image(np.zeros((5, 8, 8)), "ZYX"), view=(0, 3))
    >>> [(piece.region.z[0], piece.sampled) for piece in pieces_to_look_at(search, 8)]
    [(3, False), (0, True), (4, True), (2, True), (1, True)]
    """
    times, _, depth, *plane = search.image.shape
    boxes = list(cut(plane, side))
    every = times * depth * len(boxes)
    start = round(every * GOLDEN * len(search.shown)) % every
    in_view = (search.view[0] * depth + search.view[1]) * len(boxes)
    near = (in_view + n for n in spread(len(boxes)))
    turns = zip_longest(near, _annotated(search, boxes), spread(every, start))
    seen: set[int] = set()
    for number, sampled in ((n, stream == 2) for turn in turns for stream, n in enumerate(turn)):
        if number is None or number in seen:
            continue
        seen.add(number)
        at, box = divmod(number, len(boxes))
        t, z = divmod(at, depth)
        yield Piece(Region((t, t + 1), (z, z + 1), *boxes[box]), sampled)


def _annotated(search: Search, boxes: Sequence[tuple[tuple[int, int], tuple[int, int]]]) -> Iterator[int | None]:
    """Numbers of the pieces that hold annotation, spread over the planes that do.

    Where nobody knows which planes these are, they are looked through one by one: None for those that hold none.
    """
    if search.labels is None:
        return
    depth = search.image.size("Z")
    every = [divmod(n, depth) for n in spread(search.image.size("T") * depth)] if search.planes is None else ()
    planes = every if search.planes is None else [search.planes[n] for n in spread(len(search.planes))]
    for t, z in planes:
        painted = search.labels.read(t, slice(z, z + 1))[0, 0] != 0
        first = (t * depth + z) * len(boxes)
        found: list[int | None] = [
            first + b for b, (y, x) in enumerate(boxes) if painted[slice(*y), slice(*x)].any()
        ]
        yield from found or (None,)


def choose(squares: Sequence[Square], search: Search) -> Suggestion:
    """Choose the square in which annotation is worth most; one that was shown before only if all were.

    Parameters
    ----------
    squares
        At least one.
    search
        What was looked for.
    """
    passed = np.array([any(_same(s.region, old) for old in search.shown) for s in squares])
    image = search.image
    worth = judge(squares, passed, math.prod(image.size(a) for a in "TZYX"))
    best = int(np.argmax(np.where(passed & ~passed.all(), -1, worth.total)))
    planes = {(s.region.t, s.region.z) for s in squares}
    return Suggestion(
        squares[best].region,
        squares[best].unsure,
        float(worth.unlike[best]),
        float(worth.stands_for[best]),
        len(planes),
        image.size("T") * image.size("Z"),
        again=bool(passed.all()),
    )


def _same(one: Region, two: Region) -> bool:
    """Tell whether two squares of a plane are mostly the same."""
    if (one.t, one.z) != (two.t, two.z):
        return False
    shared = [min(a[1], b[1]) - max(a[0], b[0]) for a, b in ((one.y, two.y), (one.x, two.x))]
    return min(shared) > 0 and 2 * shared[0] * shared[1] > one.shape[2] * one.shape[3]


def find(model: Model | None, search: Search) -> Iterator[Suggestion | None]:
    """Look for a suggestion with a model, or with the network that the package brings; see `Suggester.look`.

    Raises
    ------
    UserError
        If the image has another number of channels than the model, or the labels do not fit the image.
    """
    known = Model(shipped()) if model is None else model
    _check(known, search)
    yield from known.suggester().look(known.prepared(known.device, "auto"), search)


def _check(model: Model, search: Search) -> None:
    channels, wanted = search.image.size("C"), model.spec.net.in_channels
    if channels != wanted:
        raise UserError(
            f"{search.image.name} has {channels} channels, the network that would look at it {wanted}: train one "
            "on this image first"
        )
    if search.labels is not None:
        check_pair(search.image, search.labels)


def suggest(
    image: Source,
    labels: Source | None = None,
    axes: str | None = None,
    *,
    model: Model | None = None,
    view: Plane = (0, 0),
    shown: Collection[Region] = (),
    seconds: float = SECONDS,
) -> Suggestion:
    """Tell where annotation is worth most: the network is unsure, and much that is not annotated looks like it.

    Parameters
    ----------
    image
        numpy, dask or zarr array, an `Image`, or the name of a file; may be larger than memory.
    labels
        What is annotated so far, 0 where nothing is; None: nothing is.
    axes
        Of the image, for instance ``"ZYX"``; guessed if None.
    model
        Trained so far; None: the network that the package brings, for images of one channel.
    view
        Plane (t, z) that is looked at in any case.
    shown
        Regions of earlier suggestions, not to be suggested again unless nothing else is left.
    seconds
        How long to look; of what there is no time for, a spread sample is looked at.

    Returns
    -------
    Suggestion
        A square of one plane, and why.

    Raises
    ------
    UserError
        If image, labels and model do not fit together.

    Examples
    --------
    >>> image = np.zeros((3, 64, 64), np.uint8)
    >>> image[1, 10:40, 10:40] = np.arange(30)
    >>> found = suggest(image)
    >>> found.region.z, found.planes, found.of
    ((1, 2), 3, 3)
    """
    known = as_image(image, axes)
    painted = None if labels is None else as_labels(labels, known)
    search = Search(known, painted, view, tuple(shown), None, seconds)
    *_, found = find(model, search)
    assert found is not None  # the last one is the suggestion
    return found
