"""Result layers as files."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_unet.arrays.axes import Image
from napari_unet.arrays.where import Where
from napari_unet.plugin import saving
from napari_unet.plugin.layers import Geometry
from napari_unet.plugin.requests import end_of_saving
from napari_unet.plugin.results import Piece, Results, Store, Wanted
from napari_unet.plugin.saving import SaveEnd, Saving, describe
from napari_unet.spec import BOUNDARY, CELL, Exporting
from napari_unet.storage.read import open_image
from napari_unet.storage.records import facts_of, new_record, read_record

RNG = np.random.default_rng(0)
PROPERTIES: dict[str, tuple[Any, ...]] = {
    "scale": (30.0, 2.0, 500.0, 500.0),
    "translate": (60.0, 4.0, 1000.0, 0.0),
    "units": ("s", "um", "nm", "nm"),
    "axis_labels": ("t", "z", "y", "x"),
}


def pieces(axes: str, shape: tuple[int, ...], store: Store | None = None) -> tuple[ViewerModel, Results]:
    kept = ["TZYX".index(a) if a != "C" else 0 for a in axes]
    geometry = Geometry(axes, shape, {k: tuple(v[i] for i in kept) for k, v in PROPERTIES.items()})
    viewer = ViewerModel()
    results = Results(viewer, geometry, axes.replace("C", ""), (CELL, BOUNDARY), store or Store())
    results.allocate([Wanted("probabilities", "uint8"), Wanted("cells", "int32")])
    plain = tuple(n for n, a in zip(shape, axes, strict=True) if a != "C")
    everything = tuple(slice(0, n) for n in plain)
    results.write("cells", everything, RNG.integers(0, 99_999, plain).astype(np.int32))
    block = RNG.integers(0, 255, (2, *plain)).astype(np.uint8)
    results.write("probabilities", (slice(None), *everything), block)
    return viewer, results


def save(items: list[Piece], paths: list[Path], axes: str, during: Callable[[], None] = lambda: None) -> SaveEnd:
    made, ended, ends = Saving(), threading.Event(), []
    made.ended.connect(lambda end: (ends.append(end), ended.set()))
    made.progressed.connect(lambda _: during())
    made.start([describe(p, path, axes) for p, path in zip(items, paths, strict=True)])
    assert ended.wait(60)
    return ends[0]


@pytest.mark.parametrize("ending", [".ome.zarr", ".ome.tif"])
@pytest.mark.parametrize(
    ("axes", "shape"), [("TZYX", (2, 3, 20, 30)), ("ZYX", (3, 20, 30)), ("YX", (20, 30)), ("TCYX", (2, 2, 20, 30))]
)
@pytest.mark.parametrize("on_disk", [True, False])
def test_what_is_saved_is_what_was_seen(
    tmp_path: Path, ending: str, axes: str, shape: tuple[int, ...], on_disk: bool
) -> None:
    viewer, results = pieces(axes, shape, Store(1, 1) if on_disk else Store())
    paths = [tmp_path / f"{name}{ending}" for name in ("p", "c")]
    end = save(results.pieces(), paths, axes)
    assert (end.error, end.paths) == ("", tuple(paths))
    drop = (slice(None), 0) if "C" in axes else ()
    cells = open_image(paths[1])
    expected = np.asarray(viewer.layers["cells"].data)[drop]
    found = np.asarray(cells.data).transpose([cells.axes.index(a) for a in axes.replace("C", "")])
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.int32
    assert cells.spacing == pytest.approx((2.0 if "Z" in axes else 0.5, 0.5, 0.5))
    assert cells.unit == "micrometer"
    where = Where((4.0 if "Z" in axes else 0.0, 1.0, 0.0), *((60.0, 30.0, "second") if "T" in axes else ()))
    assert cells.where == where
    probabilities = open_image(paths[0])
    order = [probabilities.axes.index(a) for a in "C" + axes.replace("C", "")]
    both = [np.asarray(viewer.layers[f"probability of {c}"].data)[drop] for c in ("cell", "boundary")]
    np.testing.assert_array_equal(np.asarray(probabilities.data).transpose(order), both)
    assert probabilities.where == where
    assert [p for p in tmp_path.iterdir() if p not in paths] == []


def test_provenance_names_and_place_are_in_the_file(tmp_path: Path) -> None:
    import json

    _, results = pieces("ZYX", (3, 20, 30))
    made = new_record(Exporting(kind="cells"), facts_of(Image(np.zeros((3, 20, 30)), "ZYX", name="mine")))
    results.tell_records({"probabilities": made})
    save(results.pieces(), [tmp_path / "p.ome.zarr", tmp_path / "c.ome.zarr"], "ZYX")
    known = json.loads((tmp_path / "p.ome.zarr" / "zarr.json").read_text())["attributes"]
    assert [c["label"] for c in known["ome"]["omero"]["channels"]] == ["cell", "boundary"]
    moved = known["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][1]
    assert moved["translation"][-3:] == pytest.approx([4.0, 1.0, 0.0])
    (own,) = [v for k, v in known.items() if k != "ome"]
    assert own["record"]["source"]["name"] == "mine"
    assert read_record(tmp_path / "p.ome.zarr") == made
    assert read_record(tmp_path / "c.ome.zarr") is None
    assert own["layers"] == ["probability of cell", "probability of boundary"]


def test_a_selected_layer_alone() -> None:
    viewer, results = pieces("YX", (20, 30))
    (one,) = results.pieces(viewer.layers["probability of boundary"])
    assert (one.output, one.classes) == ("probabilities", ("boundary",))
    viewer.layers.remove("cells")
    assert [p.output for p in results.pieces()] == ["probabilities"]
    assert results.pieces(viewer.add_labels(np.zeros((3, 3), int))) == []


@pytest.mark.parametrize("ending", [".ome.zarr", ".ome.tif"])
@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_on_an_error_the_older_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, failure: Exception, words: str
) -> None:
    _, results = pieces("ZYX", (3, 20, 30))
    path = tmp_path / f"c{ending}"
    items = [p for p in results.pieces() if p.output == "cells"]
    save(items, [path], "ZYX")
    before = np.asarray(open_image(path).data)
    read = saving.Source.__getitem__
    reads: list[int] = []

    def broken(self: saving.Source, key: Any) -> Any:
        reads.append(1)
        if len(reads) > 1:
            raise failure
        return read(self, key)

    monkeypatch.setattr(saving.Source, "__getitem__", broken)
    end = save(items, [path], "ZYX")
    assert words in end.error
    assert end_of_saving(end).kind == "error"
    np.testing.assert_array_equal(np.asarray(open_image(path).data), before)
    assert list(tmp_path.iterdir()) == [path]


def test_cancelled_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, results = pieces("ZYX", (3, 20, 30))
    monkeypatch.setattr(saving, "EVERY", -1.0)
    made, ended, ends = Saving(), threading.Event(), []
    made.ended.connect(lambda end: (ends.append(end), ended.set()))
    made.progressed.connect(lambda _: made.cancel())
    (item,) = [p for p in results.pieces() if p.output == "cells"]
    made.start([describe(item, tmp_path / "c.ome.zarr", "ZYX")])
    assert ended.wait(60)
    assert "cancelled" in ends[0].error
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_others_is_not_replaced(tmp_path: Path) -> None:
    _, results = pieces("YX", (20, 30))
    (tmp_path / "mine.ome.zarr").mkdir()
    (tmp_path / "mine.ome.zarr" / "notes.txt").touch()
    end = save(results.pieces()[1:], [tmp_path / "mine.ome.zarr"], "YX")
    assert "choose another name" in end.error
    assert (tmp_path / "mine.ome.zarr" / "notes.txt").exists()
