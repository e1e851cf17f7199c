import dask.array as da
import numpy as np
import pytest
import zarr

from napari_unet.arrays.axes import Image
from napari_unet.engine.keys import encode_key
from napari_unet.engine.messages import ReadAnswer, ReadFailure, ReadRequest
from napari_unet.engine.serving import ArrayServer, check_image
from napari_unet.errors import UserError

DATA = np.random.default_rng(0).integers(0, 2**16, (5, 32, 24)).astype(np.uint16)


def as_zarr(folder):
    array = zarr.create_array(folder / "a.zarr", shape=DATA.shape, chunks=(1, 16, 16), dtype=DATA.dtype)
    array[:] = DATA
    return array


def as_memmap(folder):
    array = np.memmap(folder / "a.raw", ">u2", "w+", shape=DATA.shape)
    array[:] = DATA
    return array


def read_only(folder):
    array = DATA.copy()
    array.flags.writeable = False
    return array


KINDS = {
    "numpy": lambda folder: DATA,
    "negative strides": lambda folder: DATA[::-1, :, ::-1].copy()[::-1, :, ::-1],
    "read-only": read_only,
    "big-endian memmap": as_memmap,
    "dask": lambda folder: da.from_array(DATA, chunks=(2, 16, 16)),
    "zarr": as_zarr,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", [np.s_[3], np.s_[1:4, 5:9, 20:], np.s_[...]])
def test_all_kinds_of_arrays_give_the_same_elements(kind, key, tmp_path):
    server = ArrayServer()
    ref = server.lend(Image(KINDS[kind](tmp_path), "ZYX"))
    answer, array = server.look_up(ReadRequest(request=7, array=ref.array, key=encode_key(key, 3)))
    assert answer == ReadAnswer(request=7)
    np.testing.assert_array_equal(array, DATA[key])


class Failing:
    shape, dtype = (4, 64, 64), np.dtype(np.uint8)

    def __init__(self, failures):
        self.failures = failures
        self.reads = 0

    def __getitem__(self, key):
        self.reads += 1
        if self.reads <= self.failures:
            raise OSError(5, "Input/output error")
        return np.zeros(self.shape, self.dtype)[key]


REQUEST = ReadRequest(request=1, array=1, key=encode_key(np.s_[2, 0:32], 3))


def test_a_read_that_fails_once_is_repeated():
    server = ArrayServer()
    server.lend(Image(Failing(1), "ZYX"))
    assert server.look_up(REQUEST)[1].shape == (32, 64)


def test_a_read_that_fails_twice_names_the_block():
    server = ArrayServer()
    server.lend(Image(Failing(9), "ZYX", name="brain.zarr"))
    answer, array = server.look_up(REQUEST)
    assert array is None
    assert answer == ReadFailure(
        request=1,
        message="could not read brain.zarr at [2, 0:32, :] (tried twice): OSError: [Errno 5] Input/output error",
    )


def test_lent_arrays_are_let_go(image):
    server = ArrayServer()
    ref = server.lend(image)
    assert len(server) == 1
    server.take_back(ref, ref)
    assert len(server) == 0


def test_arrays_without_numbers_are_refused():
    with pytest.raises(UserError, match="words holds object; an image holds numbers"):
        check_image(Image(np.array([["a"]], object), "YX", name="words"))
