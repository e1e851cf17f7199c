"""The demonstration: train on bundled real images, predict others, leave pictures and scores."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageDraw
from skimage.segmentation import find_boundaries

from napari_unet.arrays.axes import Image
from napari_unet.arrays.metrics import instance_score
from napari_unet.errors import UserError
from napari_unet.events import Event, Finished, Note, StepDone
from napari_unet.jobs.model import Model
from napari_unet.jobs.prediction import prediction
from napari_unet.jobs.training import Training
from napari_unet.spec import Device, Output, TargetSpec, TilingSpec, TrainingSpec, TrainSpec, UNetSpec
from napari_unet.storage.samples import load_sample
from napari_unet.storage.write import check_output, create_output

Pair = tuple[Image, Image]
Array = npt.NDArray[Any]

STEPS = 150
"""Steps of each training. Steps, not seconds: a slow or busy machine takes longer, and finds the same cells."""
SCORES = "scores.json"
TITLES = ("image", "inside (probability)", "cells")
"""Of the panels of a picture."""
GAP, STRIP = 8, 16
"""Pixels between panels; height of the strip with their titles."""


@dataclass(frozen=True)
class Scene:
    """Images to learn from and others, held out of training, to be judged by."""

    name: str
    train: list[Pair]
    test: list[Pair]


def scenes() -> list[Scene]:
    """Return the demonstration's images: nuclei (two of six held out), membranes (right half held out)."""
    nuclei = [load_sample(f"nuclei-{n}").pair() for n in range(1, 7)]
    held_out = (1, 5)  # one small and one large picture, both with many nuclei
    image, labels = load_sample("epithelium").pair()
    middle = image.shape[-1] // 2
    left, right = slice(0, middle), slice(middle, None)
    return [
        Scene(
            "nuclei",
            [p for n, p in enumerate(nuclei) if n not in held_out],
            [p for n, p in enumerate(nuclei) if n in held_out],
        ),
        Scene(
            "epithelium",
            [(_columns(image, left), _columns(labels, left))],
            [(_columns(image, right), _columns(labels, right))],
        ),
    ]


def demo(
    output: Path, *, steps: int = STEPS, device: Device = "auto", threads: int | None = None, seed: int = 0
) -> Iterator[Event]:
    """Train, predict, write pictures, label images, models and ``scores.json`` into a folder.

    Parameters
    ----------
    output
        Folder; made if it is missing.
    steps
        Of each training.
    device, threads, seed
        As in `TrainSpec`.

    Yields
    ------
    Event
        Those of the trainings, their progress counted over all of them; the table of scores as notes; `Finished`
        last.

    Raises
    ------
    UserError
        If the folder cannot be made, or holds files of the same names that no demo has written.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {output} ({error.strerror}); choose another one") from error
    scores: dict[str, dict[str, Any]] = {}
    shown = scenes()
    _check_free(output, [image.name for scene in shown for image, _ in scene.test])
    for number, scene in enumerate(shown):
        yield Note(f"{scene.name}: {len(scene.train)} image(s) to learn from, {len(scene.test)} held out")
        spec = TrainingSpec(
            target=TargetSpec(style="cells", dense=True),
            net=UNetSpec(),
            train=TrainSpec(steps=steps, device=device, threads=threads, seed=seed),
        )
        training = Training(scene.train, spec, output=output / f"{scene.name}.safetensors")
        yield from (of_all(e, number, len(shown)) for e in training if not isinstance(e, Finished))
        for image, labels in scene.test:
            model = training.model()
            arrays: dict[Output, Array] = {}
            yield Note(f"predicting {image.name}")
            yield from _predict(model, image, arrays, TilingSpec(device=device, threads=threads))
            scores[image.name] = dataclasses.asdict(instance_score(arrays["cells"], np.asarray(labels.data)))
            _save(output, image, arrays, model)
    (output / SCORES).write_text(json.dumps(scores, indent=2), encoding="utf-8")
    yield from (Note(line) for line in table(scores))
    yield Finished(f"pictures (image, inside, cells) and scores.json are in {output.resolve()}")


def _check_free(folder: Path, names: Sequence[str]) -> None:
    """Raise `UserError` unless what is written is not there yet, or is of an earlier demo, as its TIFFs tell."""
    images = [folder / f"{name}{end}.tif" for name in names for end in ("", "-cells")]
    for path in images:
        check_output(path)
    others = [*(folder / f"{name}.png" for name in names), folder / SCORES]
    found = [path for path in others if path.exists()]
    if found and not any(path.exists() for path in images):
        raise UserError(
            f"{found[0]}: no demo has written this file, and it is not replaced; choose another folder"
        )


def of_all(event: Event, number: int, count: int) -> Event:
    """Count the progress of one training as that of ``count`` trainings, which all take the same time.

    Examples
    --------
    >>> of_all(StepDone(75, 0.4, progress=0.5, seconds=30, seconds_left=30), number=0, count=2)
    StepDone(step=75, loss=0.4, progress=0.25, seconds=30, seconds_left=90)
    """
    if not isinstance(event, StepDone):
        return event
    later = (count - number - 1) * (event.seconds + event.seconds_left)
    progress = (number + event.progress) / count
    return dataclasses.replace(event, progress=progress, seconds_left=event.seconds_left + later)


def table(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the lines of a table of scores.

    Examples
    --------
    >>> lines = table({"a": {"cells": 9, "true_cells": 8, "ap50": 0.9, "ap": 0.6, "adapted_rand": 0.1}})
    >>> [line.split() for line in lines]
    [['image', 'cells', 'true', 'AP50', 'AP', 'Rand-error'], ['a', '9', '8', '0.90', '0.60', '0.10']]
    """
    lines = [f"{'image':22} {'cells':>8} {'true':>8} {'AP50':>7} {'AP':>7}  {'Rand-error':>10}"]
    for name, s in scores.items():
        counts = f"{name:22} {s['cells']:>8} {s['true_cells']:>8}"
        lines.append(f"{counts} {s['ap50']:>7.2f} {s['ap']:>7.2f}  {s['adapted_rand']:>10.2f}")
    return lines


