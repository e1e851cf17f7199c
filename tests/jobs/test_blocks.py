"""Blocks computed in any order, by any number of threads, are those of one pass."""

import time

import numpy as np
import pytest
import torch

import napari_unet as nu
from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.events import BlockDone, TileDone
from napari_unet.jobs.blocks import ArraySink, Progress, run_blocks
from napari_unet.jobs.prediction import plan_work
from napari_unet.spec import CellSpec, TilingSpec
from synthetic import classes, tissue

CPU = torch.device("cpu")
IMAGE, CELLS = tissue((3, 90, 120), 90)


@pytest.fixture(scope="module")
def model():
    return nu.train(IMAGE, classes(CELLS), steps=30, base=6, depth=2, patch=(48, 48), val_fraction=0)


def work_of(model, output="probabilities", dtype=np.float32):
    image = Image(IMAGE, "ZYX")
    tiling = TilingSpec(tile=72)
    return plan_work(model, image, {output: np.dtype(dtype)}, tiling, CellSpec(), Region.of(image), CPU)[0]


def run(work, numbers, devices=(CPU,)):
    (output,) = work.outputs
    out = np.zeros(work.model.output_shape(work.image, output), work.outputs[output])
    events = list(run_blocks(work, numbers, ArraySink(work, {output: out}, of_region=False), devices))
    return out, events


def test_any_order_gives_the_same_bits(model):
    work = work_of(model)
    numbers = list(range(len(work.plan)))
    whole, _ = run(work, numbers)
    shuffled, _ = run(work, np.random.default_rng(0).permutation(numbers).tolist())
    np.testing.assert_array_equal(shuffled, whole)
    one, _ = run(work, [5])
    box = (slice(None), *work.plan.block_at(5).slices[1:])
    np.testing.assert_array_equal(one[box], whole[box])
    one[box] = 0
    assert not one.any()


def test_the_time_left_is_told_once_it_is_worth_something(model):
    plan, now = work_of(model).plan, [0.0]
    progress = Progress(plan, range(1, len(plan)), [0], clock=lambda: now[0])
    total, told = plan.total, []
    for _ in range(total - len(plan.tiles_of(plan.block_at(0)))):
        now[0] += 1.0 if told else 30.0  # the first one takes long
        told.append(progress.tiles(1, plan.block_at(1)).seconds_left)
    assert told[:2] == [None, None]
    assert told[2:] == list(range(len(told) - 3, -1, -1))


def test_several_devices_share_the_blocks(model):
    work = work_of(model)
    numbers = list(range(len(work.plan)))
    whole, _ = run(work, numbers)
    found, events = run(work, numbers, devices=(CPU, CPU, CPU))
    np.testing.assert_array_equal(found, whole)
    blocks = [e for e in events if isinstance(e, BlockDone)]
    assert sorted(e.number for e in blocks) == numbers
    assert sorted(e.done for e in blocks) == list(range(1, len(numbers) + 1))
    assert max(e.done for e in events if isinstance(e, TileDone)) == work.plan.total


def test_an_error_on_one_device_ends_all_of_them(model):
    work = work_of(model)

    class Broken:
        def write(self, number, block, arrays, source):
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(run_blocks(work, range(len(work.plan)), Broken(), (CPU, CPU)))


class Slow:
    """Takes its time, so that blocks are written after those that come next have been computed."""

    def __init__(self):
        self.written = []

    def write(self, number, block, arrays, source):
        time.sleep(0.1)
        self.written.append(number)


@pytest.mark.parametrize("devices", [(CPU,), (CPU, CPU)])
def test_all_that_is_written_is_told_where_it_is_stopped(model, devices):
    work, sink, told = work_of(model), Slow(), []
    numbers = range(len(work.plan))
    told.extend(run_blocks(work, numbers, sink, devices, stopped=lambda: len(told) >= 3))
    assert 0 < len(sink.written) < len(numbers)
    assert sorted(e.number for e in told if isinstance(e, BlockDone)) == sorted(sink.written)


@pytest.mark.parametrize("devices", [(CPU,), (CPU, CPU)])
def test_all_that_is_written_is_told_before_an_error_is(model, monkeypatch, devices):
    work, sink, told = work_of(model), Slow(), []
    read = Image.read

    def broken(self, t, z, *box):
        if z.stop == 3:
            raise OSError("the disk is gone")
        return read(self, t, z, *box)

    monkeypatch.setattr(Image, "read", broken)

    with pytest.raises(OSError, match="the disk is gone"):
        told.extend(run_blocks(work, range(len(work.plan)), sink, devices))
    assert sink.written
    assert sorted(e.number for e in told if isinstance(e, BlockDone)) == sorted(sink.written)


def test_what_the_device_gives_is_what_numpy_makes_of_the_probabilities(model):
    probabilities, _ = run(work_of(model), range(len(work_of(model).plan)))
    for output, expected in (
        ("classes", probabilities.argmax(axis=0) + 1),
        ("boundaries", probabilities[1] >= 0.5),
        ("probabilities", np.rint(probabilities * 255)),
    ):
        work = work_of(model, output, np.uint8)
        found, _ = run(work, range(len(work.plan)))
        np.testing.assert_array_equal(found, expected)


def test_several_devices_may_write_into_chunks_that_they_share(model):
    import zarr

    work = work_of(model)
    whole, _ = run(work, range(len(work.plan)))
    out = zarr.create_array({}, shape=whole.shape, chunks=(2, 3, 90, 120), dtype=np.float32)
    sink = ArraySink(work, {"probabilities": out}, of_region=False)
    list(run_blocks(work, range(len(work.plan)), sink, (CPU, CPU, CPU)))
    np.testing.assert_array_equal(out[...], whole)


def test_a_few_cells_fit_into_a_byte(model):
    image = IMAGE[0, :15, :15]
    out = np.zeros((15, 15), np.uint8)
    list(nu.jobs.prediction(model, Image(image, "YX"), {"cells": out}))
    np.testing.assert_array_equal(out, model.cells(image))
