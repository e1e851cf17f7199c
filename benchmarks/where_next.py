"""Where to annotate next: strokes in suggested squares against as many strokes in random ones.

    python benchmarks/where_next.py [--sets membranes vnc nuclei bacteria] [--seeds 0 1] [--rounds 4] [--steps 12]

A training begins with strokes in one random square of one plane, and goes on in rounds: some steps, then strokes
in another square, of which the way tells; after the last round some more. Strokes are painted on known truth by a
fixed generator, the same part of a square everywhere; squares, first strokes and seeds are the same for all ways.
What was learnt is scored on planes that were never painted on: cells as `first_minute.py` scores them, and pixels
by the mean average precision of the classes. Budgets are steps, not seconds: a busy machine changes nothing.
Prints a JSON line before the first round and one at the end of every run, and a table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tifffile
from skimage.segmentation import find_boundaries
from sklearn.metrics import average_precision_score

from common import need
from first_minute import Task, score
from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.arrays.squares import cut
from napari_unet.events import StepDone
from napari_unet.jobs import Training
from napari_unet.jobs.suggesting import side_of
from napari_unet.spec import TargetSpec, TrainingSpec, TrainSpec
from strokes import paint

PART = 0.06
"""Part of a square that is painted."""
WAYS = ("random", "suggested")
EVERY = 7
"""Of the pixels every n-th is scored."""
Planes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Pool:
    """A stack to paint in, the true class of all of its pixels, and planes to score on."""

    image: npt.NDArray[np.generic]
    classes: Planes
    test: Task
    test_classes: list[Planes]


def membranes() -> Pool:
    """ISBI 2012: every other one of slices 0 to 9 to paint in, slices 10, 13, 16 and 19 to score on."""
    folder = need("isbi2012")
    volume, truth = (tifffile.imread(folder / f"train-{n}.tif") for n in ("volume", "labels"))
    classes = np.where(truth > 0, 1, 2).astype(np.uint8)
    test = Task([], [], [*volume[10::3]], [*truth[10::3]], membranes=True)
    return Pool(volume[:10:2], classes[:10:2], test, [*classes[10::3]])


def vnc() -> Pool:
    """Nerve cord of a fly, every second pixel: as `membranes`, and slices 10 to 13 to score on."""
    folder = need("vnc_sstem")
    volume, truth = (tifffile.imread(folder / f"stack1-{n}.tif")[:, ::2, ::2] for n in ("raw", "labels"))
    classes = np.where(truth > 0, 1, 2).astype(np.uint8)
    test = Task([], [], [*volume[10:]], [*truth[10:]], membranes=True)
    return Pool(volume[:10:2], classes[:10:2], test, [*classes[10:]])


def nuclei() -> Pool:
    """DSB2018, every other image, grey: fluorescence, histology and bright field; corners of 256 x 256 pixels.

    Pretraining has seen none of them.
    """
    images, masks = [], []
    for kind in ("fluorescence", "histology-rgb", "brightfield-gray"):
        folder = need("dsb2018") / kind
        for path in sorted((folder / "images").glob("*.tif"))[1::2]:
            image = tifffile.imread(path)[:256, :256]
            grey = image if image.ndim == 2 else image.mean(axis=-1)
            images.append(grey.astype(np.uint8))
            masks.append(tifffile.imread(folder / "masks" / path.name)[:256, :256])
    return _of_cells(np.stack(images), np.stack(masks), slice(0, None, 2), slice(1, None, 2))


def bacteria() -> Pool:
    """Phase contrast: the first 9 frames to paint in, the last 5, where colonies are larger, to score on."""
    folder = need("bacteria_phase")
    image, masks = (tifffile.imread(folder / name) for name in ("phase.ome.tif", "masks.ome.tif"))
    return _of_cells(image, masks, slice(0, 9), slice(9, None))


def _of_cells(image: npt.NDArray, masks: npt.NDArray, painted: slice, tested: slice) -> Pool:
    classes = np.stack([_classes(cells) for cells in masks])
    test = Task([], [], [*image[tested]], [*masks[tested].astype(np.int32)])
    return Pool(image[painted], classes[painted], test, [*classes[tested]])


def _classes(cells: npt.NDArray) -> Planes:
    classes = np.where(cells > 0, 1, 3).astype(np.uint8)
    classes[find_boundaries(cells, mode="thick")] = 2
    return classes


SETS = {"membranes": membranes, "vnc": vnc, "nuclei": nuclei, "bacteria": bacteria}


def squares(pool: Pool, side: int) -> list[Region]:
    """All squares of a pool."""
    planes = range(len(pool.image))
    return [Region((0, 1), (z, z + 1), y, x) for z in planes for y, x in cut(pool.image.shape[1:], side)]


def strokes(pool: Pool, square: Region, seed: int) -> Planes:
    """Paint in a square."""
    return paint(pool.classes[square.slices[1:]][0], PART, seed)


def begin(pool: Pool, seed: int, steps: int) -> tuple[Training, Region, list[Region]]:
    """Begin a training with strokes in one random square in which all classes are; lists all squares as well."""
    train = TrainSpec(
        steps=steps, patch=(128, 128), schedule="constant", checks=1, val_fraction=0, seed=seed, threads=1
    )
    spec = TrainingSpec(target=TargetSpec(style="classes"), train=train)
    places = squares(pool, side_of(spec))
    present = np.unique(pool.classes[pool.classes > 0])
    shares = [[(pool.classes[s.slices[1:]] == k).mean() for k in present] for s in places]
    whole = [s for s, share in zip(places, shares, strict=True) if min(share) > 0.03]
    first = whole[int(np.random.default_rng(seed).integers(len(whole)))]
    labels = np.zeros_like(pool.classes)
    labels[first.slices[1:]] = strokes(pool, first, seed)
    return Training([(Image(pool.image, "ZYX"), Image(labels, "ZYX"))], spec), first, places


def run(
    pool: Pool, way: str, seed: int, rounds: int, steps: int, last: int
) -> Iterator[tuple[list[Region], Training]]:
    """Train and paint in turns; yields squares and training after the first square, and at the end."""
    whole = steps * (rounds + 1) + last
    training, first, places = begin(pool, seed, whole)
    rng, used = np.random.default_rng([seed, 1]), [first]
    for event in training:
        if not isinstance(event, StepDone):
            continue
        if event.step in (steps, whole):
            yield used, training
        if event.step == whole:
            return
        if event.step % steps == 0 and len(used) <= rounds:
            free = [s for s in places if s not in used]
            at = free[int(rng.integers(len(free)))] if way == "random" else ask(training, used)
            used.append(at)
            painted = strokes(pool, at, 100 * seed + len(used) - 1)
            training.paint(0, at.z[0], at.y[0], at.x[0], painted)
            training.take_up()


def ask(training: Training, used: list[Region]) -> Region:
    """Look at all of the pool, and take what is suggested."""
    *_, found = training.suggest((0, used[-1].z[0]), used, seconds=float("inf"))
    return found.region


def pixels(chances: list[npt.NDArray[np.float32]], classes: list[Planes]) -> float:
    """Mean average precision of the classes over the test pixels."""
    found = np.concatenate([c.reshape(len(c), -1)[:, ::EVERY] for c in chances], axis=1)
    true = np.concatenate([c.ravel()[::EVERY] for c in classes])
    return float(np.mean([average_precision_score(true == k, c) for k, c in enumerate(found, start=1)]))


def main() -> None:
    """Run every set, seed and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=12, help="of a round")
    parser.add_argument("--last", type=int, default=40, help="steps after the last round")
    options = parser.parse_args()
    lines = []
    for name in options.sets:
        pool = SETS[name]()
        for seed in options.seeds:
            for way in WAYS:
                for used, training in run(pool, way, seed, options.rounds, options.steps, options.last):
                    if len(used) == 1 and way != WAYS[0]:
                        continue  # as it was for the other way
                    lines.append(line_of(pool, name, seed, way, used, training))
                    print(json.dumps(lines[-1]), flush=True)
    print(table(lines))


