import itertools

import numpy as np
import pytest

from napari_unet.arrays.axes import Image
from napari_unet.engine.keys import decode_key
from napari_unet.engine.messages import OutputInfo
from napari_unet.engine.remote import ReadError, RemoteArray, RemoteOutput


class Local:
    def __init__(self, array):
        self.array = array
        self.reads = 0

    def read(self, number, key):
        self.reads += 1
        return self.array[decode_key(key)]


def test_an_image_reads_the_same_through_a_remote_array():
    data = np.random.default_rng(0).integers(0, 9, (2, 4, 6, 7, 3)).astype(">u2")
    remote = RemoteArray(Local(data), 1, data.shape, data.dtype.str)
    here, there = Image(data, "TZYXS"), Image(remote, "TZYXS")
    np.testing.assert_array_equal(here.read(1, slice(1, 3), slice(2, 5)), there.read(1, slice(1, 3), slice(2, 5)))
    np.testing.assert_array_equal(np.asarray(remote), data)
    assert np.asarray(remote, float).dtype == float


def test_an_array_that_shrank_is_told():
    remote = RemoteArray(Local(np.zeros((4, 5))), 1, (6, 5), "<f8", "cells.tif")
    with pytest.raises(ReadError, match=r"cells.tif has changed .* \(6, 5\), got \(4, 5\)"):
        remote[:]


def test_blocks_put_together_give_the_output():
    result = np.zeros((3, 8, 8), np.int32)
    info = OutputInfo(output="cells", shape=result.shape, dtype="<i4")
    output = RemoteOutput(lambda report, array: result.__setitem__(decode_key(report.key), array), info)
    expected = np.zeros_like(result)
    for z, y in itertools.product(range(3), (0, 4)):
        block = np.arange(32, dtype=np.uint8).reshape(4, 8) + z
        output[z, y : y + 4] = expected[z, y : y + 4] = block
    output[..., -1] = expected[..., -1] = 7
    np.testing.assert_array_equal(result, expected)
