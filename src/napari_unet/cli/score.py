"""``napari-unet score``."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import typer

from napari_unet.errors import UserError

Truth = Literal["membrane", "cells"]
Scores = dict[str, Any]


def score(
    prediction: Annotated[Path, typer.Argument(help="Predicted image, or a folder of them.")],
    truth: Annotated[Path, typer.Argument(help="True labels, or a folder of them with the same names.")],
    kind: Annotated[
        Truth | None,
        typer.Option(
            "--truth", help="membrane: 255 inside, 0 membrane. cells: a value per cell. Else told by values."
        ),
    ] = None,
    boundaries: Annotated[
        bool, typer.Option("--boundaries", help="In the prediction high values mean boundary, not inside.")
    ] = False,
    per_slice: Annotated[
        bool, typer.Option("--per-slice", help="Score cells in every slice by itself, then average.")
    ] = False,
) -> None:
    """Score a prediction against the truth; prints JSON (for folders the mean, and each image)."""
    from napari_unet.storage.pairs import pair_paths

    each: dict[str, Scores] = {}
    for predicted, true in pair_paths(prediction, truth):
        each[true.name] = _score_files(predicted, true, kind, boundaries=boundaries, per_slice=per_slice)
    scores = next(iter(each.values())) if len(each) == 1 and truth.name in each else {**mean(each), "images": each}
    typer.echo(json.dumps(plain(scores), indent=2))


def mean(each: dict[str, Scores]) -> Scores:
    """Average the numbers of several scores; what is not a number in all of them is left out.

    Examples
    --------
    >>> mean({"a": {"truth": "cells", "ap50": 0.5}, "b": {"truth": "cells", "ap50": 1.0}})
    {'truth': 'cells', 'ap50': 0.75}
    """
    result: Scores = {}
    for key, first in next(iter(each.values())).items():
        values = [s.get(key) for s in each.values()]
        if all(isinstance(v, int | float | np.number) for v in values):
            result[key] = float(np.mean([float(v) for v in values if v is not None]))
        elif all(v == first for v in values):
            result[key] = first
    return result


def plain(value: Any) -> Any:
    """Turn a value into what JSON can say; "not a number" becomes null.

    Examples
    --------
    >>> plain({"a": np.float32(0.5), "b": (math.nan, 1)})
    {'a': 0.5, 'b': [None, 1]}
    """
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def kind_of_truth(truth: npt.NDArray[Any]) -> Truth:
    """Return ``membrane`` if the truth holds 0 and one of 1 and 255 only, else ``cells``.

    Examples
    --------
    >>> kind_of_truth(np.array([[0, 255]])), kind_of_truth(np.array([[0, 2], [1, 7]]))
    ('membrane', 'cells')
    """
    values = {int(v) for v in np.unique(truth)}
    return "membrane" if values <= {0, 255} or values <= {0, 1} else "cells"


def _score_files(predicted: Path, true: Path, kind: Truth | None, *, boundaries: bool, per_slice: bool) -> Scores:
    from napari_unet.storage.read import open_image, open_labels, read_whole

    prediction = np.squeeze(read_whole(open_image(predicted, rgb=False)))
    truth = np.squeeze(read_whole(open_labels(true)))
    kind = kind or kind_of_truth(truth)
    if prediction.ndim == truth.ndim + 1 and prediction.shape[1:] == truth.shape:
        if kind == "cells":
            raise UserError(f"{predicted} holds probabilities; predict with --output cells to score cells")
        prediction = prediction[1 if boundaries else 0]
    if prediction.shape != truth.shape:
        raise UserError(
            f"{predicted} has shape {prediction.shape}, {true} has {truth.shape}; they must be the same"
        )
    if kind == "membrane":
        return {"truth": kind, **_membrane(prediction, truth, boundaries=boundaries)}
    return {"truth": kind, **_cells(prediction, truth, str(predicted), per_slice=per_slice)}


def _membrane(prediction: npt.NDArray[Any], truth: npt.NDArray[Any], *, boundaries: bool) -> Scores:
    from napari_unet.arrays.metrics import membrane_score

    if prediction.dtype.kind in "iu" and prediction.dtype.itemsize == 1 and len(np.unique(prediction)) > 2:
        prediction = prediction.astype(np.int32)  # cells that fit into a byte, not a mask
    if boundaries:
        prediction = 1 - prediction if prediction.dtype.kind == "f" else prediction == 0
    return dataclasses.asdict(membrane_score(prediction, truth))


def _cells(prediction: npt.NDArray[Any], truth: npt.NDArray[Any], name: str, *, per_slice: bool) -> Scores:
    from napari_unet.arrays.metrics import instance_score

    if prediction.dtype.kind not in "iu":
        raise UserError(f"{name} holds {prediction.dtype}; predict with --output cells to score cells")
    if not per_slice or truth.ndim == 2:
        return dataclasses.asdict(instance_score(prediction, truth))
    pairs = zip(prediction, truth, strict=True)
    return mean({str(n): dataclasses.asdict(instance_score(p, t)) for n, (p, t) in enumerate(pairs)})
