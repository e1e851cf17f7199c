"""How long the user waits while a network learns, in the real window, with strokes drawn by the mouse.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/live_latency.py [--strokes 20] [--sample nuclei-5]

Nobody presses Train. JSON lines, times in seconds as median, 95th percentile and largest: from the brush going up
to the message to the training, and to the first preview that knows of the stroke (the worker takes strokes up
before its next step, and previews at once then); the same of an undo; between two previews while nothing is
painted; and by how many milliseconds a 5 ms timer in the window is late all along.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
import pooch

from common import probe, spread
from window_delay import Lateness, run_window, until

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from driving import paint_like_a_person, stroke


class Watch:
    """Notes when strokes are sent to the engine and when previews come."""

    def __init__(self, engine: Any) -> None:
        self.sent: list[float] = []
        self.shown: list[float] = []
        paint = engine.paint

        def noted(*args: Any, **options: Any) -> None:
            self.sent.append(time.monotonic())
            paint(*args, **options)

        engine.paint = noted
        engine.preview.connect(lambda _: self.shown.append(time.monotonic()))

    def after(self, action: Callable[[], None]) -> tuple[float, float]:
        """Do something to the strokes; gives the seconds until it is sent, and until a preview knows of it."""
        sent = len(self.sent)
        action()
        began = time.monotonic()
        until(lambda: len(self.sent) > sent)
        at = self.sent[sent]
        until(lambda: bool(self.shown) and self.shown[-1] > at)
        return at - began, next(t for t in self.shown if t > at) - began


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--strokes", type=int, default=20)
    parser.add_argument("--sample", default="nuclei-5")
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    pooch.os_cache = lambda _: folder
    viewer = napari.Viewer()
    viewer.open_sample("napari-unet-live", options.sample)
    truth = viewer.layers[f"{options.sample} truth"].data
    _, dock = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    dock.train.budget.endless.setChecked(True)
    dock.annotate.new_button.click()
    strokes = viewer.layers["strokes"]
    run_window(3)
    watch = Watch(dock.controller.engine)
    lateness = Lateness()
    paint_like_a_person(viewer, strokes, truth, objects=8)
    began = time.monotonic()
    until(lambda: dock.controller.job == "train")
    started = time.monotonic() - began
    until(lambda: bool(watch.shown))
    first = {"brush up to start": round(started, 2), "to first preview": round(watch.shown[0] - began, 2)}
    print(json.dumps(first | {"probe": round(probe(), 3)}), flush=True)

    lateness.begin()
    strokes.selected_label = 3
    open_ground = np.argwhere((truth == 0) & (strokes.data == 0))
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {"sent": [], "stroke": [], "undo": []}
    for _ in range(options.strokes):
        at = open_ground[rng.integers(len(open_ground))]
        beside = np.clip(at + np.array([0, 12]), 0, np.subtract(truth.shape, 1))
        sent, shown = watch.after(lambda: stroke(viewer, strokes, [tuple(at), tuple(beside)]))  # noqa: B023
        found["sent"].append(sent)
        found["stroke"].append(shown)
        run_window(0.5)
        found["undo"].append(watch.after(strokes.undo)[1])
        run_window(0.5)
    begin = len(watch.shown)
    run_window(30)
    gaps = list(np.diff(watch.shown[begin:]))
    print(json.dumps({"stroke to message": spread(found["sent"])}))
    print(json.dumps({"stroke to preview": spread(found["stroke"])}))
    print(json.dumps({"undo to preview": spread(found["undo"])}))
    print(json.dumps({"between previews": spread(gaps), "steps": dock.controller.trainer.steps}))
    print(json.dumps({"window": lateness.end(), "probe": round(probe(), 3)}), flush=True)
    dock.train.stop_button.click()
    until(lambda: dock.controller.job is None)
    dock.shut_down()
    viewer.close()


if __name__ == "__main__":
    main()
