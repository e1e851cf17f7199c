"""Predict an image: one pass of the network fills every wanted output."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image
from napari_unet.arrays.cells import boundary_mask, cells_from_probabilities
from napari_unet.errors import UserError
from napari_unet.events import CellsDone, Event, Finished, Note, TileDone
from napari_unet.jobs.model import Model
from napari_unet.learn import predictor
from napari_unet.learn.device import choose_device, keep_memory, set_threads
from napari_unet.spec import CellSpec, ClassSpec, Output, TilingSpec


class Writable(Protocol):
    """What an output must offer: numpy and zarr arrays do."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""

    @property
    def dtype(self) -> Any:
        """Type of the elements."""

    def __setitem__(self, key: Any, value: Any, /) -> None: ...


def prediction(
    model: Model,
    image: Image,
    outputs: Mapping[Output, Writable],
    *,
    tiling: TilingSpec | None = None,
    cells: CellSpec | None = None,
    planes: Sequence[tuple[int, int]] | None = None,
) -> Iterator[Event]:
    """Predict an image into arrays.

    Parameters
    ----------
    model
        The trained model.
    image
        Of any size; tiles are read as they are needed.
    outputs
        Array to fill for each wanted output: ``probabilities`` (classes, *image.result_shape) as float32, or as
        uint8 from 0 to 255; ``classes`` (label values from 1), ``boundaries`` (0 or 1) and ``cells`` with
        ``image.result_shape``.
    tiling
        Tile, halo, device.
    cells
        How boundaries become cells; its ``threshold`` also makes the boundary mask.
    planes
        Only these (t, z). A 3D network reads the slices around them as well, and makes cells of each by itself.

    Yields
    ------
    Event
        `TileDone` after a tile was written, `CellsDone` after the cells of a plane (volume) were, `Finished` last.

    Raises
    ------
    UserError
        If the image does not fit the model or an output does not fit the image. Raised at once, before the first
        event is asked for.
    """
    tiling, cells = tiling or TilingSpec(), cells or CellSpec()
    plan = predictor.make_plan(image, model.spec.net, tiling, planes)
    for name, array in outputs.items():
        if tuple(array.shape) != model.output_shape(image, name):
            raise UserError(
                f"the array for {name} needs shape {model.output_shape(image, name)}, has {array.shape}"
            )
        _check_dtype(name, np.dtype(array.dtype), image)
    _check_classes(outputs, model.classes, cells)
    normalisation = intensity.fit(image, model.spec.normalisation, blank=True)
    return _run(model, image, outputs, plan, normalisation, tiling, cells)


def _check_dtype(name: Output, dtype: np.dtype[Any], image: Image) -> None:
    """Raise `UserError` if an output array cannot hold its values."""
    most = image.size("Z") * image.size("Y") * image.size("X") if name == "cells" else 255
    fits = dtype.kind in "iu" and np.iinfo(dtype).max >= min(most, 2**31 - 1)
    if name == "probabilities":
        fits = dtype.kind == "f" or dtype == np.uint8
    if not fits:
        wanted = {"probabilities": "float32 (or uint8: 0 to 255)", "cells": "int32 or uint32"}.get(name, "uint8")
        raise UserError(f"the array for {name} has the type {dtype}, which cannot hold them; use {wanted}")


def _check_classes(outputs: Mapping[Output, Writable], classes: Sequence[ClassSpec], cells: CellSpec) -> None:
    """Raise `UserError` unless the outputs can be made from these classes with this method."""
    nothing = np.zeros((len(classes), 8, 8), np.float32)
    if "boundaries" in outputs:
        boundary_mask(nothing, classes, cells.threshold)
    if "cells" in outputs:
        cells_from_probabilities(nothing, classes, cells)


def _run(
    model: Model,
    image: Image,
    outputs: Mapping[Output, Writable],
    plan: predictor.Plan,
    normalisation: intensity.Normalisation,
    tiling: TilingSpec,
    cells: CellSpec,
) -> Iterator[Event]:
    device, words = choose_device(tiling.device)
    yield Note(words)
    set_threads(tiling.threads)
    keep_memory()
    network = predictor.prepare(model.trained.network, model.spec.net.ndim, device)
    whole = _Gathered(model, image, plan) if "cells" in outputs else None
    began = time.perf_counter()
    for done, piece in enumerate(
        predictor.predict(network, model.spec.net, image, normalisation, plan, device), start=1
    ):
        _write(piece, model, image, outputs, cells)
        if whole is not None:
            whole.add(piece)
        seconds = time.perf_counter() - began
        plane = (piece.t, piece.z.start) if plan.flat else None
        yield TileDone(done, plan.total, seconds, seconds / done * (plan.total - done), plane)
        if whole is not None and done % len(plan.tiles) == 0:
            found = cells_from_probabilities(whole.probabilities, model.classes, cells, spacing=whole.spacing)
            index = image.result_index(piece.t, piece.z.start if plan.flat else slice(None))
            outputs["cells"][index] = found
            yield CellsDone(done // len(plan.tiles), len(plan.places), int(found.max()))
    yield Finished("the prediction is complete", plan.total, time.perf_counter() - began)


def _write(
    piece: predictor.Piece, model: Model, image: Image, outputs: Mapping[Output, Writable], cells: CellSpec
) -> None:
    """Write one piece into every output that is wanted pixel by pixel."""
    index = image.result_index(piece.t, piece.z, piece.y, piece.x)
    flat = "Z" not in image.axes
    for name, array in outputs.items():
        if name == "cells":
            continue
        values = _derive(name, piece.probabilities, model, cells, np.dtype(array.dtype))
        if name == "probabilities":
            array[(slice(None), *index)] = values[:, 0] if flat else values
        else:
            array[index] = values[0] if flat else values


def _derive(
    name: Output, probabilities: npt.NDArray[np.float32], model: Model, cells: CellSpec, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    if name == "classes":
        highest: npt.NDArray[np.intp] = probabilities.argmax(axis=0)
        return (highest + 1).astype(np.uint8)
    if name == "boundaries":
        return boundary_mask(probabilities, model.classes, cells.threshold)
    if dtype == np.uint8:
        return np.rint(probabilities * 255).astype(np.uint8)
    return probabilities


class _Gathered:
    """The probabilities of the plane or volume at hand, put together from its tiles."""

    def __init__(self, model: Model, image: Image, plan: predictor.Plan) -> None:
        _, _, z, y, x = image.shape
        self.flat = plan.flat
        self.spacing = image.spacing[1:] if self.flat else image.spacing
        shape = (y, x) if self.flat else (z, y, x)
        self.probabilities = np.zeros((len(model.classes), *shape), np.float32)

    def add(self, piece: predictor.Piece) -> None:
        if self.flat:
            self.probabilities[:, piece.y, piece.x] = piece.probabilities[:, 0]
        else:
            self.probabilities[:, piece.z, piece.y, piece.x] = piece.probabilities
