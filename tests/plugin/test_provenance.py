"""Layers know how they were made, and keep it when they are saved; what is saved can be made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from cli_tools import run
from napari_unet.arrays.region import Region
from napari_unet.engine import messages as m
from napari_unet.engine.recording import record_of as record_of_order
from napari_unet.events import BlockDone
from napari_unet.jobs import Model, load, prediction
from napari_unet.learn.start import shipped
from napari_unet.plugin import saving
from napari_unet.plugin.cells.accepted import accepted_in
from napari_unet.plugin.provenance import (
    ACCEPTED,
    CANCELLED,
    EDITED,
    IN_STEPS,
    LARGER,
    REMADE,
    record_of,
)
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.spec import CellSpec, Output, Predicting, Record, TilingSpec
from napari_unet.storage.opened import FileImage
from napari_unet.storage.read import open_image, read_whole
from napari_unet.storage.records import require_record
from napari_unet.storage.samples import load_sample
from plugin_tools import Desk, a_block, an_output, result

SHAPE = (4, 40, 50)
CELLS = CellSpec(method="watershed", beta=0.4, min_size=9)
TILING = TilingSpec(threads=1, device="cpu")
FORMATS = [".tif", ".ome.tif", ".zarr", ".ome.zarr"]


def order_of(image: FileImage, cells: CellSpec, region: Region | None) -> m.Predict:
    ref = m.ImageRef(
        array=1, shape=image.data.shape, dtype="|u1", axes=image.axes, spacing=image.spacing, name="a"
    )
    return m.Predict(image=ref, outputs=("cells", "probabilities"), cells=cells, tiling=TILING, region=region)


class Window:
    """The window's logic, with a real model in place of the engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tifffile.imwrite(
            folder / "stack.tif", load_sample("nuclei-3d").image[8:12, :40, :50], photometric="minisblack"
        )
        Model(shipped()).save(folder / "model.safetensors")
        self.model = load(folder / "model.safetensors")
        self.image = open_image(folder / "stack.tif")
        self.desk = Desk(folder)
        self.desk.engine.model = m.ModelInfo(classes=self.model.classes, net=self.model.spec.net)
        self.desk.engine.state = "predicting"
        self.desk.viewer.layers["stack"].data = self.image.data

    def segment(
        self,
        scope: Any = "stack",
        outputs: tuple[Output, ...] = ("cells",),
        cells: CellSpec = CELLS,
        outcome: str = "finished",
    ) -> None:
        """Press Segment, and let the model do what the engine would."""
        c = self.desk.controller
        request = SegmentRequest(scope, outputs, cells=cells)
        c.want(request)
        c.segment(request)
        region: Region = self.desk.engine.last("predict")["region"]
        self.desk.engine.record = record_of_order(
            self.model, self.image, order_of(self.image, cells, region), TILING
        )
        kinds = {"cells": "int32", "probabilities": "uint8"}
        classes = len(self.model.classes)
        arrays = {o: np.zeros((classes, *SHAPE) if o == "probabilities" else SHAPE, kinds[o]) for o in outputs}
        c.on_outputs(tuple(an_output(o, a.shape, kinds[o]) for o, a in arrays.items()))
        for event in prediction(self.model, self.image, arrays, tiling=TILING, cells=cells, region=region):
            if isinstance(event, BlockDone):
                c.on_event(event)
        for output, array in arrays.items():
            lead = (slice(None),) if output == "probabilities" else ()
            at = (*lead, *region.slices[1:])
            c.on_block(a_block(output, at, array[at]))
        c.on_job_finished(result("predict", outcome))

    def save(self, ending: str = ".ome.tif") -> Path:
        """Save as the window does, in this thread; returns the file of the cells."""
        pieces = self.desk.controller.pieces()
        paths = [self.folder / f"{piece.output}{ending}" for piece in pieces]
        for item in self.desk.controller.segmenting.describe(pieces, paths):
            saving.write(item, lambda _: None)
        return self.folder / f"cells{ending}"

    @property
    def record(self) -> Record:
        found = record_of(self.desk.viewer.layers["cells"])
        assert found is not None
        return found


@pytest.fixture
def window(tmp_path: Path) -> Window:
    return Window(tmp_path)


@pytest.mark.parametrize("ending", FORMATS)
def test_what_the_window_saves_can_be_made_again(window: Window, ending: str) -> None:
    window.segment()
    saved = window.save(ending)
    record = require_record(saved)
    assert record.settings == Predicting(output="cells", tiling=TILING, cells=CELLS, axes="ZYX")
    assert record.model == window.model.facts
    assert (record.source.path, record.not_repeated) == (str(window.folder / "stack.tif"), ())
    again = window.folder / f"again{ending}"
    done = run("replay", str(saved), "-o", str(again))
    assert done.exit_code == 0, done.output
    found = read_whole(open_image(saved))
    assert found.max() > 2
    assert np.array_equal(read_whole(open_image(again)), found)


def test_every_output_has_its_own_record(window: Window) -> None:
    window.segment(outputs=("cells", "probabilities"))
    window.save()
    record = require_record(window.folder / "probabilities.ome.tif")
    assert isinstance(record.settings, Predicting)
    assert record.settings.output == "probabilities"
    assert record.not_repeated == (IN_STEPS,)
    assert "probabilities" in record.command_line
    assert require_record(window.folder / "cells.ome.tif").not_repeated == ()


def test_edits_are_told(window: Window) -> None:
    window.segment()
    layer = window.desk.viewer.layers["cells"]
    layer.paint((0, 5, 5), 3)
    assert window.record.not_repeated == (EDITED,)
    accepted_in(layer).change(add=[(0, None, 3)])
    assert require_record(window.save()).not_repeated == (EDITED, ACCEPTED)


def test_edits_that_are_undone_are_not_told(window: Window) -> None:
    window.segment()
    layer = window.desk.viewer.layers["cells"]
    layer.paint((0, 5, 5), 3)
    layer.undo()
    assert window.record.not_repeated == ()


def test_cells_that_were_made_anew_tell_how(window: Window) -> None:
    window.segment()
    window.desk.controller.segmenting.note_remade(CellSpec(beta=0.7))
    record = window.record
    assert isinstance(record.settings, Predicting)
    assert record.settings.cells == CellSpec(beta=0.7)
    assert record.not_repeated == (REMADE,)
    at = record.command_line.index("--beta")
    assert record.command_line[at + 1] == "0.7"


def test_a_cancelled_segmentation_says_so(window: Window) -> None:
    window.segment(outcome="stopped")
    assert window.record.not_repeated == (CANCELLED,)


def test_parts_are_told_one_by_one(window: Window) -> None:
    window.desk.viewer.dims.set_point(0, 1)
    window.segment("slice")
    record = window.record
    assert isinstance(record.settings, Predicting)
    assert record.settings.part == (None, (1, 2), None, None)
    assert record.not_repeated == (LARGER,)
    window.desk.viewer.dims.set_point(0, 3)
    window.segment("slice")
    second = window.record
    assert isinstance(second.settings, Predicting)
    assert second.settings.part == (None, (3, 4), None, None)
    assert second.not_repeated[0] == LARGER
    assert "--z 1:2" in second.not_repeated[1]
    assert window.model.facts.sha256 in second.not_repeated[1]
