"""What the pipes to the computing process cost: reads, blocks, start, death and end. Needs no torch.

python benchmarks/engine_pipes.py
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np

from napari_unet.arrays.axes import Image
from napari_unet.engine import worker
from napari_unet.engine.client import Engine
from napari_unet.engine.contracts import Facts
from napari_unet.events import Finished, Note
from napari_unet.spec import BOUNDARY, CELL, TrainingSpec


class Model:
    """Enough of a model to be described."""

    classes = (CELL, BOUNDARY)
    spec = TrainingSpec()

    def describe(self):
        """Say nothing."""
        return {}


class CopyJobs:
    """A "prediction" that copies the image plane by plane and says how long reading took."""

    def load(self, path):
        """Load nothing."""
        return Model()

    def prediction(self, model, image, outputs, tiling, cells, region, done, view, stopped):
        """Read and write every plane."""
        seconds = []
        for z in range(image.size("Z")):
            began = time.perf_counter()
            plane = image.read(0, slice(z, z + 1))[0, 0]
            seconds.append(time.perf_counter() - began)
            for array in outputs.values():
                array[z] = plane
        yield Note(str(statistics.median(seconds)))
        yield Finished("done")


def copy(engine: Engine, planes: int, size: int) -> tuple[float, float]:
    """Median seconds to read a plane, and seconds in all."""
    done, notes = threading.Event(), []
    engine.event.connect(lambda e: notes.append(e.text) if isinstance(e, Note) else None)
    engine.job_finished.connect(lambda r: done.set())
    image = Image(np.ones((planes, size, size), np.uint8), "ZYX")
    began = time.perf_counter()
    engine.predict(image, ["classes"], model=Path("none"))
    done.wait()
    seconds = time.perf_counter() - began
    engine.event.disconnect()
    engine.job_finished.disconnect()
    return float(notes[0]), seconds


def wait(engine: Engine, state: str) -> None:
    """Wait for a state."""
    while engine.state != state:
        time.sleep(0.001)


def main() -> None:
    """Measure."""
    engine = Engine((sys.executable, __file__, "--worker"))
    began = time.perf_counter()
    engine.start()
    wait(engine, "ready")
    print(f"start without torch            {time.perf_counter() - began:7.2f} s")
    for planes, size in ((200, 64), (100, 512), (50, 2048)):
        one, total = copy(engine, planes, size)
        rate = 2 * planes * size**2 / total / 1e6
        print(f"read {size:4} x {size:4} uint8          {1e3 * one:7.2f} ms; there and back {rate:6.0f} MB/s")
    assert engine.worker
    began = time.perf_counter()
    os.kill(engine.worker.pid, signal.SIGKILL)
    wait(engine, "dead")
    print(f"told of a kill after           {1e3 * (time.perf_counter() - began):7.1f} ms")
    engine.start()
    wait(engine, "ready")
    began = time.perf_counter()
    engine.close()
    print(f"closed after                   {1e3 * (time.perf_counter() - began):7.1f} ms")


if __name__ == "__main__":
    if "--worker" in sys.argv:
        worker.main(lambda: (CopyJobs(), Facts({}, "")))
    else:
        main()
