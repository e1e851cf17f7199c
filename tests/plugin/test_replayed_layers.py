"""What the window makes of layers of real files can be made again from those files."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Image as ImageLayer
from napari.layers import Labels
from napari.layers._source import layer_source
from napari_builtins.io import napari_get_reader

from cli_tools import run
from napari_unet.engine import messages as m
from napari_unet.engine.recording import record_of
from napari_unet.jobs import Model, load, prediction
from napari_unet.jobs.replaying import plan_replay
from napari_unet.learn.start import shipped
from napari_unet.plugin.layers import image_of
from napari_unet.plugin.provenance import made_of
from napari_unet.spec import CellSpec, Exporting, Measuring, Predicting, Record, TilingSpec
from napari_unet.storage.held import with_true_file
from napari_unet.storage.opened import file_of
from napari_unet.storage.read import open_image, read_whole
from napari_unet.storage.records import as_creator, facts_of, new_record, require_record
from napari_unet.storage.samples import load_sample
from napari_unet.storage.write import create_output

TILING = TilingSpec(threads=1, device="cpu")
GREY = load_sample("nuclei-2").image[:96, :112]
CALIBRATED = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}


def opened(path: Path) -> ImageLayer:
    """The layer that napari's own reader makes of a file."""
    reader = napari_get_reader(str(path))
    assert reader is not None
    (data,) = reader(str(path))
    with layer_source(path=str(path)):
        return ImageLayer(data[0], **(data[1] if len(data) > 1 else {}))


def channel_of(path: Path, channel: int) -> ImageLayer:
    """The layer of one channel, as readers that split channels make it."""
    with layer_source(path=str(path)):
        return ImageLayer(tifffile.imread(path)[channel], name="one channel")


