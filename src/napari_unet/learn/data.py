"""The annotated planes (2D networks) or volumes (3D networks) and the patches drawn from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_unet.arrays import intensity, regions
from napari_unet.arrays.axes import ALL, Image
from napari_unet.arrays.targets import (
    IGNORE,
    Target,
    Unpainted,
    border_weights,
    check_labels_dtype,
    count_values,
    derive_classes,
    instances_of,
    target_of,
    what_unpainted_means,
)
from napari_unet.errors import UserError
from napari_unet.learn import augment
from napari_unet.spec import AugmentSpec, ClassSpec, TargetSpec, TrainingSpec

MAX_CENTRES = 50_000
"""Annotated pixels remembered per plane and class as possible patch centres."""
RATIOS = 0.8191725, 0.6710436, 0.5497005
"""Multiples of these, less what is whole of them, fill a cube evenly: powers of the root of x**4 = x + 1."""
GOLDEN = 0.6180340
"""The same for a line."""

Pair = tuple[Image, Image]


@dataclass(frozen=True)
class Unit:
    """An annotated plane (C, Y, X) or volume (C, Z, Y, X) in memory, with its target."""

    image: npt.NDArray[Any]
    normalisation: intensity.Normalisation
    target: Target
    place: tuple[int, int, int]
    """Number of the pair, t, and z of the (first) plane."""
    weights: npt.NDArray[np.float32] | None = None
    invalid: int = 0
    """Pixels that are NaN or infinite, and so not learnt from."""


@dataclass(frozen=True)
class Survey:
    """What the labels of a training hold."""

    classes: tuple[ClassSpec, ...]
    unpainted: Unpainted
    by_plane: Mapping[tuple[int, int, int], Mapping[int, int]] = field(default_factory=dict)
    """Pixels per label value of every annotated plane."""

    @property
    def planes(self) -> tuple[tuple[int, int, int], ...]:
        """Annotated planes as (pair, t, z)."""
        return tuple(sorted(self.by_plane))

    @property
    def counts(self) -> dict[int, int]:
        """Pixels per label value."""
        return _total(self.by_plane)


def check_pair(image: Image, labels: Image) -> None:
    """Raise `UserError` unless the labels fit the image."""
    check_labels_dtype(labels.data.dtype, labels.name)
    intensity.check_dtype(image)
    if labels.size("C") != 1:
        raise UserError(f"{labels.name} has {labels.size('C')} channels; labels have none (axes {labels.axes})")
    of_image, of_labels = ([i.size(a) for a in "TZYX"] for i in (image, labels))
    if of_image != of_labels:
        raise UserError(
            f"{image.name} and {labels.name} differ in size: {tuple(image.data.shape)} ({image.axes}) "
            f"and {tuple(labels.data.shape)} ({labels.axes}); labels need the image's T, Z, Y and X"
        )
    known = [i.spacing for i in (image, labels) if i.spacing != (1.0, 1.0, 1.0)]
    if len(known) == 2 and not np.allclose(known[0], known[1], rtol=0.02):
        raise UserError(
            f"{image.name} and {labels.name} differ in voxel size (Z, Y, X): {known[0]} and {known[1]}; "
            "labels need the image's"
        )


def survey(pairs: Sequence[Pair], spec: TargetSpec) -> Survey:
    """Look through all labels, plane by plane, and decide on the classes.

    Raises
    ------
    UserError
        If the labels do not fit, hold a value without a class, or annotate too little; see `derive_classes`.
    """
    by_plane: dict[tuple[int, int, int], dict[int, int]] = {}
    for number, (image, labels) in enumerate(pairs):
        check_pair(image, labels)
        for t, z in np.ndindex(labels.size("T"), labels.size("Z")):
            if found := count_values(read_labels(labels, t, z)):
                by_plane[number, int(t), int(z)] = found
    counts = _total(by_plane)
    sizes = (pairs[p][1].size("Y") * pairs[p][1].size("X") for p, _, _ in by_plane)
    if sum(counts.values()) == sum(sizes):
        unpainted: Unpainted = "ignore"  # nothing is: no class for it
    else:
        planes = list(by_plane)[:32]
        unpainted = what_unpainted_means(spec, (read_labels(pairs[p][1], t, z) for p, t, z in planes))
    return Survey(derive_classes(spec, counts, unpainted), unpainted, by_plane)


def survey_again(
    before: Survey, pairs: Sequence[Pair], spec: TargetSpec, places: Iterable[tuple[int, int, int]]
) -> Survey:
    """Count some planes anew that were painted on; what is unpainted means what it meant.

    Raises
    ------
    UserError
        If too little is annotated now; see `derive_classes`.
    """
    by_plane = dict(before.by_plane)
    for pair, t, z in places:
        by_plane[pair, t, z] = count_values(read_labels(pairs[pair][1], t, z))
    by_plane = {place: found for place, found in by_plane.items() if found}
    return Survey(derive_classes(spec, _total(by_plane), before.unpainted), before.unpainted, by_plane)


def _total(by_plane: Mapping[Any, Mapping[int, int]]) -> dict[int, int]:
    """Add up the counts of planes."""
    counts: dict[int, int] = {}
    for found in by_plane.values():
        for value, n in found.items():
            counts[value] = counts.get(value, 0) + n
    return counts


def read_labels(labels: Image, t: int, z: int) -> npt.NDArray[Any]:
    """One plane of labels, axes Y, X; bool becomes uint8."""
    plane: npt.NDArray[Any] = labels.read(t, slice(z, z + 1))[0, 0]
    if plane.dtype == bool:
        return plane.astype(np.uint8)
    return plane


def load_units(
    pairs: Sequence[Pair],
    found: Survey,
    spec: TrainingSpec,
    *,
    known: Mapping[int, intensity.Normalisation] | None = None,
    only: Collection[tuple[int, int, int]] | None = None,
) -> Iterator[Unit]:
    """Read the annotated planes (2D) or, for 3D networks, the annotated volumes.

    Parameters
    ----------
    pairs, found, spec
        What is learnt from.
    known
        Grey values of images, by the numbers of their pairs, that were fitted before.
    only
        The planes (pair, t, z) to read, or the volumes that they belong to; None: all.
    """
    norms = dict(known or {})
    for pair in {p for p, _, _ in found.planes} - set(norms):
        norms[pair] = intensity.fit(pairs[pair][0], spec.normalisation)
    if spec.net.ndim == 2:
        places = [(p, t, z, z + 1) for p, t, z in found.planes]
    else:
        places = list(_volumes(found, pairs, spec.train.patch))
    for pair, t, first, last in places:
        if only is not None and not is_of((pair, t, first), only, spec.net.ndim):
            continue
        image, labels = pairs[pair]
        block, painted = (i.read(t, slice(first, last)) for i in (image, labels))
        painted = painted[0].astype(np.uint8) if painted.dtype == bool else painted[0]
        if spec.net.ndim == 2:
            block, painted = block[:, 0], painted[0]
        yield _unit(block, painted, norms[pair], spec.target, found, (pair, t, first))


def is_of(place: tuple[int, int, int], planes: Collection[tuple[int, int, int]], ndim: int) -> bool:
    """Tell whether the unit at a place has anything to do with some planes; a volume has with all of its time.

    Examples
    --------
    >>> is_of((0, 0, 3), {(0, 0, 9)}, 2), is_of((0, 0, 3), {(0, 0, 9)}, 3)
    (False, True)
    """
    depth = 2 if ndim == 3 else 3
    return place[:depth] in {plane[:depth] for plane in planes}


def _volumes(
    found: Survey, pairs: Sequence[Pair], patch: tuple[int, ...] | None
) -> Iterator[tuple[int, int, int, int]]:
    """Annotated planes of every volume with a patch's thickness around them: (pair, t, first z, last z + 1)."""
    margin = patch[0] if patch else 0
    for pair, t in sorted({(p, t) for p, t, _ in found.planes}):
        planes = [z for p, at, z in found.planes if (p, at) == (pair, t)]
        yield pair, t, max(0, min(planes) - margin), min(pairs[pair][0].size("Z"), max(planes) + margin + 1)


