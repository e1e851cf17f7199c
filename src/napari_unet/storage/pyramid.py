"""Smaller copies of an OME-Zarr image, so that viewers can show all of a large one.

::

    level 0   |a|b|c|d|e|         mean      |ab|cd|e |     centres between the voxels: moved by half a voxel
                                  nearest   |a |c |e |     centres of a, c, e: not moved
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from napari_unet.storage.ome_zarr import datasets

LARGEST = 512
"""Levels are added until neither Y nor X is longer."""

NEARLY = 1.5
"""Z is halved with Y and X where its voxels are at most so many times as long as theirs."""

REGION = 2**24
"""Voxels that are held at once: 64 MB of float32."""

Spans = tuple[slice, ...]


def factors(
    shape: Sequence[int], axes: str, spacing: Sequence[float], largest: int = LARGEST
) -> list[tuple[int, ...]]:
    """Plan a pyramid: how many voxels of level 0 one voxel of each level spans, along every axis.

    Parameters
    ----------
    shape, axes
        Length and letter of every axis.
    spacing
        Voxel size along every axis; only the ratios of Z, Y and X matter.
    largest
        See `LARGEST`.

    Examples
    --------
    Thick slices stay until Y and X have become as coarse as Z:

    >>> factors((40, 2048, 1000), "ZYX", (2.0, 1.0, 1.0))
    [(1, 1, 1), (1, 2, 2), (2, 4, 4)]
    """
    levels = [(1,) * len(axes)]
    while True:
        lengths = reduced_shape(shape, levels[-1])
        if max(n for n, a in zip(lengths, axes, strict=True) if a in "YX") <= largest:
            return levels
        sizes = [s * f for s, f in zip(spacing, levels[-1], strict=True)]
        levels.append(tuple(f * s for f, s in zip(levels[-1], _steps(lengths, axes, sizes), strict=True)))


def _steps(shape: Sequence[int], axes: str, sizes: Sequence[float]) -> list[int]:
    """Factor from one level to the next along every axis: 2 or 1."""
    coarse = NEARLY * min(s for s, a in zip(sizes, axes, strict=True) if a in "YX")
    halved = [a in "YX" or (a == "Z" and s <= coarse) for a, s in zip(axes, sizes, strict=True)]
    return [2 if wanted and n > 1 else 1 for wanted, n in zip(halved, shape, strict=True)]


def reduced_shape(shape: Sequence[int], steps: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a reduced array; what is left over at an end makes one more voxel.

    Examples
    --------
    >>> reduced_shape((3, 7, 8), (1, 2, 2))
    (3, 4, 4)
    """
    return tuple(-(-n // s) for n, s in zip(shape, steps, strict=True))


def nearest(block: npt.NDArray[Any], steps: Sequence[int]) -> npt.NDArray[Any]:
    """Take every ``step``-th voxel along every axis, so that no value is invented.

    Examples
    --------
    >>> nearest(np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), (2, 2)).tolist()
    [[1, 3], [7, 9]]
    """
    return block[tuple(slice(None, None, s) for s in steps)]


def mean(block: npt.NDArray[Any], steps: Sequence[int]) -> npt.NDArray[Any]:
    """Average the voxels of every box of ``steps`` (each 1 or 2); a box cut by the end averages what it holds.

    Whole numbers are rounded, halves to the even one (which neither brightens nor darkens).

    Examples
    --------
    >>> mean(np.array([[1, 3, 8], [5, 3, 9]], np.uint8), (2, 2)).tolist()
    [[3, 8]]
    """
    found = block.astype(np.result_type(block.dtype, np.float32), copy=False)
    for axis, step in enumerate(steps):
        if step == 2:
            found = _mean_of_pairs(found, axis)
    return (np.rint(found) if block.dtype.kind in "iu" else found).astype(block.dtype, copy=False)


def _mean_of_pairs(block: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    along = np.moveaxis(block, axis, 0)
    found = along[0::2].copy()
    whole = found[: len(along) // 2]
    whole += along[1::2]
    whole /= 2
    return np.moveaxis(found, 0, axis)


def add_levels(group: zarr.Group, largest: int = LARGEST) -> int:
    """Add the smaller levels to an OME-Zarr image whose full resolution is complete; see `adding_levels`.

    Returns
    -------
    int
        Number of levels, the full resolution included.

    Examples
    --------
    >>> from napari_unet.storage.ome_zarr import metadata
    >>> known = metadata("YX", (1.0, 0.5, 0.5), "micrometer", "cells", cells=True)
    >>> group = zarr.create_group({}, attributes=known)
    >>> _ = group.create_array("0", data=np.arange(49).reshape(7, 7), chunks=(4, 4))
    >>> add_levels(group, largest=2)
    3
    >>> group["1"].shape, group["2"][:].tolist()
    ((4, 4), [[0, 4], [28, 32]])
    """
    for _ in adding_levels(group, largest):
        pass
    return len(_attributes(group)["multiscales"][0]["datasets"])


def _attributes(group: zarr.Group) -> dict[str, Any]:
    known: Any = group.attrs["ome"]
    return dict(known)


def adding_levels(group: zarr.Group, largest: int = LARGEST) -> Iterator[tuple[int, int]]:
    """Add levels "1", "2", ... block by block, and name them in the metadata at the end.

    Every level halves Y, X and, where its voxels are nearly as small, Z of the one before. Labels (a group with
    image-label metadata) and booleans are picked by `nearest`, all else is averaged by `mean`. Every chunk is
    written whole and once; about `REGION` voxels are held at once. Levels of an earlier, interrupted call are
    made again.

    Parameters
    ----------
    group
        Image of OME-Zarr 0.5 with the level "0". Axes, scale and translation are taken from its metadata.
    largest
        See `LARGEST`.

    Yields
    ------
    done, total
        Number of chunks.
    """
    ome = _attributes(group)
    image = dict(ome["multiscales"][0])
    axes = "".join(a["name"] for a in image["axes"]).upper()
    known = {t["type"]: t[t["type"]] for t in image["datasets"][0]["coordinateTransformations"]}
    scale, origin = known["scale"], known.get("translation", [0.0] * len(axes))
    base: Any = group["0"]
    picked = "image-label" in ome or base.dtype.kind == "b"
    levels = factors(base.shape, axes, scale, largest)
    yield from _levels(group, base, levels, picked=picked)
    image["datasets"] = datasets(scale, origin, levels, averaged=not picked)
    if len(levels) > 1:
        image["type"] = "nearest" if picked else "mean"
    group.attrs["ome"] = {**ome, "multiscales": [image]}


def _levels(
    group: zarr.Group, base: Any, levels: Sequence[tuple[int, ...]], *, picked: bool
) -> Iterator[tuple[int, int]]:
    made = [base]
    for number, level in enumerate(levels[1:], 1):
        steps = [now // before for now, before in zip(level, levels[number - 1], strict=True)]
        shape = reduced_shape(made[-1].shape, steps)
        made.append(_new_level(group, str(number), base, shape, _chunks(shape, base.chunks, steps)))
    total, done = sum(math.prod(reduced_shape(a.shape, a.chunks)) for a in made[1:]), 0
    for source, target in itertools.pairwise(made):
        for _ in _fill(source, target, picked=picked):
            done += 1
            yield done, total


def _new_level(group: zarr.Group, name: str, base: Any, shape: tuple[int, ...], chunks: tuple[int, ...]) -> Any:
    return group.create_array(
        name,
        shape=shape,
        chunks=chunks,
        dtype=base.dtype,
        compressors=base.compressors,
        filters=base.filters,
        fill_value=base.fill_value,
        dimension_names=base.metadata.dimension_names,
        overwrite=True,
    )


def _chunks(shape: Sequence[int], chunks: Sequence[int], steps: Sequence[int]) -> tuple[int, ...]:
    """Chunks as those of level 0, halved until the voxels that one is made of are at most `REGION`."""
    found = [min(n, c) for n, c in zip(shape, chunks, strict=True)]
    while math.prod(found) * math.prod(steps) > REGION:
        longest = found.index(max(found))
        found[longest] = -(-found[longest] // 2)
    return tuple(found)


def _fill(source: Any, target: Any, *, picked: bool) -> Iterator[None]:
    """Reduce ``source`` into ``target``, one chunk of the target after the other."""
    steps = [-(-n // m) for n, m in zip(source.shape, target.shape, strict=True)]
    reduce = nearest if picked else mean
    for spans in _blocks(target.shape, target.chunks):
        region = tuple(slice(s.start * f, s.stop * f) for s, f in zip(spans, steps, strict=True))
        target[spans] = reduce(source[region], steps)
        yield


def _blocks(shape: Sequence[int], chunks: Sequence[int]) -> Iterator[Spans]:
    """Cut an array into its chunks."""
    starts = (range(0, n, c) for n, c in zip(shape, chunks, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(slice(a, min(a + c, n)) for a, c, n in zip(corner, chunks, shape, strict=True))