class Bench:
    """Segments layers as the engine does, and replays what came of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        Model(shipped()).save(folder / "model.safetensors")
        self.model = load(folder / "model.safetensors")

    def segment(self, layer: ImageLayer) -> Record:
        image = image_of(layer)
        ref = m.ImageRef(
            array=1, shape=image.data.shape, dtype="|u1", axes=image.axes, spacing=image.spacing, name="a"
        )
        order = m.Predict(image=ref, outputs=("cells",), cells=CellSpec(), tiling=TILING)
        record = record_of(self.model, image, order, TILING)
        assert record is not None
        shape: Any = image.result_shape
        creator = as_creator(record)
        with create_output(
            self.folder / "cells.tif", shape, np.int32, image.result_axes, image.spacing, creator=creator
        ) as file:
            cells = np.zeros(shape, np.int32)
            events = prediction(self.model, image, {"cells": cells}, tiling=TILING, cells=CellSpec())
            deque(events, maxlen=0)
            file[...] = cells
        return record

    def replay(self, *more: object) -> Any:
        again = self.folder / "again.tif"
        return run("replay", self.folder / "cells.tif", "-o", again, *more)

    def is_the_same(self) -> bool:
        first, second = (read_whole(open_image(self.folder / f"{n}.tif")) for n in ("cells", "again"))
        assert first.max() > 2
        return np.array_equal(first, second)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_calibrated_file_is_replayed_whatever_the_scale_of_its_layer(bench: Bench, scale: float) -> None:
    path = bench.folder / "a.ome.tif"
    tifffile.imwrite(path, GREY, metadata={"axes": "YX", **CALIBRATED})
    assert open_image(path).spacing[1:] == (0.5, 0.5)
    layer = opened(path)
    assert layer.scale.tolist() == [1, 1]  # napari's reader tells none
    layer.scale = (scale, scale)
    assert bench.segment(layer).source.path == str(path)
    done = bench.replay()
    assert done.exit_code == 0, done.output
    assert bench.is_the_same()
    told = f"has voxels of (0.5, 0.5) (Y, X), those of the record are ({scale}, {scale})"
    assert (told in done.output) == (scale != 0.5)


def test_stretched_pixels_are_refused_as_they_change_the_cells(bench: Bench) -> None:
    path = bench.folder / "a.ome.tif"
    tifffile.imwrite(path, GREY, metadata={"axes": "YX", **CALIBRATED})
    layer = opened(path)
    layer.scale = (2.0, 0.5)
    bench.segment(layer)
    refused = bench.replay()
    assert refused.exit_code == 1
    assert "those of the record are (2.0, 0.5); give the right one with --image" in refused.stderr


@pytest.mark.parametrize("channel", [0, 1])
def test_one_channel_of_a_file_is_found_in_it(bench: Bench, channel: int) -> None:
    path = bench.folder / "two.ome.tif"
    tifffile.imwrite(path, np.stack([GREY, GREY[::-1]]), metadata={"axes": "CYX", **CALIBRATED})
    record = bench.segment(channel_of(path, channel))
    assert isinstance(record.settings, Predicting)
    assert (record.settings.channel, record.settings.axes) == (channel, "CYX")
    assert (record.source.path, record.source.shape) == (str(path), (1, *GREY.shape))
    assert f"--channel {channel}" in " ".join(record.command_line)
    done = bench.replay()
    assert done.exit_code == 0, done.output
    assert bench.is_the_same()
    assert require_record(bench.folder / "again.tif").source.fingerprint == record.source.fingerprint


def test_what_is_in_no_file_names_none(bench: Bench) -> None:
    path = bench.folder / "a.tif"
    tifffile.imwrite(path, GREY)
    layer = opened(path)
    layer.data = layer.data[:90] + 1
    assert bench.segment(layer).source.path is None
    assert "was in no file: save it, and name the file with --image" in bench.replay().stderr
    tifffile.imwrite(bench.folder / "b.tif", layer.data)
    done = bench.replay("--image", bench.folder / "b.tif")
    assert done.exit_code == 0, done.output
    assert bench.is_the_same()


def test_a_training_of_one_channel_names_no_file(tmp_path: Path) -> None:
    path = tmp_path / "two.tif"
    tifffile.imwrite(path, np.stack([GREY, GREY[::-1]]), metadata={"axes": "CYX"}, imagej=True)
    assert file_of(with_true_file(image_of(channel_of(path, 1)))) is None
    tifffile.imwrite(tmp_path / "one.tif", GREY)
    assert file_of(with_true_file(image_of(opened(tmp_path / "one.tif")))) == tmp_path / "one.tif"


def test_what_is_made_of_a_layer_knows_its_voxels_and_its_file(tmp_path: Path) -> None:
    path, cells = tmp_path / "cells.ome.tif", load_sample("nuclei-3d").labels[8:12, :40, :50].astype(np.int32)
    tifffile.imwrite(path, cells, metadata={"axes": "ZYX", **CALIBRATED, "PhysicalSizeZ": 2.0})
    with layer_source(path=str(path)):
        layer = Labels(cells, scale=(2, 0.5, 0.5), units=("micrometer",) * 3)
    settings = Measuring(per_slice=False)
    record = made_of(layer, "ZYX", settings, None)
    assert (record.source.spacing, record.source.path) == ((2.0, 0.5, 0.5), str(path))
    plan = plan_replay(record, tmp_path / "a.csv", tmp_path / "again.csv")
    assert (plan.differences, plan.notes) == ((), ())
    layer.scale = (1, 1, 1)
    unscaled = plan_replay(made_of(layer, "ZYX", settings, None), tmp_path / "a.csv", tmp_path / "again.csv")
    assert "those of the record are (1.0, 1.0, 1.0)" in unscaled.differences[0]
    exporting = Exporting(kind="cells")
    exported = plan_replay(made_of(layer, "ZYX", exporting, None), tmp_path / "a.tif", tmp_path / "again.tif")
    assert exported.differences == ()
    assert "they change no pixel" in exported.notes[0]


def test_measured_pixels_that_were_told_need_no_file_to_tell_them(tmp_path: Path) -> None:
    path, grey = tmp_path / "cells.tif", tmp_path / "grey.ome.tif"
    tifffile.imwrite(path, load_sample("nuclei-2").labels[:96, :112].astype(np.int32))
    tifffile.imwrite(grey, GREY, metadata={"axes": "YX", **CALIBRATED})
    told = facts_of(open_image(grey)).model_copy(update={"spacing": (1.0, 1.0, 1.0)})
    for spacing, count in (((1.0, 2.0, 2.0), 0), (None, 1)):
        settings = Measuring(per_slice=True, image=told, spacing=spacing)
        record = new_record(settings, facts_of(open_image(path)))
        plan = plan_replay(record, tmp_path / "a.csv", tmp_path / "again.csv")
        assert len(plan.differences) == count
    assert "give the right one with --grey" in plan.differences[0]