def picture(image: Array, inside: Array, cells: Array) -> npt.NDArray[np.uint8]:
    """Put an image, the inside probability and the outlined cells side by side, each under its title.

    Parameters
    ----------
    image, inside, cells
        (Y, X); any grey values; 0 to 1; ids with 0 = none.

    Returns
    -------
    ndarray
        uint8 (`STRIP` + Y, 3 X + 2 `GAP`, 3).
    """
    low, high = np.percentile(image, (0.5, 99.5))
    grey = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    panels = [np.repeat(p[..., np.newaxis], 3, axis=2) for p in (grey, np.clip(inside, 0, 1), grey)]
    colours = np.random.default_rng(0).uniform(0.25, 1, (int(cells.max()) + 1, 3))
    filled = cells > 0
    panels[2][filled] = 0.55 * panels[2][filled] + 0.45 * colours[cells[filled]]
    panels[2][find_boundaries(cells, mode="inner")] = (1.0, 0.9, 0.1)
    height, width = image.shape
    sheet = Pillow.new("RGB", (3 * width + 2 * GAP, STRIP + height), "white")
    pen = ImageDraw.Draw(sheet)
    for n, (title, panel) in enumerate(zip(TITLES, panels, strict=True)):
        left = n * (width + GAP)
        pen.text((left + 2, 2), title, fill="black")
        sheet.paste(Pillow.fromarray(np.rint(panel * 255).astype(np.uint8)), (left, STRIP))
    return np.asarray(sheet)


def _columns(image: Image, columns: slice) -> Image:
    return dataclasses.replace(image, data=np.asarray(image.data)[..., columns])


def _predict(model: Model, image: Image, arrays: dict[Output, Array], tiling: TilingSpec) -> Iterator[Event]:
    """Fill ``arrays`` with probabilities and cells; it takes a moment, so that only warnings are passed on."""
    arrays["probabilities"] = np.zeros(model.output_shape(image, "probabilities"), np.float32)
    arrays["cells"] = np.zeros(model.output_shape(image, "cells"), np.int32)
    return (e for e in prediction(model, image, arrays, tiling=tiling) if isinstance(e, Note) and e.warning)


def _save(output: Path, image: Image, arrays: Mapping[Output, Array], model: Model) -> None:
    """Write the picture, and image and cells for opening in napari."""
    roles = [c.role for c in model.classes]
    inside = arrays["probabilities"][roles.index("cell")]
    grey = np.asarray(image.data)
    Pillow.fromarray(picture(grey, inside, arrays["cells"])).save(output / f"{image.name}.png")
    for name, data in ((image.name, grey), (f"{image.name}-cells", arrays["cells"])):
        with create_output(output / f"{name}.tif", data.shape, data.dtype, image.axes, image.spacing) as file:
            file[...] = data
