"""How late the window's events are while a network trains: a 5 ms timer in a real napari window.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/window_delay.py [--seconds 20] [--niceness 5]

Measured without and with a training whose previews are shown, each with a window at rest and while the user goes
through the slices, five a second. One line of JSON each: lateness of the timer (ms: median, 95th percentile,
largest), steps per second, and the load of the machine by other programs, which should be near zero.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import napari
import numpy as np
import psutil
from psygnal.qt import start_emitting_from_queue
from qtpy.QtCore import QElapsedTimer, QEventLoop, Qt, QTimer
from scipy import ndimage

from napari_unet.arrays.axes import Image
from napari_unet.engine.client import Engine, Preview
from napari_unet.events import StepDone
from napari_unet.spec import TrainingSpec, TrainSpec

TICK = 5


def tissue(planes: int = 20, size: int = 512, cells: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Make noisy planes of random cells, uint8, and dense labels (1 = cell, 2 = boundary) of the first two."""
    rng = np.random.default_rng(0)
    image = np.empty((planes, size, size), np.uint8)
    labels = np.zeros_like(image)
    for z in range(planes):
        points = np.ones((size, size), bool)
        points.flat[rng.choice(points.size, cells, replace=False)] = False
        nearest = ndimage.distance_transform_edt(points, return_distances=False, return_indices=True)
        ids = nearest[0] * size + nearest[1]
        boundary = ndimage.maximum_filter(ids, 3) != ndimage.minimum_filter(ids, 3)
        grey = np.where(boundary, 60, 180) + rng.normal(0, 25, boundary.shape)
        image[z] = np.clip(grey, 0, 255)
        if z < 2:
            labels[z] = np.where(boundary, 2, 1)
    return image, labels


class Lateness:
    """Counts by how many milliseconds a timer of `TICK` milliseconds comes too late."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._clock = QElapsedTimer()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def _tick(self) -> None:
        self.late.append(max(0.0, self._clock.nsecsElapsed() / 1e6 - TICK))
        self._clock.restart()

    def measure(self, seconds: float) -> dict[str, float]:
        """Run the event loop."""
        self.begin()
        run_window(seconds)
        return self.end()

    def begin(self) -> None:
        """Begin to count."""
        self.late.clear()
        self._clock.start()
        self._timer.start(TICK)

    def end(self) -> dict[str, float]:
        """Tell what was counted."""
        self._timer.stop()
        low, high = np.percentile(self.late, [50, 95])
        return {"median_ms": round(low, 2), "p95_ms": round(high, 2), "max_ms": round(max(self.late), 1)}


def run_window(seconds: float) -> None:
    """Let the window work."""
    loop = QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()


def others_seconds(engine: Engine) -> float:
    """Processor seconds that other programs have used: all but this one, its X server and the worker."""
    every = psutil.cpu_times()
    ours = 0.0
    for process in psutil.process_iter(["pid", "name", "cpu_times"]):
        worker = engine.worker.pid if engine.worker else 0
        if process.pid in (os.getpid(), worker) or process.info["name"] == "Xvfb":
            ours += process.info["cpu_times"].user + process.info["cpu_times"].system
    return every.user + every.nice + every.system - ours


def until(true, seconds: float = 120) -> None:
    """Let the window work until something is true."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError
        run_window(0.05)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--niceness", type=int, default=5)
    parser.add_argument("--threads", type=int, default=None)
    args = parser.parse_args()

    image, labels = tissue()
    viewer = napari.Viewer()
    viewer.add_image(image)
    shown = viewer.add_image(np.zeros(image.shape, np.uint8), name="boundaries", blending="additive")
    viewer.add_labels(labels)
    start_emitting_from_queue()
    code = f"from napari_unet.engine import worker; worker.NICENESS = {args.niceness}; worker.main()"
    engine = Engine((sys.executable, "-c", code))
    steps: list[StepDone] = []
    previews: list[float] = []

    def show(preview: Preview) -> None:
        shown.data[preview.z] = preview.probabilities[1]
        shown.refresh(extent=False, thumbnail=False, highlight=False)
        previews.append(time.monotonic())

    engine.event.connect(lambda e: steps.append(e) if isinstance(e, StepDone) else None, thread="main")
    engine.preview.connect(show, thread="main")
    lateness = Lateness()
    run_window(3)  # the first pictures

    def report(name: str) -> None:
        del steps[:], previews[:]
        before = others_seconds(engine)
        found: dict[str, object] = {"while": name, **lateness.measure(args.seconds)}
        found["other_load"] = round((others_seconds(engine) - before) / args.seconds, 2)
        if len(steps) > 1:
            found["steps_per_s"] = round(
                (steps[-1].step - steps[0].step) / (steps[-1].seconds - steps[0].seconds), 2
            )
            found["previews_per_s"] = round(len(previews) / args.seconds, 2)
        print(json.dumps(found), flush=True)

    slices = QTimer()
    slices.timeout.connect(lambda: viewer.dims.set_current_step(0, (viewer.dims.current_step[0] + 1) % len(image)))
    viewer.dims.events.current_step.connect(lambda: engine.set_view(0, viewer.dims.current_step[0]))

    def both(name: str) -> None:
        report(name + ", at rest")
        slices.start(200)
        report(name + ", going through slices")
        slices.stop()

    both("nothing")
    spec = TrainingSpec(train=TrainSpec(seconds=1000, threads=args.threads))
    with tempfile.TemporaryDirectory() as folder:
        engine.train(Image(image, "ZYX"), Image(labels, "ZYX"), spec, Path(folder, "m.safetensors"))
        until(lambda: len(steps) > 5)
        both("training")
        began = time.monotonic()
        engine.close()
        print(json.dumps({"close_s": round(time.monotonic() - began, 2)}))
    viewer.close()


if __name__ == "__main__":
    main()