def _unit(
    image: npt.NDArray[Any],
    labels: npt.NDArray[Any],
    norm: intensity.Normalisation,
    spec: TargetSpec,
    found: Survey,
    place: tuple[int, int, int],
) -> Unit:
    target = target_of(labels, spec, found.classes, found.unpainted)
    if image.dtype.kind == "f":
        target[~np.isfinite(image).all(axis=0)] = IGNORE
    weights = None
    if spec.weight_map:
        cells = instances_of(labels, target, spec.style)
        weights = border_weights(cells, spec.border_weight, spec.border_sigma)
    return Unit(image, norm, target, place, weights, intensity.count_invalid(image))


@dataclass(frozen=True)
class Batch:
    """Patches: images (N, C, ...), target (N, ...) with IGNORE, weights (N, ...) or None."""

    images: Tensor
    target: Tensor
    weights: Tensor | None


def cut_crop(array: npt.NDArray[Any], start: Sequence[int], size: Sequence[int], fill: str) -> npt.NDArray[Any]:
    """Cut a box that may reach beyond the array: ``fill`` is ``reflect``, or ``ignore`` for targets."""
    inside = tuple(slice(max(0, s), max(0, s + n)) for s, n in zip(start, size, strict=True))
    lead = array.ndim - len(inside)
    part = array[(ALL,) * lead + inside]
    pad = [(0, 0)] * lead + [
        (max(0, -s), max(0, s + n - length)) for s, n, length in zip(start, size, array.shape[lead:], strict=True)
    ]
    if not any(before or after for before, after in pad):
        return part
    if fill == "ignore":
        return np.pad(part, pad, constant_values=IGNORE)
    return np.pad(part, pad, mode="reflect")


