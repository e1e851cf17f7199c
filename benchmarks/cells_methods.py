"""Seconds and scores of every way from probabilities to cells.

    python benchmarks/cells_methods.py                                   # synthetic maps, derived from a tissue
    python benchmarks/cells_methods.py MAP --truth TRUTH                 # a map of yours
    python benchmarks/cells_methods.py MAP --truth TRUTH --labels        # whose truth holds one id per cell

MAP (.npy, .tif) holds probabilities (class, [slice,] Y, X), the classes being cell, boundary and, if there are
three, background, as `napari-unet predict --output probabilities` writes them. TRUTH is 255 inside cells and 0 on
membranes. Slices are segmented one by one. A line of the table: method, boundary threshold, beta; seconds per
slice, scores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage

from common import probe
from napari_unet.arrays.agglomeration import has_elf
from napari_unet.arrays.cells import cells_from_probabilities
from napari_unet.arrays.metrics import instance_score, membrane_score
from napari_unet.spec import DEFAULT_CLASSES, CellMethod, CellSpec


def read(path: Path) -> np.ndarray:
    """Read a .npy or .tif file."""
    return np.load(path) if path.suffix == ".npy" else tifffile.imread(path)


def synthetic(size: int, slices: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Make blurred maps (2, slices, size, size) of a random tissue, with gaps in its boundaries, and its truth."""
    rng = np.random.default_rng(seed)
    maps, truths = [], []
    for _ in range(slices):
        points = rng.random((size, size)) < 1 / 900
        nearest = ndimage.distance_transform_edt(~points, return_distances=False, return_indices=True)
        ids = np.ravel_multi_index(tuple(nearest), points.shape)
        membrane = ndimage.maximum_filter(ids, 5) != ndimage.minimum_filter(ids, 5)
        gaps = ndimage.gaussian_filter(rng.normal(size=ids.shape), 4) * 4 / 0.28
        clear = ndimage.gaussian_filter(np.where(membrane, 2.5, -3.0), 1.5)
        boundary = 1 / (1 + np.exp(-(clear + gaps + rng.normal(0, 0.5, ids.shape))))
        maps.append(np.stack([1 - boundary, boundary]).astype(np.float32))
        truths.append(np.where(membrane, 0, 255).astype(np.uint8))
    return np.stack(maps, axis=1), np.stack(truths)


def variants() -> Iterator[CellSpec]:
    """Every method with its defaults, and the agglomerations with other limits."""
    methods: list[CellMethod] = ["components", "watershed", *(("gasp", "multicut") if has_elf() else ())]
    for method in methods:
        limits = [(0.3, 0.5), (0.5, 0.5), (0.7, 0.5)]
        if method != "components":
            limits += [(0.5, 0.3), (0.5, 0.4), (0.5, 0.6), (0.5, 0.7)]
        for threshold, beta in limits:
            yield CellSpec(method=method, threshold=threshold, beta=beta)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("map", type=Path, nargs="?")
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--labels", action="store_true", help="the truth holds one id per cell")
    parser.add_argument("--size", type=int, default=512, help="of the synthetic maps")
    parser.add_argument("--slices", type=int, default=4, help="of the synthetic maps")
    options = parser.parse_args()
    if (options.map is None) != (options.truth is None):
        parser.error("MAP and --truth belong together")
    maps, truth = (
        synthetic(options.size, options.slices)
        if options.map is None
        else (read(options.map), read(options.truth))
    )
    maps, truth = maps.reshape(len(maps), -1, *maps.shape[-2:]), truth.reshape(-1, *truth.shape[-2:])
    classes = DEFAULT_CLASSES[: len(maps)]
    print(f"{maps.shape[1]} slices of {maps.shape[2]} x {maps.shape[3]}, classes {[c.name for c in classes]}")
    cells_from_probabilities(maps[:, 0], classes, CellSpec())  # imports what it needs
    before = probe()
    scores = "ap50    ap      rand err" if options.labels else "V_rand  V_info"
    print(f"{'method':<12}threshold  beta  s/slice  cells   {scores}")
    for spec in variants():
        began = time.perf_counter()
        cells = np.stack([cells_from_probabilities(m, classes, spec) for m in np.moveaxis(maps, 1, 0)])
        seconds = (time.perf_counter() - began) / len(cells)
        if options.labels:
            found = instance_score(cells, truth, ndim=2)
            text = f"{found.ap50:.4f}  {found.ap:.4f}  {found.adapted_rand:.4f}"
        else:
            score = membrane_score(cells, truth)
            text = f"{score.v_rand:.4f}  {score.v_info:.4f}"
        n = sum(int(c.max()) for c in cells)
        print(f"{spec.method:<12}{spec.threshold:<11}{spec.beta:<6}{seconds:<9.3f}{n:<8}{text}", flush=True)
    print(f"a fixed matrix product took {before:.2f} s before and {probe():.2f} s after")


if __name__ == "__main__":
    main()
