"""Predict just the plane that the user looks at, again and again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image
from napari_unet.learn import predictor
from napari_unet.spec import TilingSpec, TrainingSpec


class Previewer:
    """Predicts planes of an image; its normalisation is fitted once and kept until another image comes.

    Parameters
    ----------
    spec
        Network, classes and normalisation.
    device
        Where to compute.
    """

    def __init__(self, spec: TrainingSpec, device: torch.device) -> None:
        self._spec, self._device = spec, device
        self._seen: tuple[Image, intensity.Normalisation] | None = None

    def plane(self, network: nn.Module, image: Image, t: int, z: int) -> npt.NDArray[np.float32]:
        """Predict the plane ``z`` at time ``t``.

        Parameters
        ----------
        network
            On the device, in evaluation mode.
        image
            Only the plane is read; for a 3D network also the planes around it that its halo covers.
        t, z
            Which plane.

        Returns
        -------
        ndarray
            float32 (classes, Y, X): what a prediction of the whole image gives there.
        """
        if self._seen is None or self._seen[0] is not image:
            self._seen = (image, intensity.fit(image, self._spec.normalisation, blank=True))
        plan = predictor.make_plan(image, self._spec.net, TilingSpec(), [(t, z)])
        result = np.zeros((self._spec.net.classes, *image.shape[3:]), np.float32)
        for piece in predictor.predict(network, self._spec.net, image, self._seen[1], plan, self._device):
            result[:, piece.y, piece.x] = piece.probabilities[:, 0]
        return result
