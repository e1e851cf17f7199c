import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from napari_unet.arrays.axes import Image, check_axes, guess_axes
from napari_unet.errors import UserError


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((64, 64), "YX"),
        ((20, 512, 512), "ZYX"),
        ((256, 320, 3), "YXS"),
        ((5, 8, 3), "ZYX"),  # too small for a colour picture
        ((34, 2, 196, 171), "ZCYX"),
        ((40, 30, 64, 64), "TZYX"),
        ((2, 3, 4, 64, 64), "TCZYX"),
    ],
)
def test_guess(shape, axes):
    assert guess_axes(shape) == axes


@pytest.mark.parametrize("shape", [(5,), (1, 1, 1, 1, 5, 5)])
def test_guess_refuses(shape):
    with pytest.raises(UserError, match="2 to 5 axes"):
        guess_axes(shape)


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("ZQX", "unknown axis letter Q"),
        ("ZYY", "twice"),
        ("TZX", "lack Y or X"),
        ("YX", "name 2 axes"),
        ("CYXS", "twice"),
    ],
)
def test_check_refuses(axes, message):
    with pytest.raises(UserError, match=message):
        check_axes(axes, (3, 4, 5))


@given(order=st.permutations("TCZYX"))
def test_read_gives_the_same_whatever_the_order(order):
    truth = np.arange(2 * 3 * 4 * 5 * 6).reshape(2, 3, 4, 5, 6)
    axes = "".join(order)
    image = Image(truth.transpose(["TCZYX".index(a) for a in axes]), axes)
    assert image.shape == truth.shape
    np.testing.assert_array_equal(image.read(1, slice(1, 3), slice(0, 4), slice(2, 5)), truth[1, :, 1:3, 0:4, 2:5])


def variants(plain):
    """The same values in every kind of array that a layer may hold (FAULTS 17)."""
    stored = zarr.create_array({}, shape=plain.shape, dtype=plain.dtype, chunks=(2, 5, 5))
    stored[:] = plain
    read_only = plain.copy()
    read_only.flags.writeable = False
    return {
        "strided": np.repeat(plain, 2, axis=2)[:, :, ::2],
        "negative": plain[::-1, ::-1].copy()[::-1, ::-1],
        "big-endian": plain.astype(">u2"),
        "read-only": read_only,
        "fortran": np.asfortranarray(plain),
        "dask": da.from_array(plain, chunks=(1, 4, 4)),
        "zarr": stored,
    }


@pytest.mark.parametrize("kind", ["strided", "negative", "big-endian", "read-only", "fortran", "dask", "zarr"])
def test_every_kind_of_array_reads_the_same(kind):
    plain = np.random.default_rng(0).integers(0, 60000, (4, 9, 11)).astype(np.uint16)
    block = Image(variants(plain)[kind], "ZYX").read(0, slice(1, 3), slice(2, 9))
    np.testing.assert_array_equal(block[0], plain[1:3, 2:9])
    assert block.dtype == np.uint16
    assert block.dtype.isnative


def test_result_index_selects_the_plane():
    image = Image(np.zeros((2, 3, 4, 5, 6)), "TCZYX")
    labels = np.zeros(image.result_shape)
    labels[image.result_index(1, 2, slice(0, 2))] = 1
    assert labels.shape == (2, 4, 5, 6)
    assert labels[1, 2, :2].all()
    assert labels.sum() == 12


def test_empty_image_is_refused():
    with pytest.raises(UserError, match="empty"):
        Image(np.zeros((0, 5)), "YX")


def test_alpha_is_no_channel():
    image = Image(np.zeros((32, 32, 4), np.uint8), "YXS")
    assert image.size("C") == 3
    assert image.read().shape == (3, 1, 32, 32)
    assert guess_axes((20, 512, 512, 3)) == "ZYXS"
