"""Published weights of encoders: where they are on this machine, and fetching them on request."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_unet.errors import UserError
from napari_unet.spec import NetSpec, VGG16UNetSpec
from napari_unet.storage.isbi import VARIABLE

Progress = Callable[[int, int], None]
"""Called with the bytes that came so far and all of them; what it raises stops the download."""


@dataclass(frozen=True)
class Weights:
    """A file of weights that others published, pinned; everything here is to be shown before a download."""

    name: str
    """Of the file."""
    url: str
    sha256: str
    size: int
    """Bytes."""
    terms: str
    """Where they come from, and their licence."""

    @property
    def words(self) -> str:
        """What a person is told before the download."""
        return f"{self.name}, {self.size / 1e6:.0f} MB, from {self.url}: {self.terms}"


VGG16 = Weights(
    name="vgg16-397923af.pth",
    url="https://download.pytorch.org/models/vgg16-397923af.pth",
    sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    size=553_433_881,
    terms=(
        "VGG16 (Simonyan and Zisserman 2014, arXiv:1409.1556), trained on ImageNet by the authors of torchvision, "
        "whose licence is BSD-3-Clause; ImageNet's own terms may restrict commercial use."
    ),
)
"""``VGG16_Weights.IMAGENET1K_V1`` of torchvision.

PyTorch publishes the first eight digits of the SHA-256, as part of the file's name. All 64 are those that several
public repositories state for their copies, Hugging Face's Git LFS record of one (Keiser41/mangaaa) among them.
"""
VGG16_WORDS = VGG16.words
"""Shown before the download."""


def places(weights: Weights) -> list[Path]:
    """Tell where a file of weights is looked for: where downloads are kept, then in the data folder, if any."""
    import pooch

    folders = [Path(pooch.os_cache("napari-unet-live"))]
    if folder := os.environ.get(VARIABLE):
        folders.append(Path(folder))
    return [folder / "weights" / weights.name for folder in folders]


def find(weights: Weights, file: Path | None = None) -> Path | None:
    """Find weights on this machine.

    Parameters
    ----------
    weights
        Which.
    file
        A file of the user's own instead; what is in it shows when it is read.

    Returns
    -------
    Path or None
        None if no file was given and none is there.

    Raises
    ------
    UserError
        If the given file is not there, or the published file is there but damaged.
    """
    if file is not None:
        if not file.is_file():
            raise UserError(f"there is no file of weights {file}")
        return file
    for path in places(weights):
        if path.is_file():
            _check(path, weights)
            return path
    return None


def _check(path: Path, weights: Weights) -> None:
    import pooch

    if path.stat().st_size != weights.size or pooch.file_hash(str(path)) != weights.sha256:
        raise UserError(f"{path} is damaged (its SHA-256 is wrong): delete it and get it again from {weights.url}")


def how_to_get(weights: Weights) -> str:
    """Say in words where a file of weights is to be got and where it belongs, for use without a network."""
    return (
        f"get {weights.url} ({weights.size / 1e6:.0f} MB) on a machine that can, and put it here as "
        f"{places(weights)[-1]}, or give it as the encoder's file (--encoder-file)"
    )


def download(weights: Weights, progress: Progress | None = None) -> Path:
    """Fetch weights to where downloads are kept; nothing is fetched if they are there, whole.

    Raises
    ------
    UserError
        If they could not be fetched, kept, or have another SHA-256; no part of them is kept then.
    """
    import pooch

    target = places(weights)[0]
    name = weights.name
    store = pooch.create(target.parent, "", registry={name: weights.sha256}, urls={name: weights.url})
    downloader = pooch.HTTPDownloader(progressbar=_Bar(progress) if progress else False, chunk_size=2**18)
    pooch.get_logger().setLevel("ERROR")
    try:
        return Path(store.fetch(name, downloader=downloader))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{name} could not be downloaded ({_reason(error, target)}): {how_to_get(weights)}"
        ) from error


def _reason(error: OSError | ValueError, target: Path) -> str:
    """Say in a few words what pooch, or requests below it, raised."""
    if isinstance(error, ValueError):
        return "what came has the wrong SHA-256"
    if isinstance(error, PermissionError):
        return f"{target.parent} cannot be written"
    if error.strerror:
        return error.strerror
    response = getattr(error, "response", None)
    return "no connection" if response is None else f"the server answered {response.status_code}"


class _Bar:
    """What pooch expects of a progress bar."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.total, self.done = progress, 0, 0

    def update(self, count: int) -> None:
        """Take note of further bytes; pooch counts the last piece as a whole one."""
        self.done = min(self.done + count, self.total or self.done + count)
        self.progress(self.done, self.total)

    def reset(self) -> None:
        """Start counting anew."""
        self.done = 0

    def close(self) -> None:
        """Do nothing: who gave the function knows when it ends."""


def find_vgg16(file: Path | None = None) -> Path | None:
    """Find the weights of VGG16; see `find`."""
    return find(VGG16, file)


def download_vgg16(progress: Progress | None = None) -> Path:
    """Fetch the weights of VGG16; see `download`."""
    return download(VGG16, progress)


def check_width(net: NetSpec) -> None:
    """Raise `UserError` unless the published weights of VGG16 fit a network.

    Examples
    --------
    >>> check_width(VGG16UNetSpec(base=8))
    Traceback (most recent call last):
    ...
    napari_unet.errors.UserError: ImageNet's weights fit 'vgg16-unet' with 64 channels at the top, not 8: leave ...
    """
    widest = VGG16UNetSpec()
    if net.kind == widest.kind and net.base != widest.base:
        raise UserError(
            f"ImageNet's weights fit '{net.kind}' with {widest.base} channels at the top, not {net.base}: "
            f"leave its width (base) at {widest.base}, give a file of weights that fit, "
            "or let the encoder start at random"
        )
