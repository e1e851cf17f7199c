"""Where results are kept and how they become layers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer

from napari_unet.arrays.region import Region
from napari_unet.errors import UserError
from napari_unet.plugin.layers import Geometry
from napari_unet.plugin.probabilities import Probabilities
from napari_unet.plugin.results import Results, Store, Wanted
from napari_unet.spec import BOUNDARY, CELL, CellSpec

PLACE = Geometry("ZYX", (3, 16, 20), {"scale": (2.0, 1.0, 1.0), "translate": (0.0, 0.0, 0.0)})


def test_results_on_disk_that_a_killed_napari_left_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import os; from napari_unet.plugin.layers import Geometry; from napari_unet.plugin.results import Store;"
        "Store(1, 1).array(Geometry('YX', (9, 9), {}), 'u1'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)}, check=False)
    (left,) = tmp_path.iterdir()
    array = Store(1, 1).array(PLACE, np.uint8)
    array[...] = 1
    (mine,) = tmp_path.iterdir()
    assert mine != left


def test_small_results_are_in_memory_and_large_ones_on_disk() -> None:
    assert isinstance(Store().array(PLACE, np.uint8), np.ndarray)
    array = Store(100, 100).array(PLACE, np.int32)
    assert type(array).__module__.startswith("zarr")
    assert isinstance(Store().array(Geometry("YX", (2**14, 2**14), {}), np.uint8), np.ndarray)
    assert not isinstance(Store().array(Geometry("ZYX", (65, 1024, 1024), {}), np.uint8), np.ndarray)
    assert (array.shape, array.dtype, array.chunks) == ((3, 16, 20), np.int32, (1, 16, 20))
    assert not array[:].any()


def test_a_result_that_does_not_fit_on_the_disk_is_refused() -> None:
    huge = Geometry("ZYX", (10**6, 10**6, 10**6), {})
    with pytest.raises(UserError, match="free"):
        Store().array(huge, np.uint8)


def test_blocks_on_disk_are_shown() -> None:
    viewer = ViewerModel()
    results = Results(viewer, PLACE, "ZYX", (CELL, BOUNDARY), Store(100, 100))
    results.allocate([Wanted("cells", "int32")])
    results.write("cells", (1, slice(0, 16), slice(0, 20)), np.full((16, 20), 70_000, np.int32))
    results.finish()
    data = np.asarray(viewer.layers["cells"].data)
    assert (data[1] == 70_000).all()
    assert not data[[0, 2]].any()


def test_probabilities_are_one_image_per_class() -> None:
    viewer = ViewerModel()
    results = Results(viewer, PLACE, "ZYX", (CELL, BOUNDARY), Store())
    results.allocate([Wanted("probabilities", "uint8")])
    block = np.stack([np.full((16, 20), 200, np.uint8), np.full((16, 20), 55, np.uint8)])
    results.write("probabilities", (slice(None), 2, slice(0, 16), slice(0, 20)), block)
    cell, boundary = viewer.layers["probability of cell"], viewer.layers["probability of boundary"]
    assert isinstance(cell, ImageLayer)
    assert (cell.data[2].max(), boundary.data[2].max(), cell.data[0].max()) == (200, 55, 0)
    assert boundary.visible
    assert not cell.visible


def test_what_cells_are_made_of_is_in_order_whatever_came_first() -> None:
    kept = Probabilities(PLACE, "ZYX", (CELL, BOUNDARY), Store())
    assert kept.make_room() == ""
    pieces = [Region((0, 1), (z, z + 1), (0, 16), (0, 20)) for z in range(3)]
    for piece in (pieces[2], pieces[0], pieces[1]):
        kept.note(piece, CellSpec())
    assert kept.kept is not None
    assert list(kept.kept.filled) == pieces


def test_layers_are_drawn_at_most_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    viewer = ViewerModel()
    results = Results(viewer, PLACE, "ZYX", (CELL, BOUNDARY), Store(), clock=lambda: now[0])
    results.allocate([Wanted("boundaries", "uint8")])
    drawn = []
    monkeypatch.setattr(results, "refresh", lambda: drawn.append(now[0]) or setattr(results, "_refreshed", now[0]))
    for _ in range(100):
        results.write("boundaries", (1, slice(0, 16), slice(0, 20)), np.ones((16, 20), np.uint8))
        now[0] += 0.05
    assert 9 <= len(drawn) <= 11


def test_what_is_seen_does_not_wait_for_what_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = ViewerModel()
    results = Results(viewer, PLACE, "ZYX", (CELL, BOUNDARY), Store(), clock=lambda: 0.0)
    results.allocate([Wanted("boundaries", "uint8"), Wanted("cells", "int32")])
    drawn: list[str] = []
    for layer in viewer.layers:
        monkeypatch.setattr(layer, "refresh", lambda name=layer.name, **_: drawn.append(name))
    for output in ("boundaries", "cells"):
        results.write(output, (1, slice(0, 16), slice(0, 20)), np.ones((16, 20), np.int32))
    assert drawn == ["cells"]


def test_new_layers_do_not_take_the_brush_away() -> None:
    viewer = ViewerModel()
    strokes = viewer.add_labels(np.zeros((3, 16, 20), np.uint8), metadata={"napari-unet-live": "annotation"})
    results = Results(viewer, PLACE, "ZYX", (CELL, BOUNDARY), Store())
    results.allocate([Wanted("boundaries", "uint8"), Wanted("cells", "int32")])
    assert viewer.layers.selection.active is strokes
    assert [x.name for x in viewer.layers] == [strokes.name, "boundaries", "cells"]
