"""Hashes of images and annotations."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest

from napari_unet.arrays.axes import Image
from napari_unet.arrays.identity import fingerprint, painted_digest
from napari_unet.storage.samples import load_sample


def test_the_fingerprint_is_the_content_s_however_it_is_held() -> None:
    pixels = load_sample("epithelium").image
    held = [pixels, np.asfortranarray(pixels), da.from_array(pixels, chunks=64), pixels[::-1].copy()[::-1]]
    held.append(pixels.astype(pixels.dtype.newbyteorder(">")))
    assert len({fingerprint(Image(p, "YX")) for p in held}) == 1


@pytest.mark.parametrize("change", ["pixel", "shape", "dtype"])
def test_the_fingerprint_tells_other_images(change: str) -> None:
    pixels = load_sample("epithelium").image
    other = {"shape": pixels.T, "dtype": pixels.astype("uint32")}.get(change, pixels.copy())
    if change == "pixel":
        other[7, 9] += 1
    assert fingerprint(Image(pixels, "YX")) != fingerprint(Image(other, "YX"))


def test_what_is_painted_counts_and_nothing_else() -> None:
    truth = load_sample("nuclei-5").labels
    assert painted_digest(truth) == painted_digest(np.asfortranarray(truth.astype(np.int64)))
    other = truth.copy()
    other[tuple(np.argwhere(truth)[0])] += 1
    assert len({painted_digest(p) for p in (truth, other, truth.T, truth[:-1])}) == 4