class PatchSampler:
    """Draws patches where there is annotation.

    Half of the patches are centred near a pixel drawn among all annotated ones, half near a pixel of a class
    drawn first, so that rare classes are seen.

    Parameters
    ----------
    units, targets
        Planes or volumes, and what may be learnt of them.
    patch
        Size of the network's input.
    spec
        Augmentation.
    classes
        Number of classes.
    seed
        Of everything that is drawn.
    margin
        What a valid network takes away from each side: targets are that much smaller than images.
    """

    def __init__(
        self,
        units: Sequence[Unit],
        targets: Sequence[Target],
        patch: tuple[int, ...],
        spec: AugmentSpec,
        classes: int,
        seed: int,
        margin: Sequence[int] | None = None,
    ) -> None:
        self.units, self.targets, self.patch, self.spec = units, targets, patch, spec
        self.margin = tuple(margin or (0,) * len(patch))
        self.seen = tuple(n - 2 * m for n, m in zip(patch, self.margin, strict=True))
        self.rng = np.random.default_rng(seed)
        self.noise = torch.Generator().manual_seed(seed)
        self._centres = [self._find_centres(t, classes) for t in targets]
        sizes = np.array([sum(len(c) for c in of_unit) for of_unit in self._centres], float)
        self._chances = np.sqrt(sizes) / np.sqrt(sizes).sum()
        self._by_class = [[u for u, c in enumerate(self._centres) if len(c[k])] for k in range(classes)]

    @cached_property
    def counts(self) -> list[int]:
        """Annotated pixels per class."""
        return [sum(int((t == k).sum()) for t in self.targets) for k in range(len(self._by_class))]

    def _find_centres(self, target: Target, classes: int) -> list[npt.NDArray[np.int64]]:
        found = []
        for k in range(classes):
            flat = np.flatnonzero(target == k)
            found.append(self.rng.choice(flat, MAX_CENTRES, replace=False) if len(flat) > MAX_CENTRES else flat)
        return found

    def _draw_place(self) -> tuple[int, tuple[int, ...]]:
        """Draw a unit and a centre in it."""
        if self.rng.random() < 0.5:
            present = [k for k, units in enumerate(self._by_class) if units]
            k = present[int(self.rng.integers(len(present)))]
            unit = self._by_class[k][int(self.rng.integers(len(self._by_class[k])))]
            flat = self._centres[unit][k]
        else:
            unit = int(self.rng.choice(len(self.units), p=self._chances))
            flat = np.concatenate(self._centres[unit])
        shape = self.targets[unit].shape
        position = np.unravel_index(int(flat[int(self.rng.integers(len(flat)))]), shape)
        return unit, tuple(self._jitter(int(c), n, p) for c, n, p in zip(position, shape, self.seen, strict=True))

    def _jitter(self, centre: int, length: int, patch: int) -> int:
        moved = centre + int(self.rng.integers(-(patch // 4), patch // 4 + 1))
        return min(max(moved, patch // 2), length - patch // 2) if length > patch else length // 2

    def follow(self, before: PatchSampler) -> None:
        """Go on drawing where another sampler was; this one takes its place."""
        self.rng, self.noise = before.rng, before.noise

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Draw for another purpose than a step: afterwards the training gets what it would have got."""
        state, noise = self.rng.bit_generator.state, self.noise.get_state()
        yield
        self.rng.bit_generator.state = state
        self.noise.set_state(noise)

    def draw(self, count: int) -> Batch:
        """Draw a batch of ``count`` patches."""
        ndim = len(self.patch)
        places = [self._draw_place() for _ in range(count)]
        changes = [
            augment.draw(self.spec, ndim, self.rng, square=self.patch[-1] == self.patch[-2]) for _ in places
        ]
        crop = augment.crop_size(self.patch, self.spec)
        parts = [self._crop(unit, centre, crop) for unit, centre in places]
        grids = torch.stack([augment.sampling_grid(c, self.patch, crop) for c in changes])
        images = augment.warp(torch.from_numpy(np.stack([p[0] for p in parts])), grids)
        images = augment.recolour(images, changes, self.noise)
        target = torch.from_numpy(np.stack([p[1] for p in parts]).astype(np.float32))[:, None]
        target = augment.warp(target, grids, nearest=True)[:, 0].round().long()
        weights = None
        if self.units[0].weights is not None:
            stacked = torch.from_numpy(np.stack([p[2] for p in parts]))[:, None]
            weights = within(augment.warp(stacked, grids, nearest=True)[:, 0], self.margin)
        return Batch(images, within(target, self.margin), weights)

    def look(self, number: int) -> tuple[Tensor, Tensor]:
        """Cut out a patch as it is, images (1, C, ...) and target (1, ...); numbers in a row lie far apart."""
        unit = int((number + 1) * GOLDEN % 1 * len(self.units))
        target = self.targets[unit]
        free = [max(0, n - p) for n, p in zip(target.shape, self.patch, strict=True)]
        start = [int((number + 1) * ratio % 1 * (n + 1)) for ratio, n in zip(RATIOS, free, strict=False)]
        raw = cut_crop(self.units[unit].image, start, self.patch, "reflect")
        image = self.units[unit].normalisation.apply(raw)
        seen = cut_crop(target, start, self.patch, "ignore").astype(np.int64)
        return torch.from_numpy(image)[None], within(torch.from_numpy(seen)[None], self.margin)

    def _crop(self, number: int, centre: Sequence[int], crop: Sequence[int]) -> tuple[npt.NDArray[Any], ...]:
        unit = self.units[number]
        start = [c - n // 2 for c, n in zip(centre, crop, strict=True)]
        image = unit.normalisation.apply(cut_crop(unit.image, start, crop, "reflect"))
        target = cut_crop(self.targets[number], start, crop, "ignore")
        if unit.weights is None:
            return image, target
        return image, target, cut_crop(unit.weights, start, crop, "reflect")


def within(values: Tensor, margin: Sequence[int]) -> Tensor:
    """Cut the margin off the last axes, on both sides."""
    for axis, m in enumerate(margin, start=values.ndim - len(margin)):
        values = values.narrow(axis, m, values.shape[axis] - 2 * m)
    return values


def held_out_batch(
    units: Sequence[Unit], blocks: Sequence[regions.Block], patch: Sequence[int], margin: Sequence[int]
) -> Batch | None:
    """Patches around held-out blocks, annotated in the blocks only; None if there are none."""
    if not blocks:
        return None
    images, targets = [], []
    for block in blocks:
        unit = units[block.unit]
        start = [(s.start + s.stop) // 2 - n // 2 for s, n in zip(block.box, patch, strict=True)]
        only = np.full_like(unit.target, IGNORE)
        only[block.box] = unit.target[block.box]
        images.append(unit.normalisation.apply(cut_crop(unit.image, start, patch, "reflect")))
        targets.append(cut_crop(only, start, patch, "ignore").astype(np.int64))
    target = within(torch.from_numpy(np.stack(targets)), margin)
    return Batch(torch.from_numpy(np.stack(images)), target, None)
