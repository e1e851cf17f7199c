"""Drive the real window and write the pictures of the README and of the documentation.

Run it on a machine with an X server, or with a virtual one::

    xvfb-run -s "-screen 0 1600x1000x24" python docs/make_pictures.py

It opens a sample, paints strokes with the mouse, trains, takes a picture, segments and takes another; then
both docks on a small screen, in the light and the dark theme.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
os.environ.setdefault("XDG_CACHE_HOME", tempfile.mkdtemp())  # or what was left by another window would be offered
os.environ.setdefault("NAPARI_CONFIG", str(Path(tempfile.mkdtemp(), "settings.yaml")))

import napari  # noqa: E402
import numpy as np  # noqa: E402
from napari.layers import Labels  # noqa: E402
from PIL import Image  # noqa: E402

from driving import paint_like_a_person, rest, stroke, strokes_from_truth  # noqa: E402
from napari_unet.arrays.metrics import instance_score  # noqa: E402
from napari_unet.events import StepDone  # noqa: E402
from napari_unet.plugin.cells.accepted import accepted_in  # noqa: E402
from napari_unet.plugin.cells.dock import CellsDock  # noqa: E402
from napari_unet.plugin.dock import UNetDock  # noqa: E402


def wait_for(done: Callable[[], bool], seconds: float = 1200) -> None:
    """Let the window run until something is so."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError
        rest(50)


def save(viewer: napari.Viewer, path: Path) -> None:
    """Take a picture of the window."""
    shot = viewer.window.screenshot(canvas_only=False, flash=False)
    Image.fromarray(shot[..., :3]).save(path, optimize=True)


def paint_little(viewer: napari.Viewer, layer: Labels, truth: np.ndarray) -> None:
    """Paint a few strokes of the three classes."""
    for value, group in enumerate(strokes_from_truth(truth, 4), start=1):
        layer.selected_label = value
        for points in group[-4:]:
            stroke(viewer, layer, points[:: max(1, len(points) // 6)])


def open_window(given: argparse.Namespace) -> tuple[napari.Viewer, UNetDock]:
    """Open the sample and the dock, and paint."""
    viewer = napari.Viewer()
    viewer.theme = given.theme
    window = viewer.window._qt_window  # noqa: SLF001
    window.move(0, 0)
    window.resize(*(int(v) for v in given.size.split("x")))
    viewer.open_sample("napari-unet-live", given.sample)
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    dock.train.by_itself.setChecked(False)
    dock.annotate.new_button.click()
    rest(1000)
    viewer.reset_view()
    rest(500)
    strokes, truth = viewer.layers["strokes"], viewer.layers[f"{given.sample} truth"].data
    if given.only_small:
        paint_little(viewer, strokes, truth)
    else:
        paint_like_a_person(viewer, strokes, truth, objects=30)
    viewer.layers.selection.active = strokes
    return viewer, dock


def train(viewer: napari.Viewer, dock: UNetDock, steps: int, path: Path) -> None:
    """Train for some steps, and take a picture after a third of them."""
    settings = dock.advanced.train.value()
    dock.advanced.train.setValue(settings.model_copy(update={"patch": (128, 128)}))
    dock.train.budget.endless.setChecked(True)
    dock.train.train_button.click()
    done: list[int] = []
    dock.controller.happened.connect(lambda e: done.append(e.step) if isinstance(e, StepDone) else None)
    wait_for(lambda: bool(done) and done[-1] > steps // 3)
    wait_for(lambda: "U-Net preview" in viewer.layers)
    save(viewer, path)
    wait_for(lambda: done[-1] > steps)
    dock.train.stop_button.click()
    wait_for(lambda: dock.controller.job is None)
    print(dock.train.bar.format(), "|", dock.train.scores.text())


def take_small(viewer: napari.Viewer, folder: Path) -> None:
    """Take pictures of both docks on a small screen, in both themes."""
    viewer.window._qt_window.resize(1366, 768)  # noqa: SLF001
    take_themes(viewer, folder, "small")
    cells = open_second(viewer)
    take_themes(viewer, folder, "cells")
    print(cells.status.text.text())
    cells.shut_down()


def take_themes(viewer: napari.Viewer, folder: Path, name: str) -> None:
    """Take a picture in the light and in the dark theme."""
    rest(300)
    viewer.reset_view()
    for theme in ("light", "dark"):
        viewer.theme = theme
        rest(500)
        save(viewer, folder / f"{name}-{theme}.png")


def open_second(viewer: napari.Viewer) -> CellsDock:
    """Open the dock for cells; accept some, measure, and go to the largest."""
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net cells")
    rest(500)
    cells = dock.choice.require()
    viewer.layers.selection.active = cells
    cells.visible, viewer.layers["strokes"].visible = True, False
    accepted_in(cells).change(add=[(0, 0, n) for n in range(3, 9)])
    dock.measure.cells.measure()
    wait_for(lambda: dock.measure.cells.table is not None)
    return dock


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400, help="when to press Stop")
    parser.add_argument("--sample", default="nuclei-5")
    parser.add_argument("--size", default="1600x1000")
    parser.add_argument("--theme", default="dark")
    parser.add_argument(
        "--only-small",
        action="store_true",
        help="only those of a small screen, without training: the cells are the sample's",
    )
    parser.add_argument("--folder", type=Path, default=HERE / "images")
    given = parser.parse_args()
    given.folder.mkdir(exist_ok=True)

    viewer, dock = open_window(given)
    truth = viewer.layers[f"{given.sample} truth"]
    if given.only_small:
        viewer.add_labels(truth.data.copy(), name="cells", scale=truth.scale, units=truth.units, visible=False)
        viewer.layers.selection.active = viewer.layers["strokes"]
    else:
        train(viewer, dock, given.steps, given.folder / "training.png")
        dock.segment.segment_button.click()
        wait_for(lambda: dock.controller.job is None)
        rest(1000)
        save(viewer, given.folder / "window.png")
        print(dock.status.text.text(), "|", instance_score(viewer.layers["cells"].data, truth.data))
    take_small(viewer, given.folder)
    dock.shut_down()
    viewer.close()
    rest(200)


if __name__ == "__main__":
    main()
