"""Encoders that learnt on ImageNet: their input, and their weights from the files that others published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from napari_unet.errors import UserError
from napari_unet.nets.finite import first_not_finite

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue on a scale from 0 to 1, as torchvision's networks were trained with."""

COUNTED = "num_batches_tracked"
"""A buffer of BatchNorm that does not enter its result and that some files lack."""


def imagenet_input(x: Tensor, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD) -> Tensor:
    """Turn normalised intensities into what a network saw on ImageNet.

    Parameters
    ----------
    x
        (N, 1 or 3, Y, X); -2 to 2 is the range of the image, as the normalisation ``percentile`` makes it.
        One channel is taken for red, green and blue alike.
    mean, std
        Per colour, on a scale from 0 to 1.

    Returns
    -------
    Tensor
        (N, 3, Y, X).

    Examples
    --------
    >>> imagenet_input(torch.tensor([-2.0, 2.0]).reshape(1, 1, 1, 2)).squeeze()
    tensor([[-2.1179,  2.2489],
            [-2.0357,  2.4286],
            [-1.8044,  2.6400]])
    """
    # made here and not kept as buffers: they would become entries of the model file
    centre, width = (torch.tensor(v, dtype=x.dtype, device=x.device).reshape(3, 1, 1) for v in (mean, std))
    return (x / 4 + 0.5 - centre) / width


def vgg16_mapping() -> dict[str, str]:
    """Names of torchvision's VGG16 (up to the fourth pooling) -> names in the encoder of `VGG16UNet`.

    torchvision counts convolutions, ReLUs and poolings through; the encoder counts anew on every level.

    Examples
    --------
    >>> names = vgg16_mapping()
    >>> len(names), names["features.0.weight"], names["features.21.bias"]
    (20, '0.0.weight', '3.4.bias')
    """
    levels = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21))
    return {
        f"features.{index}.{part}": f"{level}.{2 * n}.{part}"
        for level, indices in enumerate(levels)
        for n, index in enumerate(indices)
        for part in ("weight", "bias")
    }


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a file of weights, never running code from it.

    Parameters
    ----------
    path
        ``.safetensors``, or what ``torch.save`` made of a dictionary of tensors.

    Raises
    ------
    UserError
        If the file is missing, damaged, or holds anything but tensors by name.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"the weights {path} cannot be read: {error.strerror or error}") from error
    except SafetensorError as error:
        raise UserError(f"the weights {path} are damaged ({error}): get the file again") from error
    except Exception as error:  # damaged bytes make the unpickler raise nearly anything
        raise UserError(
            f"the weights {path} are damaged, or hold more than tensors: get the file again from its publisher"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(v, Tensor) for v in found.values()):
        raise UserError(f"the weights {path} are not a dictionary of tensors: save a network's state_dict()")
    return found


@torch.no_grad()
def load_encoder(encoder: nn.Module, path: Path, mapping: Mapping[str, str]) -> None:
    """Give an encoder the weights of a file: all of them, or none if one does not fit.

    Parameters
    ----------
    encoder
        Its ``state_dict`` has the names on the right of ``mapping`` and no others (but for `COUNTED`).
    path
        See `read_weights`. What ``mapping`` does not name, such as a classifier, is left out.
    mapping
        Names in the file -> names in the encoder.

    Raises
    ------
    UserError
        If the file cannot be read, or a tensor is missing, of another shape, or not finite.
    """
    ours = encoder.state_dict()
    unnamed = {name for name in ours if not name.endswith(COUNTED)} ^ {
        name for name in mapping.values() if not name.endswith(COUNTED)
    }
    if unnamed:
        raise ValueError(f"the mapping and the encoder differ in {sorted(unnamed)}")
    found = read_weights(path)
    missing = [name for name in mapping if name not in found]
    if missing:
        raise UserError(
            f"the weights {path} are of another network: '{missing[0]}' is not there"
            + (f", nor are {len(missing) - 1} others" if missing[1:] else "")
        )
    for theirs, name in mapping.items():
        has, needs = tuple(found[theirs].shape), tuple(ours[name].shape)
        if has != needs:
            raise UserError(
                f"'{theirs}' of the weights {path} has the shape {has}, but the network needs {needs}: "
                "the network must be as wide as the one that they are of (leave 'base' as it is by default)"
            )
    if bad := first_not_finite({theirs: found[theirs] for theirs in mapping}):
        raise UserError(f"'{bad}' of the weights {path} holds NaN or infinity: get the file again")
    for theirs, name in mapping.items():
        ours[name].copy_(found[theirs])
