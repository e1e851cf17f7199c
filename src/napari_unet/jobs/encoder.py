"""ImageNet weights for the encoders that can start from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torch import nn

from napari_unet.errors import UserError
from napari_unet.events import Note
from napari_unet.nets import efficientnet, pretrained_unet
from napari_unet.nets.imagenet import load_encoder, vgg16_mapping
from napari_unet.spec import NetSpec
from napari_unet.storage import weights


def load_imagenet(
    network: nn.Module, net: NetSpec, file: Path | None, fetch: Callable[[], Path] | None = None
) -> Note:
    """Load ImageNet weights into ``network.encoder``.

    Parameters
    ----------
    network
        Built from ``net``, which is of a kind with such an encoder.
    net
        ``vgg16-unet`` or ``pretrained-unet``.
    file
        The user's own file of weights; None: the published ones, where downloads are kept or in their package.
    fetch
        Downloads the published ones if they are not there; None: they are not to be downloaded.

    Returns
    -------
    Note
        Where they came from.

    Raises
    ------
    UserError
        If they are not on this machine and may not be fetched, or do not fit.
    """
    encoder = network.get_submodule("encoder")
    if net.kind == "vgg16-unet":
        if file is None:
            weights.check_width(net)
        path = weights.find_vgg16(file)
        if path is None and fetch is not None:
            path = fetch()
        if path is None:
            raise UserError(
                f"the ImageNet weights are not on this machine: allow their download (--download), or "
                f"{weights.how_to_get(weights.VGG16)}"
            )
        load_encoder(encoder, path, vgg16_mapping())
    else:
        path = file or efficientnet.weights_file()
        load_encoder(encoder, path, efficientnet.mapping(pretrained_unet.ENCODER_STAGES))
    return Note(f"the encoder starts from what it learnt on ImageNet ({path.name})")
