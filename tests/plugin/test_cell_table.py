"""The table of cells of the window, without a window: measuring, features, going to cells, edits."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Shapes
from qtpy.QtWidgets import QApplication

from napari_unet.plugin.cells import cell_table
from napari_unet.plugin.cells.cell_table import CellTable
from napari_unet.plugin.cells.choice import CellsChoice
from napari_unet.plugin.cells.frame import MARGIN
from napari_unet.plugin.cells.measured import features_of
from napari_unet.plugin.decide import Message
from napari_unet.spec import Measuring
from napari_unet.storage.records import require_record
from napari_unet.storage.samples import load_sample

pytestmark = pytest.mark.usefixtures("qapp")


class Desk:
    """Cells over an image, and what was said of them."""

    def __init__(self, cells: Any, image: Any = None, **properties: Any) -> None:
        self.viewer = ViewerModel()
        if image is not None:
            self.viewer.add_image(image, name="image", **properties)
        self.layer: Labels = self.viewer.add_labels(cells, name="cells", **properties)
        self.choice = CellsChoice(self.viewer)
        self.cells = CellTable(self.viewer, self.choice)
        self.messages: list[Message] = []
        self.clicked: list[int] = []
        self.cells.said.connect(self.messages.append)
        self.cells.clicked.connect(self.clicked.append)

    def measure(self, per_slice: bool | None = None) -> pd.DataFrame:
        self.cells.measure(per_slice)
        self.wait()
        assert self.cells.table is not None, self.messages
        return self.cells.table

    def wait(self) -> None:
        end = time.monotonic() + 60
        while self.cells.background.busy and time.monotonic() < end:
            time.sleep(0.01)
            QApplication.processEvents()
        assert not self.cells.background.busy


@pytest.fixture
def volume() -> Iterator[Desk]:
    data = load_sample("nuclei-3d")
    desk = Desk(data.labels, data.image, scale=data.spacing, units=["micrometer"] * 3, translate=(5, 0, 0))
    yield desk
    desk.cells.close()
    desk.choice.close()


def test_a_volume_is_measured_in_the_units_of_its_layer(volume: Desk) -> None:
    data = load_sample("nuclei-3d")
    table = volume.measure()
    voxels = np.bincount(data.labels.ravel())
    np.testing.assert_allclose(table["volume_um3"], voxels[table["label"]] * np.prod(data.spacing))
    np.testing.assert_allclose(table["z_um"], 5 + table["z_px"] * data.spacing[0])
    np.testing.assert_allclose(table["intensity_mean"][0], data.image[data.labels == table["label"][0]].mean())
    assert volume.messages[-1] == Message(f"Measured {len(table)} cells of 'cells'.", "good")


def test_features_belong_to_the_numbers_of_the_layer(volume: Desk) -> None:
    volume.layer.features = pd.DataFrame({"index": [7], "kind": ["mitotic"]})
    table = volume.measure()
    features = volume.layer.features
    for _, row in table.iterrows():
        assert features["index"][row["label"]] == row["label"]
        assert features["volume_um3"][row["label"]] == row["volume_um3"]
        at = volume.layer.data_to_world([row["z_px"], row["y_px"], row["x_px"]])
        value = volume.layer.get_value(at, world=True)
        if value == row["label"]:  # the middle of a bent cell may lie outside
            assert f"volume_um3: {row['volume_um3']:.3g}" in volume.layer.get_status(at, world=True)["coordinates"]
    assert features["kind"][7] == "mitotic"
    volume.choice.image = None
    volume.measure()
    assert "intensity_mean" not in volume.layer.features
    assert volume.layer.features["kind"][7] == "mitotic"


def test_huge_numbers_get_no_empty_rows_of_features() -> None:
    table = pd.DataFrame({"label": [5, 10**9], "pixels": [3, 4]})
    features = features_of(table)
    assert features is not None
    assert features["index"].tolist() == [5, 10**9]


def test_a_row_leads_to_its_cell(volume: Desk) -> None:
    table = volume.measure()
    volume.layer.visible = False
    for row in (3, 9):
        volume.cells.go_to(row)
        cell = table.iloc[row]
        assert volume.viewer.dims.current_step[0] == round(cell["z_px"])
        centre = getattr(volume.viewer, "scene", volume.viewer).camera.center
        np.testing.assert_allclose(centre[1:], [cell["y_um"], cell["x_um"]])
        assert volume.layer.selected_label == cell["label"]
        assert volume.layer.visible
        assert not volume.layer.show_selected_label
        (frame,) = (x for x in volume.viewer.layers if isinstance(x, Shapes))
        corners = frame.data[0]
        assert set(corners[:, 0]) == {round(cell["z_px"])}
        for i, a in ((1, "y"), (2, "x")):
            assert set(corners[:, i]) == {cell[f"{a}_first_px"] - MARGIN, cell[f"{a}_last_px"] + MARGIN}
    volume.cells.frame.remove()
    assert not [x for x in volume.viewer.layers if isinstance(x, Shapes)]


def test_cells_of_slices_have_rows_of_their_own() -> None:
    plane = load_sample("nuclei-2").labels
    desk = Desk(np.stack([plane, np.flip(plane), plane.T]))
    table = desk.measure()
    assert "no features" in desk.messages[-1].text
    assert not len(desk.layer.features.columns)
    row = int(np.flatnonzero((table["z"] == 1) & (table["label"] == 3))[0])
    desk.cells.go_to(row)
    assert desk.viewer.dims.current_step[0] == 1
    place = (1.2, table["y_px"][row], table["x_px"][row])
    desk.cells._find(3, place)
    assert desk.clicked == [row]
    assert len(desk.measure(per_slice=False)) == len(np.unique(plane)) - 1
    assert desk.layer.features["voxels"].sum() == (desk.layer.data > 0).sum()
    desk.cells.close()


def test_edits_make_the_table_out_of_date(volume: Desk) -> None:
    volume.measure()
    assert not volume.cells.outdated
    volume.layer.show_selected_label = True
    volume.viewer.dims.set_current_step(0, 3)
    assert not volume.cells.outdated
    volume.layer.paint((3, 10, 10), 99)
    assert volume.cells.outdated
    volume.measure()
    assert not volume.cells.outdated
    volume.layer.undo()
    assert volume.cells.outdated
    volume.measure()
    volume.layer.data = np.zeros_like(volume.layer.data)
    assert volume.cells.outdated
    assert len(volume.measure()) == 0


def test_a_layer_that_goes_takes_its_table_along(volume: Desk) -> None:
    volume.measure()
    volume.viewer.layers.remove(volume.layer)
    assert volume.cells.table is None
    volume.cells.go_to(0)
    volume.cells.measure()
    assert volume.messages[-1].kind == "error"
    assert "no cells yet" in volume.messages[-1].text


def test_an_image_that_does_not_fit_is_left_out(volume: Desk) -> None:
    volume.viewer.add_image(np.zeros((4, 5)), name="other")
    volume.choice.choose_image("other")
    table = volume.measure()
    assert not [c for c in table if c.startswith("intensity")]
    assert volume.messages[-1].kind == "warning"
    assert "without grey values" in volume.messages[-1].text
    assert "volume_um3" in table


def test_cancel_keeps_the_table_there_was(volume: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before = volume.measure()
    going, measuring = threading.Event(), cell_table.measuring

    def slow(*given: Any, **options: Any) -> Any:
        events = measuring(*given, **options)
        yield next(events)
        going.wait(60)
        return (yield from events)

    monkeypatch.setattr(cell_table, "measuring", slow)
    volume.cells.measure()
    assert volume.cells.background.busy
    volume.cells.background.cancel()
    going.set()
    volume.wait()
    assert volume.cells.table is before
    assert "not measured to the end" in volume.messages[-1].text


def test_a_failure_is_told(volume: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("out of luck")
        yield

    monkeypatch.setattr(cell_table, "measuring", broken)
    volume.cells.measure()
    volume.wait()
    assert volume.messages[-1] == Message("The cells could not be measured: RuntimeError: out of luck.", "error")


def test_the_table_is_saved(volume: Desk, tmp_path: Path) -> None:
    table = volume.measure()
    volume.cells.save(tmp_path / "a.csv")
    assert volume.messages[-1] == Message(f"Saved {len(table)} cells in a.csv.", "good")
    assert pd.read_csv(tmp_path / "a.csv")["voxels"].tolist() == table["voxels"].tolist()
    record = require_record(tmp_path / "a.csv")
    assert isinstance(record.settings, Measuring)
    assert record.settings.per_slice == ("z" in table)
    assert record.source.name == volume.cells.layer.name  # type: ignore[union-attr]
    volume.cells.save(tmp_path / "no" / "a.csv")
    assert volume.messages[-1].kind == "error"
