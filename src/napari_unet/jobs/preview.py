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
from napari_unet.learn.turns import AS_IT_IS, Turn, mirror_images
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

    def plane(self, network: nn.Module, image: Image, t: int, z: int, mirror: int = 0) -> npt.NDArray[np.float32]:
        """Predict the plane ``z`` at time ``t``.

        Parameters
        ----------
        network
            On the device, in evaluation mode.
        image
            Only the plane is read; for a 3D network also the planes around it that its halo covers.
        t, z
            Which plane.
        mirror
            0 to 3: through which of the mirror images that a prediction averages; 0 is the image itself.

        Returns
        -------
        ndarray
            float32 (classes, Y, X): what a prediction of the whole image gives there, before it is averaged.
        """
        plane = Region.of(image, ((t, t + 1), (z, z + 1), None, None))
        return self.part(network, image, plane, mirror_images(4)[mirror])

    def normalisation(self, image: Image) -> intensity.Normalisation:
        """Give the normalisation of an image, as it is for all that is predicted of it."""
        if self._seen is None or self._seen[0] is not image:
            self._seen = (image, intensity.fit(image, self._spec.normalisation, blank=True))
        return self._seen[1]

    def know(self, image: Image, normalisation: intensity.Normalisation) -> None:
        """Take over the normalisation of an image that was fitted before."""
        self._seen = (image, normalisation)

    def part(
        self, network: nn.Module, image: Image, region: Region, turn: Turn = AS_IT_IS
    ) -> npt.NDArray[np.float32]:
        """Predict a part of one plane; arguments as in `plane`.

        Returns
        -------
        ndarray
            float32 (classes, Y, X) of the region.
        """
        net = self._spec.net
        plan = make_plan(image, net, TilingSpec(), region)
        predictor = Predictor(network, net, plan, self._device, turns=(turn,))
        result = np.zeros((net.classes, *region.shape[2:]), np.float32)
        top, left = region.y[0], region.x[0]
        for batch in read(image, self.normalisation(image), plan, range(len(plan))):
            for tile, found in zip(
                batch.tiles, predictor.compute(batch.tiles, batch.pixels).arrays(), strict=True
            ):
                y, x = (slice(s.start - n, s.stop - n) for s, n in zip(tile[1:], (top, left), strict=True))
                result[:, y, x] = found["float"][:, 0]
        return result
