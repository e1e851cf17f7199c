"""A trained model as a user holds it."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import WHOLE, Part, Region
from napari_unet.jobs.completion import check_output
from napari_unet.jobs.inputs import Source, as_image
from napari_unet.jobs.preview import Previewer
from napari_unet.learn import modelfile
from napari_unet.learn.device import choose_devices
from napari_unet.learn.inference import prepare
from napari_unet.learn.memory import where_it_fits
from napari_unet.learn.modelfile import Trained
from napari_unet.learn.precision import predicts_in_half
from napari_unet.learn.turns import learnt_mirrors
from napari_unet.nets import count_parameters, geometry_of
from napari_unet.spec import (
    CellSpec,
    ClassSpec,
    Device,
    Mirrors,
    ModelFacts,
    Output,
    Precision,
    TilingSpec,
    TrainingSpec,
)
from napari_unet.storage.bioimageio.archive import is_package

if TYPE_CHECKING:
    from napari_unet.jobs.suggesting import Suggester


class Model:
    """A trained network: predicts probabilities, boundaries and cells of images of any size.

    Arrays that are returned have the image's axes without its channels; probabilities have the classes first.
    """

    def __init__(self, trained: Trained, path: Path | None = None) -> None:
        self.trained, self.path = trained, path
        self._preview: Previewer | None = None
        self._for_cpu: dict[bool, nn.Module] = {}
        self._suggester: Suggester | None = None

    def __repr__(self) -> str:
        names = ", ".join(c.name for c in self.classes)
        return f"<Model {self.spec.net.kind}: {names}; {self.trained.info.get('steps', 0)} steps>"

    @property
    def spec(self) -> TrainingSpec:
        """What the training was told."""
        return self.trained.spec

    @property
    def classes(self) -> tuple[ClassSpec, ...]:
        """The classes, in the order of the probabilities."""
        return self.trained.classes

    @property
    def facts(self) -> ModelFacts:
        """Which model it is, and where it was read or saved last."""
        if self.path is None:
            return ModelFacts(name=self.spec.net.kind, sha256=self._sha256)
        return ModelFacts(name=self.path.name, sha256=self._sha256, path=str(self.path.absolute()))

    @cached_property
    def _sha256(self) -> str:
        return modelfile.fingerprint(self.trained.network.state_dict())

    def predict(
        self,
        image: Source,
        axes: str | None = None,
        *,
        out: Any = None,
        tiling: TilingSpec | None = None,
        part: Part = WHOLE,
    ) -> Any:
        """Predict class probabilities.

        Parameters
        ----------
        image
            numpy, dask or zarr array, an `Image`, or the name of a file.
        axes
            For instance ``"ZYX"``; guessed if None.
        out
            Array to write into (numpy, zarr ...), (classes, [T,] [Z,] Y, X), of a float type, or uint8, in which
            255 is a probability of 1; a new one if None.
        tiling
            Tile, halo, device, precision, mirror images.
        part
            Only these ranges (start, stop) along T, Z, Y, X, None for all of an axis; all that the result holds.

        Returns
        -------
        array
            float32 (classes, [T,] [Z,] Y, X), summing to 1 over the classes; or ``out``.

        Raises
        ------
        UserError
            If the image does not fit the model.
        """
        return self._run("probabilities", image, axes, out, tiling, CellSpec(), part)

    def boundaries(
        self,
        image: Source,
        axes: str | None = None,
        *,
        out: Any = None,
        tiling: TilingSpec | None = None,
        cells: CellSpec | None = None,
        part: Part = WHOLE,
    ) -> Any:
        """Predict the boundary mask: uint8, 1 = boundary; arguments as in `predict`."""
        return self._run("boundaries", image, axes, out, tiling, cells or CellSpec(), part)

    def cells(
        self,
        image: Source,
        axes: str | None = None,
        *,
        out: Any = None,
        tiling: TilingSpec | None = None,
        cells: CellSpec | None = None,
        part: Part = WHOLE,
    ) -> Any:
        """Segment cells: int32, 0 = boundary or background; arguments as in `predict`.

        A 2D network numbers the cells of every slice from 1.
        """
        return self._run("cells", image, axes, out, tiling, cells or CellSpec(), part)

    @property
    def mirrors(self) -> Mirrors:
        """Number of mirror images that it has learnt from; 1, the image itself, if that is not known."""
        return 1 if "imported" in self.trained.info else learnt_mirrors(self.spec.train.augment)

    def preview(self, image: Image, t: int, z: int, mirror: int = 0) -> npt.NDArray[np.float32]:
        """Predict one plane: float32 (classes, Y, X); quick when called again for the same `Image`.

        ``mirror``, from 0 to 3, tells through which mirror image; see `Previewer.plane`.
        """
        device = self.device
        if self._preview is None:
            self._preview = Previewer(self.spec, device)
        return self._preview.plane(self.prepared(device, "auto"), image, t, z, mirror)

    def suggester(self) -> Suggester:
        """Give what looks for places to annotate next; quick when it looks at the same `Image` again."""
        from napari_unet.jobs.suggesting import Suggester  # it imports this module

        if self._suggester is None:
            self._suggester = Suggester(self.spec, self.device)
        return self._suggester

    def devices(self, wanted: Device) -> tuple[list[torch.device], str]:
        """Choose the devices that it computes on, and say in words what was chosen; see `choose_devices`.

        That is the CPU for a network which computes nowhere else: tiles have to fit there.
        """
        if not self.spec.net.on_gpu:
            return [torch.device("cpu")], "this model is an ONNX graph: computing on the CPU"
        return choose_devices(wanted)

    @property
    def device(self) -> torch.device:
        """What it computes on, if nobody asks for another device."""
        return self.devices("auto")[0][0]

    def in_half(self, precision: Precision, device: torch.device) -> bool:
        """Tell whether it predicts in half precision; see `predicts_in_half`."""
        return predicts_in_half(precision, self.spec, device)

    def check_precision(self, tiling: TilingSpec) -> None:
        """Raise `UserError` if the device does not compute in the precision that is asked for."""
        self.in_half(tiling.precision, self.devices(tiling.device)[0][0])

    def prepared(self, device: torch.device, precision: Precision) -> nn.Module:
        """Give the network, made ready for inference on a device.

        That for the CPU is kept; one on a GPU is not, since it is moved away where the memory is short.
        """
        half = self.in_half(precision, device)
        if device.type != "cpu":
            return prepare(self.trained.network, self.spec.net.ndim, device, half=half)
        if half not in self._for_cpu:
            self._for_cpu[half] = prepare(self.trained.network, self.spec.net.ndim, device, half=half)
        return self._for_cpu[half]

    def ready(self, device: torch.device, precision: Precision) -> tuple[nn.Module, torch.device]:
        """Give the network, made ready on a device, or on the CPU where the device's memory has no room for it."""
        return where_it_fits(lambda d: self.prepared(d, precision if d == device else "full"), device)

    def _run(
        self,
        output: Output,
        image: Source,
        axes: str | None,
        out: Any,
        tiling: TilingSpec | None,
        cells: CellSpec,
        part: Part,
    ) -> Any:
        from napari_unet.jobs.prediction import prediction  # it imports this module

        known = as_image(image, axes)
        region = Region.of(known, part)
        if out is None:
            out = np.zeros(self.output_shape(known, output, region), OUTPUT_DTYPE[output])
        for _ in prediction(self, known, {output: out}, tiling=tiling, cells=cells, region=region):
            pass
        return out

    def output_shape(self, image: Image, output: Output, region: Region | None = None) -> tuple[int, ...]:
        """Shape of an output for an image, or for a part of it."""
        lead = (len(self.classes),) if output == "probabilities" else ()
        if region is None:
            return (*lead, *image.result_shape)
        lengths = dict(zip("TZYX", region.shape, strict=True))
        return (*lead, *(lengths[a] for a in image.result_axes))

    def save(self, path: str | Path) -> None:
        """Save to a file, whose name ends in ``.safetensors``; an older one stays intact if this fails.

        Raises
        ------
        UserError
            If the name ends in something else, or the file cannot be written.
        """
        check_output(Path(path))
        modelfile.save(self.trained, Path(path))
        self.path = Path(path)

    def describe(self) -> dict[str, Any]:
        """Facts about the model, ready for JSON."""
        net = self.spec.net
        geometry = geometry_of(net)
        return {
            "network": net.model_dump(mode="json"),
            "classes": [c.name for c in self.classes],
            **({"parameters": count_parameters(self.trained.network)} if net.trainable else {}),
            "receptive_field": list(geometry.receptive_field),
            "halo": list(geometry.context),
            **({"training": self.spec.model_dump(mode="json", exclude={"net"})} if net.trainable else {}),
            "weights_sha256": self.facts.sha256,
            "history": [dict(h) for h in self.trained.history],
            **self.trained.info,
        }


OUTPUT_DTYPE: dict[Output, npt.DTypeLike] = {
    "probabilities": np.float32,
    "classes": np.uint8,
    "boundaries": np.uint8,
    "cells": np.int32,
}


def load(path: str | Path, trust: Collection[str] = ()) -> Model:
    """Load a model file, or a package of BioImage.IO (``.zip``).

    Parameters
    ----------
    path
        The file.
    trust
        SHA-256 of code that may run if a package cannot be imported without.

    Raises
    ------
    UserError
        If it is missing, damaged, from a newer version, or not a model file; or the package cannot be imported.
    """
    if is_package(Path(path)):
        from napari_unet.jobs.exchange import import_package  # it imports this module

        return Model(import_package(path, trust).trained, Path(path))
    return Model(modelfile.load(Path(path)), Path(path))
