"""Pairing images with labels."""

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from napari_unet.errors import UserError
from napari_unet.storage.pairs import pair_images, pair_paths


@pytest.fixture
def folders(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir()
    labels.mkdir()
    for n, name in enumerate(["b", "a", "c d"], start=1):
        tifffile.imwrite(images / f"{name}.ome.tif", np.full((20, 24 + n), n, np.uint8))
        Pillow.fromarray(np.full((20, 24 + n), n, np.uint8)).save(labels / f"{name}.png")
    return images, labels


def test_folders_are_paired_by_name_whatever_the_suffix(folders):
    pairs = pair_images(*folders)
    assert [i.name for i, _ in pairs] == ["a.ome.tif", "b.ome.tif", "c d.ome.tif"]
    assert all(i.data[0, 0] == a.data[0, 0] and i.shape == a.shape for i, a in pairs)


def test_missing_names_are_named(folders):
    images, labels = folders
    (labels / "b.png").unlink()
    with pytest.raises(UserError, match=r"labels has no image named b;"):
        pair_paths(images, labels)
    (images / "b.ome.tif").unlink()
    (images / "a.ome.tif").unlink()
    with pytest.raises(UserError, match=r"images has no image named a;"):
        pair_paths(images, labels)


def test_same_name_twice(folders):
    images, labels = folders
    Pillow.fromarray(np.zeros((20, 20), np.uint8)).save(images / "a.png")
    with pytest.raises(UserError, match="have the same name"):
        pair_paths(images, labels)


def test_file_and_folder(folders):
    images, labels = folders
    with pytest.raises(UserError, match="give two files or two folders"):
        pair_paths(images / "a.ome.tif", labels)
    assert pair_paths(images / "a.ome.tif", labels / "b.png") == [(images / "a.ome.tif", labels / "b.png")]


def test_labels_take_the_axes_of_their_image(tmp_path):
    tifffile.imwrite(tmp_path / "i.tif", np.zeros((6, 2, 20, 20), np.uint8))
    tifffile.imwrite(tmp_path / "l.tif", np.zeros((6, 20, 20), np.uint8))
    [(image, labels)] = pair_images(tmp_path / "i.tif", tmp_path / "l.tif", "TCYX")
    assert (image.axes, labels.axes) == ("TCYX", "TYX")
