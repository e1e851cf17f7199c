"""``napari-unet score``."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import typer

from napari_unet.errors import UserError

Truth = Literal["membrane", "cells"]
Scores = dict[str, Any]
Array = npt.NDArray[Any]


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
        bool | None,
        typer.Option(
            "--per-slice/--per-stack",
            help="Cells: an id is another cell in every slice (as 2D networks number them), or the same cell "
            "through the stack. Else told by the ids. By slice, V_rand and V_info are means over the slices, gaps "
            "between cells thinned to lines, as in the ISBI 2012 challenge; by stack they are of the volume, gaps "
            "filled in 3D.",
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Write where they differ, in colours: .png or .tif; a folder for folders. 1 found, 2 extra, "
            "3 missed, 4 split, 5 merged; their numbers are added to the JSON. Outlines add 8 where truth and "
            "prediction agree (dark), 16 in the truth only (white), 24 in the prediction only (black)."
        ),
    ] = None,
) -> None:
    """Score a prediction against the truth; prints JSON.

    For folders: the score of all images together, their mean, and each image's own. V_rand and V_info fill the
    gaps between predicted cells; "v_of" says whether in each slice or in 3D.
    """
    from napari_unet.storage.pairs import pair_paths

    if picture is not None:
        _check_pictures(picture, prediction, truth)
    pairs = [(p, t, *_read(p, t)) for p, t in pair_paths(prediction, truth)]
    kinds = {kind or kind_of_truth(t) for _, _, _, t in pairs}
    chosen: Truth = "membrane" if kinds == {"membrane"} else "cells"
    if per_slice is None:
        per_slice = chosen == "cells" and _numbered_by_slice(pairs)
    ndim = 2 if per_slice else None
    each = {t.name: _score([inside(p, a, b, chosen, boundaries)], [b], chosen, ndim) for p, t, a, b in pairs}
    result: Scores = {"truth": chosen} | ({"per_slice": per_slice} if chosen == "cells" else {})
    volumes = chosen == "cells" and not per_slice and any(t.ndim > 2 for *_, t in pairs)
    predictions, truths = [inside(p, a, b, chosen, boundaries) for p, _, a, b in pairs], [b for *_, b in pairs]
    result["v_of"] = "volumes, gaps filled in 3D" if volumes else _of_slices(truths)
    if len(pairs) == 1:
        result.update(*each.values())
    else:
        result.update(_score(predictions, truths, chosen, ndim))
        result.update(mean=mean(each.values()), images=each)
    if picture is not None:
        names = [t for _, t, *_ in pairs]
        result["difference"] = _draw(picture, names, predictions, truths, chosen, ndim, list(each.values()))
    if chosen == "membrane" and not boundaries:
        _say_if_inverted(pairs[0][0] if len(pairs) == 1 else prediction, predictions, truths)
    typer.echo(json.dumps(plain(result), indent=2))


def _of_slices(truths: list[Array]) -> str:
    several = len(truths) > 1 or truths[0].ndim > 2
    return "mean over slices, gaps filled in each" if several else "one slice, gaps filled"


def _numbered_by_slice(pairs: list[tuple[Path, Path, Array, Array]]) -> bool:
    """Look at the ids, and say so if they start anew in every slice: such a stack is no volume."""
    from napari_unet.arrays.numbering import numbered_by_slice

    for path, true, prediction, truth in pairs:
        for name, array in ((path, prediction), (true, truth)):
            if array.dtype.kind in "iu" and numbered_by_slice(array):
                words = "numbers its cells by slice: scored slice by slice (--per-stack: as volumes)"
                typer.echo(f"napari-unet: {name} {words}", err=True)
                return True
    return False


def _say_if_inverted(path: Path, predictions: list[Array], truths: list[Array]) -> None:
    """Say so if a prediction is probably the boundaries, not the insides: its score is much too low."""
    from napari_unet.arrays.metrics import looks_inverted

    if looks_inverted(predictions, truths):
        words = "looks like boundaries and was scored as insides: use --boundaries"
        typer.echo(f"napari-unet: {path} {words}", err=True)


def _check_pictures(picture: Path, prediction: Path, truth: Path) -> None:
    """Raise `UserError` unless pictures can be written; makes the folder for folders."""
    from napari_unet.storage.difference import check_picture
    from napari_unet.storage.formats import image_paths, kind_of, suffix_of

    if kind_of(truth) is not None or not truth.is_dir():
        check_picture(picture, prediction, truth)
        return
    if suffix_of(picture) or picture.is_file():
        raise UserError(f"{truth} is a folder, so --picture must be a folder too, not {picture}")
    if picture.resolve() in (prediction.resolve(), truth.resolve()):
        raise UserError(f"{picture} holds the images; choose another folder for the pictures")
    picture.mkdir(exist_ok=True, parents=True)
    for true in image_paths(truth):
        check_picture(_picture_of(true, picture))


def _draw(
    picture: Path,
    names: list[Path],
    predictions: list[Array],
    truths: list[Array],
    kind: Truth,
    ndim: int | None,
    each: list[Scores],
) -> dict[str, int]:
    """Write a picture of every image, add its counts to its scores, and return those of all."""
    from napari_unet.arrays.comparison import compare
    from napari_unet.arrays.metrics import cells_of
    from napari_unet.storage.difference import write_picture

    total: dict[str, int] = {}
    for name, found, true, scores in zip(names, predictions, truths, each, strict=True):
        cells = cells_of(found, scores["threshold"]) if kind == "membrane" else found
        difference = compare(cells, true, ndim=ndim, kind=kind)
        write_picture(_picture_of(name, picture) if picture.is_dir() else picture, difference.picture)
        scores["difference"] = difference.counts
        total = {k: total.get(k, 0) + n for k, n in difference.counts.items()}
    return total


def _picture_of(truth: Path, folder: Path) -> Path:
    from napari_unet.storage.formats import stem_of

    return folder / f"{stem_of(truth)}.tif"


def mean(each: Iterable[Scores]) -> Scores:
    """Average the numbers of several scores; what is missing in one of them is left out.

    Examples
    --------
    >>> mean([{"ap50": 0.5, "threshold": None}, {"ap50": 1.0, "threshold": 0.3}])
    {'ap50': 0.75}
    """
    scores = list(each)
    numbers = {k: [s[k] for s in scores] for k in scores[0]}
    return {k: float(np.mean(v)) for k, v in numbers.items() if all(isinstance(n, int | float) for n in v)}


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


def kind_of_truth(truth: Array) -> Truth:
    """Return ``membrane`` if the truth holds 0 and one of 1 and 255 only, else ``cells``.

    Examples
    --------
    >>> kind_of_truth(np.array([[0, 255]])), kind_of_truth(np.array([[0, 2], [1, 7]]))
    ('membrane', 'cells')
    """
    values = {int(v) for v in np.unique(truth)}
    return "membrane" if values <= {0, 255} or values <= {0, 1} else "cells"


def inside(path: Path, prediction: Array, truth: Array, kind: Truth, boundaries: bool) -> Array:
    """Bring a prediction to the truth's shape: of probabilities of several classes the first is the inside.

    Raises
    ------
    UserError
        If the shapes do not fit, or probabilities are to be scored as cells.
    """
    if prediction.ndim == truth.ndim + 1 and prediction.shape[1:] == truth.shape:
        prediction = prediction[1 if boundaries else 0]
    if prediction.shape != truth.shape:
        raise UserError(f"{path} has shape {prediction.shape}, the truth {truth.shape}; they must be the same")
    if kind == "cells" and prediction.dtype.kind not in "iu":
        raise UserError(f"{path} holds {prediction.dtype}, not cells; predict with --output cells to score cells")
    if kind == "membrane" and boundaries:
        return 1 - prediction if prediction.dtype.kind == "f" else prediction == 0
    return prediction


def _read(predicted: Path, true: Path) -> tuple[Array, Array]:
    from napari_unet.storage.read import open_image, open_labels, read_whole

    image = open_image(predicted, rgb=False)
    whole = read_whole(image)
    if "C" in image.axes:  # OME-Zarr has the time before the classes
        whole = np.moveaxis(whole, image.axes.index("C"), 0)
    return np.squeeze(whole), np.squeeze(read_whole(open_labels(true)))


def _score(predictions: list[Array], truths: list[Array], kind: Truth, ndim: int | None) -> Scores:
    from napari_unet.arrays.metrics import instance_score, membrane_score
    from napari_unet.arrays.v_scores import mean_v_scores

    if kind == "membrane":
        return dataclasses.asdict(membrane_score(predictions, truths))
    scores = dataclasses.asdict(instance_score(predictions, truths, ndim=ndim))
    v_rand, v_info = mean_v_scores(predictions, truths, ndim)
    return scores | {"v_rand": v_rand, "v_info": v_info}
