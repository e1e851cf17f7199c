"""Linking arrays and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

import napari_unet as nu
from napari_unet.errors import UserError
from napari_unet.events import CellsLinked, Finished, Note
from napari_unet.jobs import link_file, linking
from napari_unet.jobs.linking import cells_of
from napari_unet.storage.opened import FileImage
from napari_unet.storage.read import open_image
from napari_unet.storage.samples import load_sample
from napari_unet.storage.write import create_output

TRUTH = load_sample("nuclei-3d").labels


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    """The nuclei of the sample with other numbers in every slice, as a file with its voxel size."""
    with create_output(
        tmp_path / "slices.zarr", TRUTH.shape, np.int32, "ZYX", (0.58, 0.52, 0.52), unit="micrometer", cells=True
    ) as array:
        for z, plane in enumerate(TRUTH):
            array[z] = np.where(plane > 0, (plane.astype(int) * (z + 1)) % 97, 0)
    return tmp_path / "slices.zarr"


@pytest.mark.parametrize("name", ["linked.ome.zarr", "linked.tif"])
def test_a_file_becomes_another_with_its_voxel_size(slices: Path, name: str) -> None:
    target = slices.with_name(name)
    events = list(link_file(slices, target, "z"))
    assert not [e for e in events if isinstance(e, Note)]
    image = open_image(target)
    assert isinstance(image, FileImage)
    assert (image.axes, image.spacing, image.unit) == ("ZYX", (0.58, 0.52, 0.52), "micrometer")
    assert image.data.dtype == np.int32
    np.testing.assert_array_equal(image.data[:], nu.link(slices, "z"))
    assert sum(len(np.unique(plane)) - 1 for plane in TRUTH) == 232
    assert [type(e) for e in events] == [*[CellsLinked] * 30, Finished]
    assert events[-1].reason == "232 cells in 30 slices became 15 cells"
    assert [e.done for e in events[:-1]] == list(range(1, 31))


def test_cells_that_move_too_far_are_told_of(tmp_path: Path) -> None:
    one = np.where(TRUTH[14] == np.unique(TRUTH[14])[1], 1, 0)
    frames = np.stack([np.roll(one, 40 * n, axis=1) for n in range(3)])
    told = [e for e in linking(cells_of(frames, "t"), np.zeros(frames.shape, int), "t") if isinstance(e, Note)]
    assert len(told) == 1
    assert told[0].warning
    assert "of the cells, 0% are found again in the next frame" in told[0].text
    same = np.stack([TRUTH[14]] * 4)
    assert not [e for e in linking(cells_of(same, "t"), np.zeros(same.shape, int), "t") if isinstance(e, Note)]


def test_a_link_that_is_stopped_leaves_nothing(slices: Path) -> None:
    target = slices.with_name("linked.zarr")
    events = link_file(slices, target, "z")
    for _ in range(5):
        next(events)
    events.close()
    assert list(slices.parent.iterdir()) == [slices]


def test_the_array_itself_may_be_filled(tmp_path: Path) -> None:
    stored = zarr.create_array(tmp_path / "a.zarr", data=TRUTH.astype(np.int32), chunks=(1, 85, 128))
    given = TRUTH.astype(np.int32)
    new = nu.link(TRUTH)
    assert nu.link(stored, out=stored) is stored
    assert nu.link(given, "z", "ZYX", out=given) is given
    np.testing.assert_array_equal(stored[:], new)
    np.testing.assert_array_equal(given, new)
    assert new.dtype == np.int32


def test_axes_that_nobody_tells_are_those_that_linking_needs(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "guessed.tif", TRUTH)
    tifffile.imwrite(tmp_path / "told.ome.tif", TRUTH, metadata={"axes": "ZYX"})
    assert [cells_of(tmp_path / "guessed.tif", along).axes for along in ("z", "t")] == ["ZYX", "TYX"]
    assert cells_of(tmp_path / "told.ome.tif", "t").axes == "ZYX"
    assert cells_of(TRUTH[np.newaxis, :2], "z").axes == "TZYX"
    assert cells_of(TRUTH, "t", "ZYX").axes == "ZYX"


def test_what_cannot_be_written_is_said(slices: Path) -> None:
    image = open_image(slices)
    with pytest.raises(UserError, match=r"needs shape \(30, 85, 128\), has \(3, 4\)"):
        linking(image, np.zeros((3, 4), int), "z")
    with pytest.raises(UserError, match="float32, which cannot hold them"):
        linking(image, np.zeros(TRUTH.shape, np.float32), "z")
    with pytest.raises(UserError, match="is or holds the image"):
        link_file(slices, slices, "z")
    many = np.arange(2 * 20 * 20).reshape(2, 20, 20)
    with pytest.raises(UserError, match="uint8 cannot hold more than 255 cells"):
        nu.link(many, out=np.zeros(many.shape, np.uint8))


def test_a_volume_that_does_not_fit_into_memory_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_unet.storage.budget.available_memory", lambda: 2_000_000)
    stack = np.zeros((2, 40, 64, 64), np.int32)
    assert not nu.link(stack, "z").any()
    with pytest.raises(UserError, match="linking the volumes of cells needs"):
        nu.link(stack, "t")
