"""Tables of cells: equal to what brute force and scikit-image say, whatever the parts they are measured in."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage as ndi
from skimage.draw import ellipsoid
from skimage.measure import regionprops_table
from skimage.segmentation import relabel_sequential

from napari_unet.arrays.axes import Image
from napari_unet.arrays.cell_columns import Lengths
from napari_unet.arrays.measuring import finish, is_flat, measuring
from napari_unet.arrays.neighbours import contacts
from napari_unet.errors import UserError
from napari_unet.events import Note, Preparing
from napari_unet.storage.samples import load_sample

Array = npt.NDArray[Any]


def table_of(cells: Array, axes: str, image: Array | None = None, spacing: Any = (1.0, 1.0, 1.0), **options: Any):
    grey = None if image is None else Image(image, axes if image.ndim == cells.ndim else "C" + axes, spacing)
    lengths = options.pop("lengths", Lengths(spacing, "micrometer"))
    return finish(measuring(Image(cells, axes, spacing), grey, lengths=lengths, **options))


def by_scikit_image(cells: Array, image: Array, spacing: tuple[float, ...], *more: str) -> dict[str, Array]:
    properties = (
        "label area num_pixels bbox centroid equivalent_diameter_area extent intensity_mean intensity_min "
        "intensity_max intensity_std axis_major_length"
    )
    found: dict[str, Array] = regionprops_table(
        cells, image, properties=[*properties.split(), *more], spacing=spacing
    )
    return found


PAIRS = {
    "equivalent_diameter_um": "equivalent_diameter_area",
    "extent": "extent",
    "intensity_mean": "intensity_mean",
    "intensity_std": "intensity_std",
    "intensity_min": "intensity_min",
    "intensity_max": "intensity_max",
    "major_axis_um": "axis_major_length",
}


@pytest.mark.parametrize("name", ["nuclei-5", "epithelium"])
def test_a_plane_is_measured_as_scikit_image_does(name: str) -> None:
    data = load_sample(name)
    spacing = (1.0, 0.25, 0.25)
    table = table_of(data.labels, "YX", data.image, spacing)
    more = ("perimeter", "solidity", "eccentricity", "axis_minor_length")
    theirs = by_scikit_image(data.labels.astype(int), data.image, spacing[1:], *more)
    pairs = PAIRS | {"minor_axis_um": "axis_minor_length", "perimeter_um": "perimeter", "area_um2": "area"}
    for ours, other in (pairs | {"solidity": "solidity", "eccentricity": "eccentricity"}).items():
        np.testing.assert_allclose(table[ours], theirs[other], rtol=1e-6, atol=1e-6, err_msg=ours)
    np.testing.assert_array_equal(table["label"], theirs["label"])
    np.testing.assert_array_equal(table["pixels"], np.bincount(data.labels.ravel())[table["label"]])
    np.testing.assert_allclose(table["x_um"], theirs["centroid-1"])
    np.testing.assert_allclose(table["x_px"], theirs["centroid-1"] / 0.25)
    np.testing.assert_array_equal(table["y_first_px"], theirs["bbox-0"])
    np.testing.assert_array_equal(table["x_last_px"] + 1, theirs["bbox-3"])
    edge = np.unique(np.concatenate([data.labels[[0, -1]].ravel(), data.labels[:, [0, -1]].ravel()]))
    assert set(table["label"][table["touches_border"]]) == set(edge) - {0}


def test_a_volume_of_long_voxels_is_measured_as_scikit_image_does() -> None:
    data = load_sample("nuclei-3d")
    assert data.spacing[0] != data.spacing[1]
    table = table_of(data.labels, "ZYX", data.image, data.spacing)
    theirs = by_scikit_image(data.labels.astype(int), data.image, data.spacing, "solidity")
    for ours, other in (
        PAIRS | {"solidity": "solidity", "volume_um3": "area", "voxels": "num_pixels", "z_um": "centroid-0"}
    ).items():
        np.testing.assert_allclose(table[ours], theirs[other], rtol=1e-9, err_msg=ours)
    np.testing.assert_array_equal(table["z_first_px"], theirs["bbox-0"])
    assert table["surface_um2"].gt(4.8 * table["volume_um3"] ** (2 / 3)).all()  # a sphere has the least


def test_an_ellipsoid_has_the_size_that_it_has() -> None:
    """Semi-axes of 12, 8 and 6 micrometres in voxels of 1.5 x 0.5 x 0.5 micrometres."""
    spacing = (1.5, 0.5, 0.5)
    cell = ellipsoid(12, 8, 6, spacing=spacing).astype(np.uint8)
    table = table_of(cell, "ZYX", spacing=spacing)
    volume = 4 / 3 * np.pi * 12 * 8 * 6
    np.testing.assert_allclose(table["volume_um3"], volume, rtol=0.02)
    np.testing.assert_allclose(table["major_axis_um"], 24, rtol=0.02)
    np.testing.assert_allclose(table["minor_axis_um"], 12, rtol=0.02)
    p = 1.6075  # Knud Thomsen's formula
    surface = 4 * np.pi * (((12 * 8) ** p + (12 * 6) ** p + (8 * 6) ** p) / 3) ** (1 / p)
    np.testing.assert_allclose(table["surface_um2"], surface, rtol=0.12)
    assert 0.9 < table["solidity"][0] <= 1


def brute_contacts(labels: Array) -> list[list[int]]:
    pairs = set()
    for value in np.unique(labels[labels != 0]):
        around = ndi.binary_dilation(labels == value, np.ones((5,) * labels.ndim))
        pairs |= {(min(value, o), max(value, o)) for o in np.unique(labels[around]) if o not in (0, value)}
    return [list(map(int, p)) for p in sorted(pairs)]


label_images = st.sampled_from([(9, 11), (4, 6, 7), (1, 9), (1, 1, 5)]).flatmap(
    lambda shape: st.tuples(st.just(shape), st.integers(0, 2**32 - 1), st.sampled_from([2, 5, 40]), st.booleans())
)


def drawn(shape: tuple[int, ...], seed: int, most: int, far: bool) -> Array:
    """Draw cells: specks and blocks, many gaps; ids may be huge."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, most, shape)
    labels = labels.repeat(2, axis=-1)[..., : shape[-1]] * (random.random(shape) < 0.7)
    return np.where(labels > 0, labels + (2**40 if far else 0), 0)


