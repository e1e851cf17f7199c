"""Drive the real window and write the pictures of the README and of the documentation.

Run it on a machine with an X server, or with a virtual one::

    xvfb-run -s "-screen 0 1600x1000x24" python docs/make_pictures.py

It opens a sample, paints strokes with the mouse, trains, takes a picture, segments and takes another.
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
os.environ.setdefault("NAPARI_CONFIG", str(Path(tempfile.mkdtemp(), "settings.yaml")))

import napari  # noqa: E402

from driving import paint_like_a_person, rest  # noqa: E402
from napari_unet.arrays.metrics import instance_score  # noqa: E402
from napari_unet.events import StepDone  # noqa: E402


def wait_for(done: Callable[[], bool], seconds: float = 1200) -> None:
    """Let the window run until something is so."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError
        rest(50)


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400, help="when to press Stop")
    parser.add_argument("--sample", default="nuclei-5")
    parser.add_argument("--size", default="1600x1000")
    parser.add_argument("--theme", default="dark")
    parser.add_argument("--folder", type=Path, default=HERE / "images")
    given = parser.parse_args()
    given.folder.mkdir(exist_ok=True)

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
    paint_like_a_person(viewer, strokes, truth, objects=30)
    viewer.layers.selection.active = strokes

    settings = dock.advanced.train.value()
    dock.advanced.train.setValue(settings.model_copy(update={"patch": (128, 128)}))
    dock.train.budget.endless.setChecked(True)
    dock.train.train_button.click()
    steps: list[int] = []
    dock.controller.happened.connect(lambda e: steps.append(e.step) if isinstance(e, StepDone) else None)
    wait_for(lambda: bool(steps) and steps[-1] > given.steps // 3)
    wait_for(lambda: "U-Net preview" in viewer.layers)
    viewer.window.screenshot(given.folder / "training.png", canvas_only=False, flash=False)
    wait_for(lambda: steps[-1] > given.steps)
    dock.train.stop_button.click()
    wait_for(lambda: dock.controller.job is None)
    print(dock.train.bar.format(), "|", dock.train.scores.text())

    dock.segment.segment_button.click()
    wait_for(lambda: dock.controller.job is None)
    rest(1000)
    viewer.window.screenshot(given.folder / "window.png", canvas_only=False, flash=False)
    print(dock.status.text.text(), "|", instance_score(viewer.layers["cells"].data, truth))
    viewer.close()
    rest(200)


if __name__ == "__main__":
    main()
