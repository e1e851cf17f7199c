"""`train`: one call from arrays to a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from napari_unet.errors import UserError
from napari_unet.events import Event
from napari_unet.jobs.inputs import Source, as_pairs
from napari_unet.jobs.model import Model, load
from napari_unet.jobs.request import make_spec
from napari_unet.jobs.training import Training
from napari_unet.spec import Activation, ClassSpec, Skips, Style, TrainingSpec, TrainSpec, Up


def train(
    image: Source | Sequence[Source],
    labels: Source | Sequence[Source],
    style: Style | None = None,
    net: str | None = None,
    seconds: float | None = None,
    *,
    steps: int | None = None,
    recipe: str | Path | TrainingSpec | None = None,
    axes: str | None = None,
    dense: bool | None = None,
    unpainted: Literal["auto", "background", "boundary"] | None = None,
    background_value: int | None = None,
    classes: Sequence[ClassSpec] = (),
    base: int | None = None,
    depth: int | None = None,
    up: Up | None = None,
    skips: Skips | None = None,
    activation: Activation | None = None,
    batchnorm: bool | None = None,
    dropout: float | None = None,
    rim: int | None = None,
    weight_map: bool | None = None,
    normalisation: Literal["percentile", "meanstd", "none"] | None = None,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    start: Model | str | Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    **options: Any,
) -> Model:
    """Train a model from an image and painted labels, and return the best one.

    Parameters
    ----------
    image
        numpy, dask or zarr array, the name of a file, or a list of them; or the name of a folder.
    labels
        As many. Integers, with the image's axes but its channels; 0 is not annotated. Folders are paired by file
        names.
    style
        ``classes``: a value is a class (1 = cell, 2 = boundary, 3 = background). ``cells``: a value is a cell.
    net
        Name of the network, see ``napari-unet nets``; ``unet`` by default.
    seconds, steps
        Budget, one of the two; 60 seconds if neither is given.
    recipe
        Name of a recipe (see ``napari-unet recipes``), JSON file, or spec that the other arguments change.
    axes
        Of the image, for instance ``"CZYX"``; guessed if None.
    dense
        Style ``cells``: unpainted pixels are background.
    unpainted
        With ``dense``: what unpainted pixels are. ``auto`` takes them as boundary if they are thin everywhere.
    background_value
        Style ``cells``: the label value of background strokes.
    classes
        Names and roles, if they are not the default.
    base, depth, up, skips, activation, batchnorm, dropout
        Width of the first level, number of poolings, way upwards, join, activation and so on, if not the network's
        own; not every network has each.
    rim
        Style ``cells``: pixels of a cell, from its rim inwards, that are its boundary.
    weight_map
        Weight the loss by the border map of the 2015 paper.
    normalisation
        How grey values are normalised.
    output
        Model file to keep up to date while training.
    resume
        A model file trained before with ``output``: go on with it.
    start
        A model to start from, or its file; ``"random"`` for weights drawn at random. None: the network that the
        package brings, if it has the same shape.
    on_event
        Called with every event.
    **options
        Further fields of `TrainSpec`: ``loss``, ``patch``, ``batch``, ``learning_rate``, ``augment``, ``device``,
        ``seed`` (the same seed with ``steps`` on the CPU gives the same model), ``val_fraction`` ...

    Raises
    ------
    UserError
        If images and labels do not fit together, nothing can be learnt from them, or a setting is unknown or not
        allowed.
    """
    _check_names(options)
    if start in ("random", "shipped"):
        options["start"], start = start, None
    pairs = as_pairs(image, labels, axes)
    spec = make_spec(
        recipe,
        net,
        shape={
            "base": base,
            "depth": depth,
            "up": up,
            "skips": skips,
            "activation": activation,
            "batchnorm": batchnorm,
            "dropout": dropout,
        },
        target={
            "style": style,
            "classes": tuple(classes) or None,
            "dense": dense,
            "unpainted": unpainted,
            "background_value": background_value,
            "rim": rim,
            "weight_map": weight_map,
        },
        train={"seconds": seconds, "steps": steps, **options},
        normalisation=normalisation,
    )
    if resume is not None and output is not None:
        raise UserError("give 'resume' or 'output', not both: a resumed training goes on in its own file")
    path = resume if resume is not None else output
    first = load(start) if isinstance(start, str | Path) else start
    job = Training(
        pairs, spec, output=None if path is None else Path(path), resume=resume is not None, start=first
    )
    for event in job:
        if on_event is not None:
            on_event(event)
    return job.model()


def _check_names(options: Iterable[str]) -> None:
    """Raise `UserError` if there is no such setting; says the one that was probably meant."""
    fields = [*TrainSpec.model_fields]
    for name in options:
        if name not in fields:
            known = [p for p in inspect.signature(train).parameters if p != "options"] + fields
            close = get_close_matches(name, known, n=1)
            cure = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(dict.fromkeys(known))}"
            raise UserError(f"train() has no setting '{name}'; {cure}")