@given(label_images)
def test_neighbours_are_those_of_brute_force(case: Any) -> None:
    labels = drawn(*case)
    assert contacts(labels).tolist() == brute_contacts(labels)


def test_neighbours_across_lines_of_the_epithelium() -> None:
    labels = load_sample("epithelium").labels
    table = table_of(labels, "YX")
    told = sorted(
        [a, int(b)]
        for a, near in zip(table["label"], table["neighbour_ids"], strict=True)
        for b in near.split()
        if a < int(b)
    )
    assert told == brute_contacts(labels)
    assert (table["neighbours"] == table["neighbour_ids"].str.split().str.len()).all()


@given(label_images, st.integers(1, 60), st.sampled_from([1, 30, 10**9]))
def test_parts_of_any_thickness_tell_what_the_whole_tells(case: Any, piece: int, read: int) -> None:
    labels = drawn(*case)
    axes = "ZYX"[-labels.ndim :]
    image = np.random.default_rng(case[1]).integers(0, 2**16, (2, *labels.shape)).astype(np.uint16)
    whole = table_of(labels, axes, image, (3.0, 0.5, 0.7))
    parts = table_of(labels, axes, image, (3.0, 0.5, 0.7), piece=piece, read=read)
    of_boxes = ["solidity", *(c for c in whole.columns if c.startswith(("perimeter", "surface")))]
    pd.testing.assert_frame_equal(parts.drop(columns=of_boxes), whole.drop(columns=of_boxes), check_exact=True)
    measured = parts[of_boxes].notna().all(axis=1)
    pd.testing.assert_frame_equal(parts[measured][of_boxes], whole[measured][of_boxes])
    assert read < 10**9 or measured.sum() == whole[of_boxes].notna().all(axis=1).sum()


def test_a_stack_on_disk_is_measured_like_one_in_memory(tmp_path: Any) -> None:
    data = load_sample("nuclei-3d")
    stored = zarr.create_array(tmp_path / "a.zarr", data=data.labels, chunks=(8, 32, 32))
    whole = table_of(data.labels, "ZYX", data.image, data.spacing)
    for cells, image in ((stored, data.image), (da.from_array(data.labels, chunks=16), da.from_array(data.image))):
        parts = table_of(cells, "ZYX", image, data.spacing, piece=1000, read=20_000)
        exact = [c for c in whole.columns if not c.startswith(("solidity", "surface"))]
        pd.testing.assert_frame_equal(parts[exact], whole[exact], check_exact=True)
        there = parts["solidity"].notna()
        assert there.any()
        pd.testing.assert_frame_equal(parts[there], whole[there])


def test_cells_without_extent_are_measured_without_warnings() -> None:
    """Single pixels, lines, diagonals: warnings are errors in this test."""
    plane = np.zeros((9, 12), np.uint16)
    plane[0, 0], plane[2, 1:5] = 1, 2
    plane[[4, 5, 6], [4, 5, 6]] = 3
    table = table_of(plane, "YX", plane * 1.5).set_index("label")
    assert np.isnan(table.loc[1, "eccentricity"])
    assert table.loc[1, "major_axis_um"] == table.loc[2, "minor_axis_um"] == table.loc[3, "minor_axis_um"] == 0
    assert table.loc[2, "eccentricity"] == table.loc[3, "eccentricity"] == 1
    assert (table["solidity"] == 1).all()
    volume = np.stack([plane, np.zeros_like(plane)])
    table = table_of(volume, "ZYX").set_index("label")
    assert table.loc[1, "solidity"] == table.loc[2, "solidity"] == 1
    assert (table["minor_axis_um"] == 0).all()


