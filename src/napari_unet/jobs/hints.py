"""What a user has probably forgotten to say."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence

from napari_unet.arrays import spacing
from napari_unet.arrays.alone import count_alone
from napari_unet.arrays.axes import Image
from napari_unet.arrays.intensity import oddity
from napari_unet.events import Note
from napari_unet.jobs.model import Model
from napari_unet.learn.data import Survey, read_labels
from napari_unet.learn.plan import Plan
from napari_unet.spec import NetSpec, OnnxSpec, TargetSpec, TrainingSpec, UNetSpec, VNetSpec
from napari_unet.storage.opened import FileImage, file_of
from napari_unet.storage.results import result_in

MANY = 5
"""Whoever paints more cells than this in a plane, and no background, has probably painted all of them."""
OTHER_SHAPE = 1.5
"""Voxels whose height over width differs by more than this factor look different to a 3D network."""
UNKNOWN = (1.0, 1.0, 1.0)
"""Voxel size of images that do not tell any."""
PLANES = 8
"""Annotated planes that are looked at."""


def missing_background(pairs: Sequence[tuple[Image, Image]], found: Survey, target: TargetSpec) -> Iterator[Note]:
    """Warn of cells that are painted whole, alone on what nobody says is background.

    Unpainted pixels are not learnt from. So the network would never see what is no cell, and find cells
    everywhere. Cells that touch each other (a tissue) teach it boundaries instead: there is no warning.
    """
    if target.style != "cells" or target.dense or target.background_value in found.counts:
        return
    step = max(1, -(-len(found.planes) // PLANES))
    planes = (read_labels(pairs[p][1], t, z) for p, t, z in found.planes[::step])
    counts = [count_alone(plane) for plane in planes]
    if 2 * sum(cells > MANY and 2 * alone > cells for alone, cells in counts) >= len(counts):
        cure = "if every cell is painted, say so (--dense, dense=True, or 'unpainted: automatic' in the window)"
        yield Note(
            f"nothing is painted as background, and what is unpainted is not used: {cure}; "
            "else paint some background and say which value it has (--background-value)",
            warning=True,
        )


def start_notes(theirs: TrainingSpec, ours: TrainingSpec, painted: Container[int]) -> Iterator[Note]:
    """Say in what a training differs from that of the model it starts from, although the weights fit.

    Parameters
    ----------
    theirs, ours
        Of the model, and of the training.
    painted
        Label values that occur.
    """
    before, now = (", ".join(c.name for c in spec.target.classes) for spec in (theirs, ours))
    new = [c.name for c in ours.target.classes if c not in theirs.target.classes]
    if set(ours.target.classes) > set(theirs.target.classes):
        yield Note(
            f"the start model knows {before}; {' and '.join(new)} {'is' if len(new) == 1 else 'are'} new to it"
        )
    elif len(theirs.target.classes) != len(ours.target.classes) and before != now:
        yield Note(f"the start model knows {before}; this training learns {now}", warning=True)
    elif before != now:
        yield Note(f"the start model's classes are {before}; from now on they mean {now}", warning=True)
    elif ours.target.style == "classes":
        missing = [c.name for n, c in enumerate(ours.target.classes, start=1) if n not in painted]
        if missing:
            yield Note(
                f"the start model also knows {', '.join(missing)}, of which nothing is painted", warning=True
            )
    method = theirs.normalisation.method
    if method != ours.normalisation.method:
        yield Note(
            f"the start model saw grey values on another scale: say --normalisation {method} "
            f"(in the window: Grey values), not {ours.normalisation.method}",
            warning=True,
        )


def volume_notes(net: NetSpec, image: Image) -> Iterator[Note]:
    """Warn of a 3D network on an image that is not made for it.

    Examples
    --------
    >>> import numpy as np
    >>> plane = Image(np.zeros((64, 64), np.uint8), "YX")
    >>> print(next(volume_notes(VNetSpec(), plane)).text)
    'vnet' looks along Z, but there is one slice only: a 2D network such as 'unet' learns the same in less time
    """
    if net.ndim != 3:
        return
    finest, coarsest = min(image.spacing), max(image.spacing)
    if image.size("Z") == 1:
        words = "a 2D network such as 'unet' learns the same in less time"
        yield Note(f"'{net.kind}' looks along Z, but there is one slice only: {words}", warning=True)
    elif isinstance(net, VNetSpec | UNetSpec) and coarsest >= spacing.COARSER * finest:
        voxel = " x ".join(f"{n:g}" for n in image.spacing)
        words = "the levels of 'unet3d' follow the spacing"
        yield Note(f"'{net.kind}' treats all axes alike, but voxels are {voxel}: {words}", warning=True)


def halo_notes(net: NetSpec, plan: Plan, wanted: int | str = "exact") -> Iterator[Note]:
    """Tell of a halo beyond the exact one, and of an imported network that looks farther and predicts in tiles.

    Parameters
    ----------
    net, plan
        What is predicted with, and how.
    wanted
        The halo as the user told it.

    Examples
    --------
    >>> from napari_unet.arrays.region import Region
    >>> from napari_unet.arrays.tiles import Fit
    >>> net = OnnxSpec(bytes=1, stride=(8, 8), halo=(16, 16), halo_is_enough=False)
    >>> size, fits = (1, 900, 900), (Fit(1, 0), Fit(8, 16), Fit(8, 16))
    >>> region = Region((0, 1), (0, 1), (0, 900), (0, 900))
    >>> len(list(halo_notes(net, Plan(region, size, size, (1, 512, 512), fits, 2))))
    1
    >>> whole = Plan(region, size, size, (1, 904, 904), fits, 2)
    >>> list(halo_notes(net, whole)), [note.text for note in halo_notes(net, whole, 900)]
    ([], ['a halo of 900 pixels is more than the network sees: the exact one is computed, 16 x 16'])
    """
    exact = [fit.margin or fit.halo for fit in plan.fits[-net.ndim :]]
    if isinstance(wanted, int) and wanted > max(exact):
        why = "is more than the network sees: the exact one is computed"
        yield Note(f"a halo of {wanted} pixels {why}, {' x '.join(map(str, exact))}")
    cut = any(tile < n for tile, n in zip(plan.tile[-net.ndim :], plan.size[-net.ndim :], strict=True))
    if isinstance(net, OnnxSpec) and not net.halo_is_enough and cut:
        yield Note(
            "the imported network looks farther around every pixel than could be measured, or at the whole image: "
            f"in tiles of {' x '.join(map(str, plan.tile[-net.ndim :]))} pixels its result may differ from that "
            "of the whole image, above all where they join; choose a tile as large as the image if it fits",
            warning=True,
        )


def image_notes(image: Image) -> Iterator[Note]:
    """Warn of an image in which little can be found, that is only a part of its file, or a result itself."""
    told = (image.warning if isinstance(image, FileImage) else "", _of_making(image), oddity(image))
    yield from (Note(words, warning=True) for words in told if words)


def _of_making(image: Image) -> str:
    path = file_of(image)
    made = path is not None and result_in(path) == "probabilities"
    return "the image holds the probabilities of a prediction, not what a microscope has seen" if made else ""


def mirror_notes(model: Model, mirrors: int) -> Iterator[Note]:
    """Warn of mirror images that a model has never seen."""
    if mirrors > model.mirrors:
        lacking = "has not learnt from mirror images of this kind"
        if "imported" in model.trained.info:
            lacking = "was imported, and nobody knows whether it has learnt from mirror images"
        worse = f"averaging over {mirrors} may make the result worse than {model.mirrors}"
        yield Note(f"the model {lacking}: {worse}", warning=True)


def spacing_notes(model: Model, image: Image) -> Iterator[Note]:
    """Warn if a 3D network has learnt from voxels of another shape: its kernels and levels were made for those."""
    learnt = tuple(model.trained.info.get("spacing_of_first_image", UNKNOWN))
    if model.spec.net.ndim != 3 or UNKNOWN in (learnt, tuple(image.spacing)):
        return
    theirs, ours = learnt[0] / learnt[2], image.spacing[0] / image.spacing[2]
    if max(theirs, ours) > OTHER_SHAPE * min(theirs, ours):
        yield Note(
            f"the model has learnt from voxels that are {theirs:.3g} times as high as wide, those of {image.name} "
            f"are {ours:.3g} times: expect less, resample the image, or train a model on images like this one",
            warning=True,
        )
