"""The real worker around jobs that need no torch; started as a script by the tests."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from napari_unet.arrays.region import Region
from napari_unet.arrays.squares import Suggestion
from napari_unet.engine import worker
from napari_unet.engine.contracts import Facts
from napari_unet.errors import UserError
from napari_unet.events import CheckDone, Finished, Note, StepDone, TileDone
from napari_unet.spec import BOUNDARY, CELL, ModelFacts, TrainingSpec

STEP_SECONDS = 0.01


def preview_of(image, t, z, mirror):
    """The plane; the name of the image tells how it is seen."""
    if image.name == "slow":
        time.sleep(2.5)
    if image.name == "mirrors":  # every mirror image looks different
        return np.full((2, *image.shape[-2:]), mirror / 10, np.float32)
    plane = image.read(t, slice(z, z + 1))[0, 0].astype(np.float32) / 255
    return np.stack([plane, 1 - plane])


def suggestion_of(image, view, shown):
    """The plane in view, so many pixels down as were shown."""
    (t, z), y = view, len(shown)
    return Suggestion(Region((t, t + 1), (z, z + 1), (y, y + 1), (0, 1)), 0.5, 1.0, 0.25, 1, image.size("Z"))


class Model:
    classes = (CELL, BOUNDARY)
    mirrors = 4

    def __init__(self, spec, steps):
        self.spec, self.steps = spec, steps

    @property
    def facts(self):
        return ModelFacts(name="fake", sha256=f"{self.steps:064}")

    def describe(self):
        return {"steps": self.steps}

    def save(self, path):
        path.write_text(f"{self.steps}")

    def preview(self, image, t, z, mirror):
        return preview_of(image, t, z, mirror)


class Training:
    """The loss of step i is pixel i of the first plane; the name of the image tells what goes wrong."""

    classes = Model.classes
    mirrors = Model.mirrors

    def __init__(self, pairs, spec, output, resume):
        self.image, self.labels = pairs[0]
        self.spec, self.output = spec, output
        self.step = int(output.read_text()) if resume else 0
        if not np.asarray(self.labels.data).any():
            raise UserError("nothing is painted: paint some cells and boundaries")

    def __iter__(self):
        sys.stdout.write("a library prints\n")
        sys.stdout.flush()
        os.write(1, b"\x00\x01 and a C library as well\n")
        self.misbehave()
        yield Note("learning")
        while self.image.name == "no step":
            time.sleep(STEP_SECONDS)
            yield Note("still beginning")
        total = self.spec.train.steps
        try:
            while self.step < total:
                self.step += 1
                time.sleep(STEP_SECONDS)
                plane = self.image.read(0, slice(0, 1))[0, 0]
                loss = float("nan") if self.step == 1 else float(plane.ravel()[self.step % plane.size])
                yield StepDone(self.step, loss, self.step / total, 0.0, 0.0)
                if self.step % 10 == 0:
                    self.output.write_text(f"{self.step}")
                    yield CheckDone(self.step, 0.5, {"cell": None, "boundary": 0.25}, True)
            yield Finished("done", self.step)
        finally:
            self.output.write_text(f"{self.step}")

    def misbehave(self):
        name = self.image.name
        if name == "torch error":
            raise RuntimeError("shapes do not match\nmore about it")
        if name == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if name == "frozen":
            time.sleep(1000)

    def preview(self, image, t, z, mirror):
        return preview_of(image, t, z, mirror)

    def paint(self, t, z, y, x, values, *, taken):
        pass

    def take_up(self):
        return []

    def settle(self):
        return [CheckDone(self.step, 0.25, {"cell": 0.5, "boundary": 0.75}, True)]

    def suggest(self, view, shown):
        yield None
        yield None
        yield suggestion_of(self.image, view, shown)

    def model(self):
        return Model(self.spec, self.step)


class FakeJobs:
    def warm_up(self):
        pass

    def training(self, pairs, spec, output, resume, start, taken):
        if taken:  # tells that it has come
            (Path(output).parent / "taken").write_text(str([(*part[:4], part[4].tolist()) for part in taken]))
        return Training(pairs, spec, output, resume)

    def prediction(self, model, image, outputs, tiling, cells, region, done, view, stopped):
        part = region or Region.of(image)
        places = [(t, z) for t in range(*part.t) for z in range(*part.z)]
        places = [p for p in places if not any((b.t[0], b.z[0]) == p for b in done)]
        places.sort(key=lambda p: p != view)
        for done, (i, k) in enumerate(places, start=1):
            plane = image.read(i, slice(k, k + 1))[0, 0]
            index = image.result_index(i, k)
            for name, array in outputs.items():
                if name == "probabilities":
                    array[(slice(None), *index)] = np.stack([plane, 255 - plane])
                else:
                    array[index] = plane
            time.sleep(STEP_SECONDS)
            yield TileDone(done, len(places), 0.0, 0.0, (i, k))
            if stopped():
                return
        yield Finished("done", len(places))

    def suggestion(self, model, image, labels, view, shown, planes):
        if image.name == "unfit":
            raise UserError("the image has another number of channels")
        yield None
        time.sleep(STEP_SECONDS)
        yield suggestion_of(image, view, shown)

    def load(self, path, trust=()):
        if not path.is_file():
            raise UserError(f"there is no model at {path}")
        return Model(TrainingSpec(), int(path.read_text()))

    def pack(self, model, path, card, weights):
        path.write_text(f"{model.steps} {card.name} {','.join(weights)}")


if __name__ == "__main__":
    worker.main(lambda: (FakeJobs(), Facts({"fake": "1"}, "no device", threads=3)))