def test_slices_that_are_numbered_anew_are_measured_one_by_one() -> None:
    plane = load_sample("nuclei-2").labels
    stack = np.stack([plane, np.flip(plane), plane.T])
    assert is_flat(Image(stack, "ZYX"))
    table = table_of(stack, "ZYX")
    assert list(table.columns[:3]) == ["label", "z", "area_um2"]
    for z, one in enumerate(stack):
        alone = table_of(one, "YX")
        part = table[table["z"] == z].drop(columns="z").reset_index(drop=True)
        pd.testing.assert_frame_equal(part, alone)
    through = table_of(stack, "ZYX", flat=False)
    assert "volume_um3" in through
    assert len(through) == len(np.unique(stack)) - 1


def test_slices_of_a_tissue_are_told_from_a_volume() -> None:
    """Its cells lie side by side in the same order, so that the same number often lies above itself."""
    tissue = load_sample("epithelium").labels
    through = np.stack([tissue[2 * i : 2 * i + 120] for i in range(6)])
    by_slice = np.stack([relabel_sequential(plane)[0] for plane in through])
    same = sum(len(np.unique(a[(a == b) & (a > 0)])) for a, b in pairwise(by_slice))
    assert same > 0.75 * sum(plane.max() for plane in by_slice[1:])
    assert is_flat(Image(by_slice, "ZYX"))
    assert not is_flat(Image(through, "ZYX"))


def test_what_is_not_measured_of_flat_pixels_is_told() -> None:
    notes = []
    cells = Image(load_sample("nuclei-2").labels, "YX", (1.0, 0.5, 0.2))
    table = finish(measuring(cells, lengths=Lengths(cells.spacing, "micrometer")), notes.append)
    assert table["perimeter_um"].isna().all()
    assert any("square pixels" in note.text for note in notes if isinstance(note, Note))


def test_every_time_is_measured_for_itself() -> None:
    labels = load_sample("nuclei-3d").labels[10:20]
    film = np.stack([labels, labels[:, ::-1]])
    table = table_of(film, "TZYX", flat=False)
    assert table["t"].value_counts().to_dict() == dict.fromkeys((0, 1), len(np.unique(labels)) - 1)
    pd.testing.assert_series_equal(*(table[table["t"] == t]["volume_um3"].reset_index(drop=True) for t in (0, 1)))


def test_no_cells_give_a_table_without_rows() -> None:
    table = table_of(np.zeros((4, 5, 6), np.int32), "ZYX", np.ones((2, 4, 5, 6), np.float32), flat=False)
    assert len(table) == 0
    assert {"label", "volume_um3", "solidity", "channel2_max"} <= set(table.columns)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_cell_with_a_pixel_that_is_not_a_number_has_no_grey_values_and_the_others_have() -> None:
    cells, grey = np.repeat([[1, 2]], 4, axis=0), np.arange(8.0).reshape(4, 2)
    grey[1, 0] = np.nan
    table = finish(measuring(Image(cells, "YX"), Image(grey, "YX"), piece=2))
    columns = [f"intensity_{what}" for what in ("mean", "std", "min", "max")]
    assert table.loc[0, columns].isna().all()
    assert table.loc[1, columns].tolist() == [4.0, grey[:, 1].std(), 1.0, 7.0]


def test_progress_is_told_and_large_cells_are_told() -> None:
    data = load_sample("nuclei-3d")
    events = measuring(Image(data.labels, "ZYX"), piece=50_000, read=2000)
    seen = list(events)
    done = [e.done for e in seen if isinstance(e, Preparing)]
    assert done == sorted(done)
    assert done[-1] == len(data.labels) == seen[0].total  # type: ignore[union-attr]
    assert isinstance(seen[-1], Note)
    assert "too large" in seen[-1].text


@pytest.mark.parametrize(
    ("cells", "axes", "image", "said"),
    [
        (np.ones((4, 4), np.float32), "YX", None, "whole number for every pixel"),
        (np.ones((2, 4, 4), np.uint8), "CYX", None, "along CYX"),
        (np.ones((4, 4), np.uint8), "YX", np.ones((4, 5)), r"have to be the same"),
    ],
)
def test_what_does_not_fit_is_refused(cells: Array, axes: str, image: Array | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        table_of(cells, axes, image)
