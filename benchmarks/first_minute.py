"""The first minute: a training from strokes after 5 to 60 seconds, beside a random forest.

    python benchmarks/first_minute.py [--sets membranes nuclei bacteria] [--seeds 0 1] [--until 60]

Strokes are painted on known truth by a fixed generator, 2% of the pixels of a few slices, and scored on others
that were never seen. The random forest learns from filter responses of the same strokes, as ilastik does. Both
give probabilities, from which cells are made by the same method, at its default and at other values
of ``beta``. Prints a JSON line per run: seconds of training, steps, score at the default, scores at all of them.
What is scored is the preview: the mean of looks at the last few networks, a second apart, each through another
mirror image. ``once`` are the scores of the network alone, as a prediction without mirror images has them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np
import numpy.typing as npt
import tifffile
from skimage.feature import multiscale_basic_features
from skimage.segmentation import find_boundaries

from common import need, probe
from napari_unet.arrays.cells import cells_from_probabilities
from napari_unet.arrays.metrics import instance_score, membrane_score
from napari_unet.engine.looks import Looks
from napari_unet.engine.schedule import PREVIEW_INTERVAL
from napari_unet.events import StepDone
from napari_unet.jobs import Model, Training, as_image, as_pairs
from napari_unet.spec import DEFAULT_CLASSES, CellSpec, Precision, TargetSpec, TrainingSpec, TrainSpec
from strokes import paint

BETAS = (0.4, 0.45, 0.5, 0.6)
MARKS = (5, 10, 20, 40, 60)
Floats = npt.NDArray[np.float32]
Found = tuple[float, int, dict[str, list[Floats]]]
"""Seconds, steps, and probabilities of the images that are scored."""


@dataclass(frozen=True)
class Task:
    """Images with strokes, and others with the truth."""

    images: list[npt.NDArray[np.uint8]]
    strokes: list[npt.NDArray[np.uint8]]
    tests: list[npt.NDArray[np.uint8]]
    truths: list[npt.NDArray[np.int32]]
    membranes: bool = False
    """The truth is a mask of insides and scored by V_rand; else it is cells, scored by AP at IoU 0.5."""


def membranes(seed: int) -> Task:
    """ISBI 2012: strokes on 3 of slices 0 to 9, scores on slices 10 to 19."""
    folder = need("isbi2012")
    volume, truth = (tifffile.imread(folder / f"train-{n}.tif") for n in ("volume", "labels"))
    chosen = np.random.default_rng(seed).choice(10, 3, replace=False)
    classes = np.where(truth > 0, 1, 2).astype(np.uint8)
    strokes = [paint(classes[z], 0.02, 10 * seed + n) for n, z in enumerate(chosen)]
    return Task([volume[z] for z in chosen], strokes, list(volume[10:]), list(truth[10:]), membranes=True)


def nuclei(seed: int) -> Task:
    """DSB2018, images of one field size that pretraining has not seen: strokes on 4, scores on 12 others."""
    folder = need("dsb2018") / "fluorescence"
    pairs = []
    for path in sorted((folder / "images").glob("*.tif"))[1::2]:
        image = tifffile.imread(path)
        if image.shape == (256, 256):
            pairs.append((image, tifffile.imread(folder / "masks" / path.name).astype(np.int32)))
    order = np.random.default_rng(seed).permutation(len(pairs))
    return _of_things([pairs[n] for n in order[:4]], [pairs[n] for n in order[4:16]], seed)


def bacteria(seed: int) -> Task:
    """Phase contrast: strokes on 3 of the first 8 frames, scores on the last 5, where colonies are larger."""
    folder = need("bacteria_phase")
    image, masks = tifffile.imread(folder / "phase.ome.tif"), tifffile.imread(folder / "masks.ome.tif")
    pairs = [(a, b.astype(np.int32)) for a, b in zip(image, masks, strict=True)]
    chosen = np.random.default_rng(seed).choice(8, 3, replace=False)
    return _of_things([pairs[n] for n in chosen], pairs[-5:], seed)


def _of_things(learnt: Sequence[tuple[npt.NDArray, npt.NDArray]], tested: Sequence, seed: int) -> Task:
    strokes = []
    for n, (_, cells) in enumerate(learnt):
        classes = np.where(cells > 0, 1, 3).astype(np.uint8)
        classes[find_boundaries(cells, mode="thick")] = 2
        strokes.append(paint(classes, 0.02, 10 * seed + n))
    return Task([i for i, _ in learnt], strokes, [i for i, _ in tested], [t for _, t in tested])


SETS = {"membranes": membranes, "nuclei": nuclei, "bacteria": bacteria}


def responses(image: npt.NDArray) -> Floats:
    """Filter responses of every pixel: smoothed values, edges and texture at six scales."""
    values = image.astype(np.float32)
    values = (values - values.mean()) / values.std()
    return multiscale_basic_features(values, texture=True, sigma_min=0.7, sigma_max=10, num_sigma=6)


def forest(task: Task) -> Iterator[Found]:
    """Learn a random forest from the strokes; yields once."""
    from sklearn.ensemble import RandomForestClassifier

    began = time.perf_counter()
    found = [(responses(i)[s > 0], s[s > 0]) for i, s in zip(task.images, task.strokes, strict=True)]
    model = RandomForestClassifier(100, max_depth=25, min_samples_leaf=2, n_jobs=-1, random_state=0)
    model.fit(np.concatenate([x for x, _ in found]), np.concatenate([y for _, y in found]))
    seconds = time.perf_counter() - began
    results = []
    for image in task.tests:
        x = responses(image)
        chances = model.predict_proba(x.reshape(-1, x.shape[-1])).astype(np.float32)
        results.append(chances.T.reshape(-1, *image.shape))
    yield seconds, 0, {"scores": results}


def network(task: Task, start: str, seed: int, precision: Precision, until: int) -> Iterator[Found]:
    """Train for a minute; yields what the preview would show at every mark."""
    spec = TrainingSpec(
        target=TargetSpec(style="classes"),
        train=TrainSpec(
            seconds=float(until), schedule="constant", start=start, seed=seed, checks=4, precision=precision
        ),
    )
    training = Training(as_pairs(task.images, task.strokes, None), spec)
    marks = [m for m in MARKS if m <= until]
    due, models = PREVIEW_INTERVAL, deque[Model](maxlen=training.mirrors)
    for event in training:
        if isinstance(event, StepDone) and event.seconds >= due:
            due = event.seconds + PREVIEW_INTERVAL
            models.append(training.model(best=False))
        if isinstance(event, StepDone) and event.seconds >= marks[0]:
            while marks and event.seconds >= marks[0]:
                marks.pop(0)
            once = [models[-1].predict(image) for image in task.tests]
            looked = [preview(models, image) for image in task.tests]
            yield event.seconds, event.step, {"scores": looked, "once": once}
        if not marks:
            return


def preview(models: Sequence[Model], image: npt.NDArray) -> Floats:
    """Give what is shown of an image after a look at it with every model."""
    looks, opened = Looks(clock=lambda: 0.0), as_image(image)
    found = [looks.at(image, partial(m.preview, opened, 0, 0), m.mirrors) for m in models]
    return found[-1].astype(np.float32) / 255


def score(task: Task, chances: Sequence[Floats], beta: float) -> float:
    """Score the cells that are made of probabilities."""
    classes, spec = DEFAULT_CLASSES[: len(chances[0])], CellSpec(beta=beta)
    cells = [cells_from_probabilities(p, classes, spec) for p in chances]
    if task.membranes:
        pairs = zip(cells, task.truths, strict=True)
        return float(np.mean([membrane_score(c[None], t[None]).v_rand for c, t in pairs]))
    return float(np.mean([instance_score(c, t).ap50 for c, t in zip(cells, task.truths, strict=True)]))


def main() -> None:
    """Run every set, seed and way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--start", nargs="+", choices=["shipped", "random"], default=["shipped"])
    parser.add_argument("--precision", choices=get_args(Precision), default="auto")
    parser.add_argument("--until", type=int, default=MARKS[-1], help="seconds of training")
    options = parser.parse_args()
    for name in options.sets:
        for seed in options.seeds:
            task = SETS[name](seed)
            ways = {"forest": forest(task)} | {
                s: network(task, s, seed, options.precision, options.until) for s in options.start
            }
            for way, results in ways.items():
                for seconds, steps, found in results:
                    scores = {k: {b: round(score(task, p, b), 3) for b in BETAS} for k, p in found.items()}
                    line = {
                        "set": name,
                        "seed": seed,
                        "way": way,
                        "seconds": round(seconds, 1),
                        "steps": steps,
                        "score": scores["scores"][CellSpec().beta],
                        **scores,
                        "probe": round(probe(), 3),
                    }
                    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
