"""Drive the real window and write the pictures of the README and of the documentation.

Run it on a machine with an X server, or with a virtual one::

    xvfb-run -s "-screen 0 1600x1000x24" python docs/make_pictures.py

    xvfb-run -s "-screen 0 1600x1000x24" python docs/make_pictures.py tutorial batch     # only some of them

All is done as a user does it, strokes are painted with the mouse. The pictures:

* ``window``: a sample with many strokes while the network learns (README).
* ``tutorial``: the steps of the tutorial with its sample and as few strokes as it asks for.
* ``small``: both docks on a small screen, in the light and the dark theme; the cells are the sample's.
* ``batch``: the dock for batches with a folder of images, one of them cut short.
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
import tifffile  # noqa: E402
from napari.layers import Labels  # noqa: E402
from PIL import Image  # noqa: E402

from driving import paint_like_a_person, rest, stroke, strokes_from_truth  # noqa: E402
from napari_unet.arrays.metrics import instance_score  # noqa: E402
from napari_unet.events import StepDone  # noqa: E402
from napari_unet.learn.start import SHIPPED  # noqa: E402
from napari_unet.plugin.batch.dock import BatchDock  # noqa: E402
from napari_unet.plugin.cells.accepted import accepted_in  # noqa: E402
from napari_unet.plugin.cells.dock import CellsDock  # noqa: E402
from napari_unet.plugin.dock import UNetDock  # noqa: E402
from napari_unet.storage.samples import load_sample  # noqa: E402


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


def open_window(size: tuple[int, int], sample: str) -> tuple[napari.Viewer, UNetDock]:
    """Open a sample and the dock, with an empty layer of strokes."""
    viewer = napari.Viewer()
    viewer.theme = "dark"
    window = viewer.window._qt_window  # noqa: SLF001
    window.move(0, 0)
    window.resize(*size)
    viewer.open_sample("napari-unet-live", sample)
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    dock.train.by_itself.setChecked(False)
    dock.annotate.new_button.click()
    rest(1000)
    viewer.reset_view()
    rest(500)
    return viewer, dock


def paint_little(
    viewer: napari.Viewer, layer: Labels, truth: np.ndarray, objects: int = 4, classes: int = 3
) -> None:
    """Paint a few strokes of the first classes."""
    for value, group in enumerate(strokes_from_truth(truth, objects)[:classes], start=1):
        layer.selected_label = value
        for points in group[-objects:]:
            stroke(viewer, layer, points[:: max(1, len(points) // 6)])
    viewer.layers.selection.active = layer


def train(viewer: napari.Viewer, dock: UNetDock, steps: int, path: Path) -> None:
    """Train for some steps, and take a picture after a third of them."""
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


def segment(viewer: napari.Viewer, dock: UNetDock, truth: np.ndarray, path: Path) -> None:
    """Segment the slice in view, and take a picture."""
    dock.segment.segment_button.click()
    wait_for(lambda: dock.controller.job is None)
    rest(1000)
    save(viewer, path)
    print(dock.status.text.text(), "|", instance_score(viewer.layers["cells"].data, truth))


def take_window(folder: Path) -> None:
    """Take the picture of the README."""
    viewer, dock = open_window((1600, 1000), "nuclei-5")
    paint_like_a_person(viewer, viewer.layers["strokes"], viewer.layers["nuclei-5 truth"].data, objects=30)
    viewer.layers.selection.active = viewer.layers["strokes"]
    train(viewer, dock, 400, folder / "training.png")
    close(viewer, dock)


def take_tutorial(folder: Path) -> None:
    """Take the pictures of the tutorial's steps."""
    viewer, dock = open_window((1366, 768), "epithelium")
    truth = viewer.layers["epithelium truth"]
    truth.visible = False
    paint_little(viewer, viewer.layers["strokes"], truth.data, objects=6, classes=2)
    rest(500)
    save(viewer, folder / "tutorial-paint.png")
    train(viewer, dock, 200, folder / "tutorial-learn.png")
    segment(viewer, dock, truth.data, folder / "tutorial-cells.png")
    close(viewer, dock)


def take_small(folder: Path) -> None:
    """Take pictures of both docks on a small screen, in both themes."""
    viewer, dock = open_window((1366, 768), "nuclei-5")
    truth, strokes = viewer.layers["nuclei-5 truth"], viewer.layers["strokes"]
    paint_little(viewer, strokes, truth.data)
    viewer.add_labels(truth.data.copy(), name="cells", scale=truth.scale, units=truth.units, visible=False)
    viewer.layers.selection.active = strokes
    take_themes(viewer, folder, "small")
    cells = open_second(viewer)
    take_themes(viewer, folder, "cells")
    print(cells.status.text.text())
    cells.shut_down()
    close(viewer, dock)


def take_batch(folder: Path) -> None:
    """Take a picture of the dock for batches at its end."""
    viewer = napari.Viewer()
    viewer.theme = "dark"
    viewer.window._qt_window.resize(1366, 768)  # noqa: SLF001
    place = Path(tempfile.mkdtemp()) / "plate 1"
    place.mkdir()
    for name in ("nuclei-1", "nuclei-2", "nuclei-5"):
        tifffile.imwrite(place / f"{name}.tif", load_sample(name).image)
    whole = (place / "nuclei-5.tif").read_bytes()
    (place / "nuclei-6.tif").write_bytes(whole[: len(whole) // 2])
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net batch")
    assert isinstance(dock, BatchDock)
    dock.model.path.setText(str(SHIPPED))
    dock.inputs.add([place])
    dock.results.measure.setChecked(True)
    dock.run.button.click()
    wait_for(lambda: len(dock.run.table.rows) == 4 and not dock.running.busy)
    dock.run.table.cellActivated.emit(2, 0)
    rest(500)
    dock.run.table.setCurrentCell(3, 0)
    rest(500)
    save(viewer, folder / "batch.png")
    dock.shut_down()
    viewer.close()
    rest(200)


def close(viewer: napari.Viewer, dock: UNetDock) -> None:
    """Close a window."""
    dock.shut_down()
    viewer.close()
    rest(200)


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


PICTURES = {"window": take_window, "tutorial": take_tutorial, "small": take_small, "batch": take_batch}


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("which", nargs="*", metavar="PICTURE", help=f"only these of {', '.join(PICTURES)}")
    parser.add_argument("--folder", type=Path, default=HERE / "images")
    given = parser.parse_args()
    if unknown := set(given.which) - set(PICTURES):
        parser.error(f"no such picture: {', '.join(sorted(unknown))}; choose of {', '.join(PICTURES)}")
    given.folder.mkdir(exist_ok=True)
    for name in given.which or PICTURES:
        PICTURES[name](given.folder)


if __name__ == "__main__":
    main()
