"""A package of BioImage.IO, read as far as it does no harm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.storage.bioimageio.archive import Files, open_files, read_array, read_checked
from napari_unet.storage.bioimageio.description import Description, File, Tensor, read_description
from napari_unet.storage.bioimageio.processing import Preparation, read_steps

ORDERS = (("batch", "channel", "y", "x"), ("batch", "channel", "z", "y", "x"))


@dataclass(frozen=True)
class Package:
    """What a package holds, but for its weights."""

    files: Files
    told: Description
    image: npt.NDArray[Any]
    output: npt.NDArray[Any]
    """Test input and output, (1, C, [Z,] Y, X)."""
    preparation: Preparation

    @property
    def has_graph(self) -> bool:
        """Whether it brings ONNX weights."""
        return self.told.weights.onnx is not None and self.told.weights.onnx.is_here

    @property
    def ndim(self) -> int:
        """Spatial dimensions."""
        return self.image.ndim - 2

    def normalised(self) -> npt.NDArray[np.float32]:
        """Give the test input as networks see images here: normalised, before `Preparation.gain`."""
        (one,) = self.image
        image = Image(one, "CYX" if self.ndim == 2 else "CZYX")
        return intensity.fit(image, self.preparation.normalisation, blank=True).apply(one)[None]

    def prepared(self) -> npt.NDArray[np.float32]:
        """Give the test input as the package's own network sees it."""
        shape = (1, -1, *(1,) * self.ndim)
        gain, shift = (
            np.asarray(v, np.float32).reshape(shape) for v in (self.preparation.gain, self.preparation.shift)
        )
        return self.normalised() * gain + shift

    def read(self, file: File) -> bytes:
        """Read a file."""
        return read_checked(self.files, file.source, file.sha256)


def open_package(path: Path) -> Package:
    """Read a package.

    Raises
    ------
    UserError
        If it cannot be read, may do harm, or is of another kind: one image of channels in, one out.
    """
    files = open_files(path)
    told = read_description(files)
    if len(told.inputs) != 1 or len(told.outputs) != 1:
        raise UserError(
            f"{path} has {len(told.inputs)} inputs and {len(told.outputs)} outputs; only one each works"
        )
    source, target = told.inputs[0], told.outputs[0]
    orders = {tensor.order for tensor in (source, target)}
    if orders - set(ORDERS) or len(orders) > 1:
        words = " and ".join(", ".join(o) for o in orders)
        raise UserError(f"{path} has the axes {words}; batch, channel, [z,] y, x are known here")
    image, output = _test(files, source), _test(files, target)
    return Package(files, told, image, output, read_steps(source.preprocessing, source.order[2:], image.shape[1]))


def _test(files: Files, tensor: Tensor) -> npt.NDArray[Any]:
    """Read a test array."""
    file = tensor.test_tensor
    if not file.is_here:
        raise UserError(
            f"{files.path} keeps a test array elsewhere, at {file.source}: get a package that holds it"
        )
    array = read_array(read_checked(files, file.source, file.sha256), file.source)
    if array.ndim != len(tensor.order) or len(array) != 1 or array.dtype.kind not in "buif":
        raise UserError(f"'{file.source}' is {array.shape} {array.dtype}; one image of numbers is expected")
    return array
