"""Predict just the plane that the user looks at, again and again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.learn.plan import make_plan
from napari_unet.learn.predictor import Predictor, read
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
        net, norm = self._spec.net, self._seen[1]
        plan = make_plan(image, net, TilingSpec(), Region.of(image, ((t, t + 1), (z, z + 1), None, None)))
        predictor = Predictor(network, net, plan, self._device)
        result = np.zeros((net.classes, *image.shape[3:]), np.float32)
        for batch in read(image, norm, plan, range(len(plan))):
            for tile, found in zip(
                batch.tiles, predictor.compute(batch.tiles, batch.pixels).arrays(), strict=True
            ):
                y, x = (slice(s.start, s.stop) for s in tile[1:])
                result[:, y, x] = found["float"][:, 0]
        return result
