"""From one and the same probability map to cells, by every method: score, seconds, peak memory.

    python benchmarks/cells.py                          # ISBI slices, 3D walls, 3D nuclei: trains, then compares
    python benchmarks/cells.py --sets isbi --seconds 60 --maps FOLDER     # keeps the maps, or takes those kept
    python benchmarks/cells.py --large 64 2048 2048     # a made-up tissue that does not fit into memory
    python benchmarks/cells.py --deviation 64 768 768   # the same in one piece and in blocks: VOI between the two

A network is trained on a part of a set: the package's start on ISBI's slices 0 to 15, scored on 16 to 19; a 3D
network from random weights on the first rows of a volume, scored on the others. All methods get the same map,
so the scores compare methods, not networks. Every method runs in a process of its own, whose peak memory is told
beyond what the process had before. V_rand is 1 - adapted Rand error, over the pixels of true cells; for ISBI it is
that of the challenge, on the cells.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from scipy import ndimage

import napari_unet as nu
from common import need, probe
from napari_unet.arrays import boxes
from napari_unet.arrays.agglomeration import has_elf
from napari_unet.arrays.axes import Image
from napari_unet.arrays.metrics import instance_score, membrane_score
from napari_unet.events import Finished
from napari_unet.jobs import make_cells
from napari_unet.spec import DEFAULT_CLASSES, CellSpec

METHODS = ["components", "distance", "watershed", "mutex", *(["gasp", "multicut"] if has_elf() else []), "auto"]
SETS = {
    # folder, image, labels, spacing along z, y, x
    "isbi": ("isbi2012", "train-volume.tif", "train-labels.tif", (1.0, 1.0, 1.0)),
    "walls": ("ovule_cells3d", "raw.ome.tif", "labels.ome.tif", (1.0, 1.0, 1.0)),
    "nuclei": ("cells3d_nuclei", "raw.ome.tif", "labels.ome.tif", (1.0, 1.0, 1.0)),
    "noisy nuclei": ("ovule_nuclei3d", "1135-raw.ome.tif", "1135-labels.ome.tif", (1.0, 1.0, 1.0)),
}
LEARNT = 0.6
"""Part of the rows of a volume that is learnt from."""


def make_maps(name: str, seconds: float, folder: Path) -> None:
    """Train, and write probabilities (uint8, zarr) and truth."""
    place, image_file, labels_file, _ = SETS[name]
    source = need(place)
    image, truth = nu.jobs.as_image(source / image_file), tifffile.imread(source / labels_file)
    pixels = np.asarray(image.data[...])
    if name == "isbi":
        labels, test = np.where(truth > 0, 1, 2).astype(np.uint8), slice(16, 20)
        labels[16:] = 0
        model = nu.train(pixels, labels, axes="ZYX", seconds=seconds)
    else:
        rows = int(LEARNT * truth.shape[1])
        part, test = Image(pixels[:, :rows], "ZYX", image.spacing), np.s_[:, rows:]
        labels = truth[:, :rows].astype(np.int32)
        model = nu.train(part, labels, style="cells", dense=True, net="unet3d", seconds=seconds)
    maps = model.predict(Image(pixels, "ZYX", image.spacing))[(slice(None), *np.index_exp[test])]
    maps = np.rint(maps * 255).astype(np.uint8)
    zarr.create_array(folder / "maps.zarr", data=maps, chunks=(1, 1, *maps.shape[2:]), overwrite=True)
    np.save(folder / "truth.npy", truth[test])
    facts = {"classes": [c.name for c in model.classes], "spacing": image.spacing, "volume": name != "isbi"}
    (folder / "facts.json").write_text(json.dumps(facts))


def peak_memory() -> float:
    """Megabytes that this process has held at most; what Linux calls its high water mark."""
    (line,) = (x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def one(folder: Path, method: str) -> dict[str, Any]:
    """Make cells by one method; this process is thrown away afterwards."""
    facts, truth = json.loads((folder / "facts.json").read_text()), np.load(folder / "truth.npy")
    maps = zarr.open_array(folder / "maps.zarr", mode="r")
    named = {c.name: c for c in DEFAULT_CLASSES}
    classes = [named[n] for n in facts["classes"]]
    image = Image(maps, "CZYX", tuple(facts["spacing"]))
    out = np.zeros(image.result_shape, np.int32)
    nu.cells_of(np.zeros((2, 32, 32), np.float32))  # imports what it needs
    before, began = peak_memory(), time.perf_counter()
    for _ in make_cells(image, classes, out, CellSpec(method=method), volume=facts["volume"]):
        pass
    seconds = time.perf_counter() - began
    peak = peak_memory() - before
    result = {"method": method, "seconds": round(seconds, 2), "MB": round(peak)}
    if facts["volume"]:
        score = instance_score(out, truth)
        inside = instance_score(np.where(truth > 0, out, 0), truth)
        return result | {"v_rand": 1 - inside.adapted_rand, "ap50": score.ap50, "cells": score.cells}
    found = membrane_score(np.where(out > 0, np.float32(1), np.float32(0)), truth)
    return result | {"v_rand": found.v_rand, "v_info": found.v_info, "cells": sum(int(c.max()) for c in out)}


def tissue(shape: tuple[int, ...], folder: Path) -> zarr.Array:
    """Write probabilities (cell, boundary) of a made-up tissue: a piece of it, mirrored to all sides."""
    rng, piece = np.random.default_rng(0), tuple(min(n, m) for n, m in zip(shape, (64, 256, 256), strict=True))
    points = rng.random(piece) < 1 / 6000
    nearest = ndimage.distance_transform_edt(~points, return_distances=False, return_indices=True)
    ids = np.ravel_multi_index(tuple(nearest), piece)
    rim = ndimage.maximum_filter(ids, 3) != ndimage.minimum_filter(ids, 3)
    noise = ndimage.gaussian_filter(rng.normal(size=piece).astype(np.float32), 3) * 30
    boundary = 1 / (1 + np.exp(-(ndimage.gaussian_filter(np.where(rim, 4.0, -4.0), 1) + noise)))
    maps = np.rint(np.stack([1 - boundary, boundary]) * 255).astype(np.uint8)
    out = zarr.create_array(folder, shape=(2, *shape), dtype="uint8", chunks=(1, 16, 256, 256))
    for y in range(0, shape[1], piece[1]):
        for x in range(0, shape[2], piece[2]):
            flip = (slice(None), slice(None), *(slice(None, None, -1 if (i // 256) % 2 else 1) for i in (y, x)))
            part = maps[flip][..., : shape[1] - y, : shape[2] - x]
            out[..., y : y + part.shape[2], x : x + part.shape[3]] = part
    return out


def large(shape: tuple[int, ...], method: str) -> dict[str, Any]:
    """Make the cells of a volume from disk to disk."""
    with tempfile.TemporaryDirectory() as name:
        maps = tissue(shape, Path(name, "maps.zarr"))
        out = zarr.create_array(Path(name, "cells.zarr"), shape=shape, dtype="int32", chunks=(16, 256, 256))
        before, began = peak_memory(), time.perf_counter()
        events = make_cells(Image(maps, "CZYX"), DEFAULT_CLASSES[:2], out, CellSpec(method=method), volume=True)
        words = [e.reason for e in events if isinstance(e, Finished)]
        peak = peak_memory() - before
        minutes = (time.perf_counter() - began) / 60
    return {"shape": shape, "method": method, "minutes": round(minutes, 2), "MB": round(peak), "found": words[0]}


def deviation(shape: tuple[int, ...], method: str, block: int) -> dict[str, Any]:
    """Compare cells made in one piece with those made in blocks."""
    with tempfile.TemporaryDirectory() as name:
        image, cells = Image(tissue(shape, Path(name, "maps.zarr")), "CZYX"), []
        for limit in (2**62, block):
            boxes.IN_ONE_PIECE = boxes.IN_A_BLOCK = limit
            cells.append(np.zeros(shape, np.int32))
            for _ in make_cells(image, DEFAULT_CLASSES[:2], cells[-1], CellSpec(method=method), volume=True):
                pass
    whole, blocks = cells
    score = instance_score(blocks, whole)
    voi = {"voi_split": score.voi_split, "voi_merge": score.voi_merge}
    counts = {"cells": int(whole.max()), "in blocks": int(blocks.max())}
    return {"shape": shape, "method": method, **counts, **voi, "identical": bool((whole == blocks).all())}


def separately(*arguments: object) -> dict[str, Any]:
    """Run this program in a new process."""
    command = [sys.executable, __file__, *map(str, arguments)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def compare(name: str, folder: Path, seconds: float) -> Iterator[dict[str, Any]]:
    """Run every method on the map of a set."""
    if not (folder / "facts.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        make_maps(name, seconds, folder)
    for method in METHODS:
        yield {"set": name, **separately("--one", folder, method)}


def rounded(result: dict[str, Any]) -> str:
    """Write a line."""
    return json.dumps({k: round(v, 4) if isinstance(v, float) else v for k, v in result.items()})


def main() -> None:
    """Print a line for each method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--seconds", type=float, default=60, help="of training")
    parser.add_argument("--maps", type=Path, help="folder that keeps the maps")
    parser.add_argument("--large", type=int, nargs=3)
    parser.add_argument("--deviation", type=int, nargs=3)
    parser.add_argument("--block", type=int, default=2**24, help="voxels of a block, for --deviation")
    parser.add_argument("--methods", nargs="+", default=["components", "auto"], choices=METHODS)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--large-one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(Path(options.one[0]), options.one[1])))
        return
    if options.large_one:
        *shape, method = options.large_one
        print(json.dumps(large(tuple(map(int, shape)), method)))
        return
    print(f"a fixed matrix product takes {probe():.2f} s")
    if options.large or options.deviation:
        for method in options.methods:
            if options.large:
                print(rounded(separately("--large-one", *options.large, method)), flush=True)
            if options.deviation:
                print(rounded(deviation(tuple(options.deviation), method, options.block)), flush=True)
        return
    with tempfile.TemporaryDirectory() as name:
        for of in options.sets:
            for result in compare(of, (options.maps or Path(name)) / of.replace(" ", "-"), options.seconds):
                print(rounded(result), flush=True)
    print(f"and {probe():.2f} s afterwards")


if __name__ == "__main__":
    main()