def line_of(pool: Pool, name: str, seed: int, way: str, used: list[Region], training: Training) -> dict:
    """Score a training as it is now."""
    model = training.model(best=False)
    chances = [model.predict(image) for image in pool.test.tests]
    return {
        "set": name,
        "seed": seed,
        "way": way if len(used) > 1 else "before",
        "at": [[r.z[0], r.y[0], r.x[0]] for r in used],
        "cells": round(score(pool.test, chances, 0.5), 4),
        "pixels": round(pixels(chances, pool.test_classes), 4),
    }


def table(lines: list[dict]) -> str:
    """Scores of every seed and their means: cells, pixels."""
    ways = ("before", *WAYS)
    rows = ["| set | seed | " + " | ".join(ways) + " |", "| --- " * (2 + len(ways)) + "|"]
    for name in dict.fromkeys(line["set"] for line in lines):
        seeds = sorted({line["seed"] for line in lines if line["set"] == name})
        for title, chosen in (*((str(s), {s}) for s in seeds), ("mean", set(seeds))):
            cells = []
            for way in ways:
                alike = [v for v in lines if (v["set"], v["way"]) == (name, way) and v["seed"] in chosen]
                cells.append(", ".join(f"{np.mean([v[k] for v in alike]):.3f}" for k in ("cells", "pixels")))
            rows.append(f"| {name} | {title} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
