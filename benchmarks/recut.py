"""How long the user waits for other cells after moving the slider or the threshold, in the real window.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/recut.py [--sizes 512 1024] [--planes 8]

A small network is trained on a bundled sample and segments a stack of it. Then the slider is moved, and then the
threshold, to values of which nothing is remembered: JSON lines of the seconds (median, 95th percentile, largest)
from a change to the new cells of the slice in view being drawn, each after a rest, and in the midst of the stack
being made anew; of the seconds for the whole stack; and by how many milliseconds a 5 ms timer in the window is
late meanwhile. The function alone is timed for comparison: other programs slow both. ``predictions`` has to stay
1.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pooch

import napari_unet as nu
from common import probe, spread
from napari_unet.arrays.pieces import cells_of_piece
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.kept import kept_of
from napari_unet.plugin.layers import read_region
from napari_unet.storage.samples import load_sample
from window_delay import Lateness, run_window, until


class Watch:
    """Notes when new cells of the slice in view are drawn."""

    def __init__(self, viewer: napari.Viewer, dock: UNetDock) -> None:
        self.recutting = dock.controller.recutting
        self.drawn = 0.0
        self._written = False
        canvas = viewer.window._qt_viewer.canvas._scene_canvas  # noqa: SLF001
        canvas.events.draw.connect(self._draw)
        results = dock.controller.segmenting.results
        put = results.put

        def noted(output: Any, region: Any, values: Any) -> None:
            put(output, region, values)
            z = results.plane_in_view()[1]
            self._written |= output == "cells" and region.z[0] <= z < region.z[1]

        results.put = noted

    def _draw(self, _: object) -> None:
        if self._written:
            self._written, self.drawn = False, time.monotonic()

    def move(self, change: Callable[[], None]) -> float:
        """Change a setting; gives the seconds until the cells in view are drawn."""
        began, self.drawn, self._written = time.monotonic(), 0.0, False
        change()
        while not self.drawn:
            run_window(0.005)
        return self.drawn - began


def alone(viewer: napari.Viewer) -> list[float]:
    """Time what makes the cells of the slice in view, while the window does nothing."""
    kept = kept_of(viewer.layers["cells"])
    plane = read_region(kept.probabilities, kept.axes, kept.filled[0])
    taken = []
    for _ in range(5):
        began = time.monotonic()
        cells_of_piece(plane, kept.classes, kept.cells, (1.0, 1.0, 1.0))
        taken.append(time.monotonic() - began)
    return taken


def measure(viewer: napari.Viewer, size: int, planes: int, changes: int, model: Path) -> None:
    """Segment a stack and move the slider."""
    sample = load_sample("nuclei-3d").image
    repeats = -(-size // min(sample.shape[1:]))
    image = np.tile(sample[:planes], (1, repeats, repeats))[:, :size, :size]
    viewer.add_image(image, name="nuclei")
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    controller = dock.controller
    controller.open_model(model)
    until(lambda: controller.job is None)
    ordered = []
    predict = controller.engine.predict
    controller.engine.predict = lambda *a, **k: (ordered.append(a), predict(*a, **k))[1]
    dock.segment.scope.stack_button.setChecked(planes > 1)
    dock.segment.segment_button.click()
    until(lambda: controller.job is None)
    run_window(5)
    watch, lateness = Watch(viewer, dock), Lateness()
    print(json.dumps({"the function alone": spread(alone(viewer))}), flush=True)
    facts = {"size": size, "planes": planes, "cells": int(viewer.layers["cells"].data.max())}
    amount, threshold = dock.segment.form.amount, dock.segment.form.more.editor("threshold")
    steps = [(17 * i) % 41 for i in range(2 * changes)]  # all different
    moves = {
        "slider": [partial(amount.setValue, 30 + step) for step in steps],
        "threshold": [partial(threshold.setValue, 0.09 + step / 100) for step in steps],  # not that of the sliders
    }
    for what, changed in moves.items():
        found = change_all(watch, lateness, changed[:changes], changed[changes:])
        print(json.dumps({"what": what} | facts | found), flush=True)
    print(json.dumps({"predictions": len(ordered), "probe": round(probe(), 3)}), flush=True)
    dock.shut_down()


def change_all(
    watch: Watch, lateness: Lateness, one_by_one: list[Callable[[], None]], at_once: list[Callable[[], None]]
) -> dict[str, Any]:
    """Change a setting again and again: each time after all is done, and then while it is not."""
    rested, stack, midst = [], [], []
    lateness.begin()
    for change in one_by_one:
        began = time.monotonic()
        rested.append(watch.move(change))
        until(lambda: not watch.recutting.progress)
        stack.append(time.monotonic() - began)
        run_window(0.2)
    for change in at_once:
        midst.append(watch.move(change))
        run_window(0.1)
    until(lambda: not watch.recutting.progress)
    late = lateness.end()
    return {"after a rest": spread(rested), "in the midst": spread(midst), "stack": spread(stack), "window": late}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--planes", type=int, default=8)
    parser.add_argument("--changes", type=int, default=20)
    options = parser.parse_args()
    if options.changes > 20:
        parser.error("more than 20 changes would be to values that were there before")
    folder = tempfile.mkdtemp()
    pooch.os_cache = lambda _: folder
    sample, model = load_sample("nuclei-3d"), Path(folder, "small.safetensors")
    pair = sample.image[10:20], sample.labels[10:20]
    nu.train(*pair, style="cells", dense=True, steps=60, base=8, patch=(64, 64)).save(model)
    for size in options.sizes:
        viewer = napari.Viewer()
        measure(viewer, size, options.planes, options.changes, model)
        viewer.close()


if __name__ == "__main__":
    main()
