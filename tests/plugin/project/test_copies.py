"""What a project copies: what is in memory only, up to a size, and no file of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pytest
import zarr

from napari_unet.errors import UserError
from napari_unet.plugin.opening import read
from napari_unet.storage import copies
from napari_unet.storage.project import FILE, read_project
from napari_unet.storage.samples import load_sample
from project_tools import Window, paint_lazily, window_on


def test_images_in_memory_are_copied_and_label_files_are_not(tmp_path: Path) -> None:
    window = Window(tmp_path / "cache")
    pixels = load_sample("epithelium").image
    window.viewer.add_image(pixels, name="computed")
    labels = zarr.open_array(
        tmp_path / "labels.zarr", mode="w", shape=pixels.shape, chunks=(64, 64), dtype="int32"
    )
    layer = window.viewer.add_labels(labels, name="big")
    window.controller.painter.choose(layer)
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    window.controller.close()
    assert not (tmp_path / "a.unet" / "annotations").exists()
    back = Window(tmp_path / "cache")
    back.bring(tmp_path / "a.unet")
    np.testing.assert_array_equal(back.viewer.layers["computed"].data, pixels)
    back.viewer.layers["big"].data[3, 4] = 8
    assert zarr.open_array(tmp_path / "labels.zarr", mode="r")[3, 4] == 8
    back.controller.close()


def test_labels_that_nobody_paints_are_neither_read_nor_copied(
    image: Path, tmp_path: Path, lazy_labels: tuple[Path, npt.NDArray[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, labels = lazy_labels
    window = window_on(image, tmp_path / "cache")
    window.viewer.open(str(file), plugin="lazy")
    with monkeypatch.context() as patch:
        patch.setattr(da.Array, "__array__", lambda *_, **__: pytest.fail("all labels were read"))
        window.keeper._join(window.viewer.layers["masks"])
        window.keeper._now.annotation = window.keeper._now.members[-1].id
        window.wait()
        window.keeper.keep_in(tmp_path / "data" / "a")
        window.keeper._wait()
    folder = tmp_path / "data" / "a.unet"
    assert window.keeper.state == "a.unet: saved just now"
    assert not (folder / "annotations").exists()
    (kept,) = read_project(folder).annotations
    assert (kept.as_opened, kept.path, kept.reader) == (True, str(file), "lazy")
    window.controller.close()

    back = Window(tmp_path / "cache")
    back.bring(folder)
    layer = back.viewer.layers["masks"]
    assert isinstance(layer.data, da.Array)
    np.testing.assert_array_equal(layer.data, labels)
    paint_lazily(layer)
    back.wait()
    back.controller.close()
    assert not read_project(folder).annotations[0].as_opened
    assert read(str(folder))[1][0][2, 1, 1] == 9  # what was painted is in the project

    file.rename(tmp_path / "gone")
    assert len(read(str(folder))) == 2


def test_labels_whose_file_is_gone(
    image: Path, tmp_path: Path, lazy_labels: tuple[Path, npt.NDArray[Any]]
) -> None:
    file, _ = lazy_labels
    window = window_on(image, tmp_path / "cache")
    window.viewer.open(str(file), plugin="lazy")
    window.controller.painter.choose(window.viewer.layers["masks"])
    window.keeper.keep_in(tmp_path / "a")
    window.controller.close()
    folder = tmp_path / "a.unet"
    moved = file.rename(tmp_path / "moved.lazy")
    with pytest.raises(UserError, match="needs the label image 'masks', which is not there"):
        read(str(folder), where=lambda *_: None)
    assert len(read(str(folder), where=lambda *_: moved)) == 2
    facts = json.loads((folder / FILE).read_text())
    facts["annotations"][0]["dtype"] = "int32"
    (folder / FILE).write_text(json.dumps(facts))
    with pytest.raises(UserError, match="does not hold the labels 'masks'"):
        read(str(folder), where=lambda *_: moved)


def test_computed_labels_are_copied_up_to_a_size(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "LARGEST", 1000)
    window = window_on(image, tmp_path / "cache")
    shape = load_sample("nuclei-3d").image.shape
    layer = window.viewer.add_labels(da.ones(shape, dtype=np.uint8), name="computed")
    window.controller.painter.choose(layer)
    window.keeper.keep_in(tmp_path / "a")
    window.keeper._wait()
    assert "'computed' is in memory only, and too large" in window.said[-1]
    assert not read_project(tmp_path / "a.unet").annotations
    paint_lazily(layer)
    window.wait(60)
    (kept,) = read_project(tmp_path / "a.unet").annotations
    assert len(kept.blocks) == shape[0]  # strokes are never left out
    window.controller.close()


def test_too_large_an_image_in_memory_is_asked_to_be_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "LARGEST", 1000)
    window = Window(tmp_path / "cache")
    window.viewer.add_image(load_sample("epithelium").image, name="computed")
    window.paint((3, 3))
    window.keeper.keep_in(tmp_path / "a")
    assert "'computed' is in memory only, and too large to be copied: save it as a file" in window.said[-1]
    window.controller.close()
    with pytest.raises(UserError, match=r"needs the image 'computed'.*was never saved as a file"):
        read(str(tmp_path / "a.unet"), where=lambda *_: None)
