"""What a training spec leaves open is filled in from the data before anything starts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from napari_unet.arrays import spacing
from napari_unet.arrays.axes import Image
from napari_unet.errors import UserError
from napari_unet.events import Note
from napari_unet.learn import data
from napari_unet.nets import geometry_of
from napari_unet.spec import ClassSpec, NetSpec, TrainingSpec, UNet3DSpec

PATCH = {2: (192, 192), 3: (24, 80, 80)}
"""Default patch sizes per number of dimensions: what a network gives, not what a valid one takes."""
SMALL = 64
"""Up to this length a patch may be as long as the image in Y and X, beyond it half as long."""

Pairs = Sequence[tuple[Image, Image]]


def check_output(output: Path | None) -> None:
    """Raise `UserError` unless a model can be written there."""
    if output is None:
        return
    if output.suffix != ".safetensors":
        raise UserError(f"a model file ends in .safetensors, got '{output.name}'")
    if not output.parent.is_dir():
        raise UserError(f"the folder {output.parent} does not exist")
    try:
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        raise UserError(f"cannot write into the folder {output.parent}: {error.strerror}") from error


def complete(spec: TrainingSpec, pairs: Pairs, found: data.Survey, start: NetSpec | None = None) -> TrainingSpec:
    """Fill in what the data tell: classes, channels, levels, patch size.

    Parameters
    ----------
    spec
        As the user wrote it.
    pairs
        Images and labels.
    found
        What the labels hold.
    start
        The network that the training starts from, if there is one.

    Raises
    ------
    UserError
        If the images differ in their channels, the network was told other channels or classes, or a patch does not
        fit it.
    """
    channels = {image.size("C") for image, _ in pairs}
    if len(channels) != 1:
        raise UserError(f"the images have different numbers of channels: {sorted(channels)}")
    filled_in = {"in_channels": channels.pop(), "classes": len(found.classes)}
    _check_told(spec.net, filled_in)
    net = spec.net.model_copy(update=filled_in)
    if isinstance(net, UNet3DSpec):
        net = _with_levels(net, pairs[0][0], start)
    target = spec.target.model_copy(update={"classes": found.classes})
    train = spec.train.model_copy(update={"patch": _patch(spec.train.patch, net, pairs)})
    return spec.model_copy(update={"net": net, "target": target, "train": train})


def for_classes(spec: TrainingSpec, classes: tuple[ClassSpec, ...]) -> TrainingSpec:
    """Give the same of other classes.

    Examples
    --------
    >>> from napari_unet.spec import DEFAULT_CLASSES
    >>> for_classes(TrainingSpec(), DEFAULT_CLASSES[:3]).net.classes
    3
    """
    net = spec.net.model_copy(update={"classes": len(classes)})
    target = spec.target.model_copy(update={"classes": classes})
    return spec.model_copy(update={"net": net, "target": target})


def _check_told(net: NetSpec, found: Mapping[str, int]) -> None:
    """Raise `UserError` if a recipe tells of a network what the data say otherwise.

    Examples
    --------
    >>> from napari_unet.spec import UNetSpec
    >>> _check_told(UNetSpec(classes=7), {"in_channels": 1, "classes": 2})
    Traceback (most recent call last):
    ...
    napari_unet.errors.UserError: net.classes is 7, but there are 2 in the data: leave it out of the recipe, ...
    """
    for name, count in found.items():
        told = getattr(net, name)
        if told not in (count, type(net).model_fields[name].default):
            raise UserError(
                f"net.{name} is {told}, but there are {count} in the data: leave it out of the recipe, "
                "it is filled in when a training starts"
            )


def _with_levels(net: UNet3DSpec, image: Image, start: NetSpec | None) -> UNet3DSpec:
    """Fill in poolings and kernels that follow the voxel spacing, unless they are told."""
    if net.strides is not None or net.kernels is not None:
        return net
    if isinstance(start, UNet3DSpec) and start.depth == net.depth:
        return net.model_copy(update={"strides": start.strides, "kernels": start.kernels})
    strides, kernels = spacing.plan(image.spacing, net.depth, image.shape[2:])
    return net.model_copy(update={"strides": strides, "kernels": kernels})


def _patch(wanted: tuple[int, ...] | None, net: NetSpec, pairs: Pairs) -> tuple[int, ...]:
    """Check a patch size, or choose one.

    A patch as large as the image would lie at the same place every time: the network would learn by heart what is
    where, and nothing of what is held out.
    """
    geometry = geometry_of(net)
    if wanted is None:
        largest = [max(image.shape[5 - net.ndim + a] for image, _ in pairs) for a in range(net.ndim)]
        plane = [min(n, max(SMALL, n // 2)) for n in largest[-2:]]
        return geometry.input_shape([min(*s) for s in zip(PATCH[net.ndim], (*largest[:-2], *plane), strict=True)])
    if len(wanted) != net.ndim:
        raise UserError(f"the patch {wanted} must have {net.ndim} lengths for the network '{net.kind}'")
    if geometry.output_shape(wanted) is None:
        given = [max(1, n - 2 * m) for n, m in zip(wanted, geometry.margin, strict=True)]
        raise UserError(
            f"the network '{net.kind}' cannot take a patch of {wanted}; one that fits is "
            f"{geometry.input_shape(given)} (steps of {geometry.stride})"
        )
    return wanted


def explain(spec: TrainingSpec, found: data.Survey, image: Image) -> Iterator[Note]:
    """Say what will be learnt from what, and choices that the user should know."""
    names = ", ".join(c.name for c in found.classes)
    pixels = sum(found.counts.values())
    rest = {"ignore": "", "background": ", the rest is background", "boundary": ", the rest is boundary"}
    slices = f"{len(found.planes)} slice" + ("s" if len(found.planes) != 1 else "")
    yield Note(f"learning {names} from {pixels} painted pixels in {slices}{rest[found.unpainted]}")
    if found.unpainted == "boundary" and spec.target.unpainted == "auto":
        cure = "if they are narrow background, say so (unpainted: background)"
        yield Note(f"unpainted pixels are thin lines between cells: taken as boundary; {cure}")
    net, patch = spec.net, spec.train.patch or ()
    given = [n - 2 * m for n, m in zip(patch, geometry_of(net).margin, strict=True)]
    size = image.shape[5 - net.ndim :]
    if any(g >= 1.5 * n and g > SMALL for g, n in zip(given, size, strict=True)):
        words = f"the patch {patch} is much larger than the image {size}: most of it is mirrored"
        yield Note(f"{words}; a smaller patch is faster and learns more", warning=True)
    if isinstance(net, UNet3DSpec) and net.strides is not None and net.kernels is not None:
        yield Note(spacing.describe(image.spacing, net.strides, net.kernels))


def invalid_pixels(units: Sequence[data.Unit]) -> Iterator[Note]:
    """Say where pixels are no numbers."""
    for unit in units:
        if unit.invalid:
            pair, t, z = unit.place
            where = f"image {pair + 1}, t = {t}, z = {z}"
            yield Note(f"{unit.invalid} pixels are NaN or infinite ({where}): they are left out", warning=True)
