"""A controller whose engine has segmented a small stack, for tests of cells that are made anew."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.components import ViewerModel
from scipy import ndimage as ndi

from napari_unet.arrays.cells import boundary_mask, cells_from_probabilities
from napari_unet.events import BlockDone, CellsDone
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.decide import Message
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.plugin.store import Store
from napari_unet.spec import CellSpec
from plugin_tools import CLASSES, MODEL, FakeEngine, a_block, an_output, result

SHAPE = (4, 48, 60)
FEWER = CellSpec(beta=0.2, min_size=4)
MORE = CellSpec(beta=0.8, min_size=4)


def tissue(shape: tuple[int, ...], seed: int = 0) -> npt.NDArray[np.uint8]:
    """Probabilities (K, Z, Y, X) of cells with boundaries of all strengths."""
    rng = np.random.default_rng(seed)
    boundary = ndi.gaussian_filter(rng.random(shape), (0, 3, 3))
    boundary = (boundary - boundary.min()) / (boundary.max() - boundary.min())
    found = np.rint(255 * boundary).astype(np.uint8)
    return np.stack([255 - found, found])


class Desk:
    """A controller whose engine has segmented a small stack."""

    def __init__(self, folder: Path, shape: tuple[int, ...] = SHAPE, store: Store | None = None) -> None:
        self.viewer, self.engine = ViewerModel(), FakeEngine()
        self.engine.model = MODEL
        self.shape, self.probabilities = shape, tissue(shape)
        self.viewer.add_image(np.zeros(shape, np.uint8), name="stack", scale=(2, 1, 1))
        self.controller = Controller(self.viewer, self.engine, Checkpoints(folder), store)  # type: ignore[arg-type]
        self.messages: list[Message] = []
        self.controller.work.said.connect(self.messages.append)
        self.arrived: queue.Queue[Any] = queue.Queue()
        self.controller.recutting.made.connect(self.arrived.put)

    def segment(
        self, cells: CellSpec = FEWER, planes: tuple[int, ...] | None = None, *, volume: bool = False
    ) -> SegmentRequest:
        request = SegmentRequest("stack", ("boundaries", "cells"), cells)
        self.controller.want(request)
        self.controller.segment(request)
        asked = self.engine.last("predict")["args"][1]
        types = {"boundaries": "uint8", "cells": "int32", "probabilities": "uint8"}
        self.controller.on_outputs(tuple(an_output(name, self.shape, types[name]) for name in asked))
        for z in planes or range(0, self.shape[0], self.shape[0] if volume else 1):
            self.block(cells, slice(z, self.shape[0] if volume else z + 1))
        whole = planes is None
        self.controller.on_job_finished(result("predict", "finished" if whole else "stopped"))
        return request

    def block(self, cells: CellSpec, z: slice) -> None:
        part, at = self.probabilities[:, z], (z, slice(0, self.shape[1]), slice(0, self.shape[2]))
        self.controller.on_block(a_block("probabilities", (slice(None), *at), part))
        self.controller.on_block(a_block("boundaries", at, boundary_mask(part, CLASSES, cells.threshold)))
        self.controller.on_block(a_block("cells", at, self.expected(cells)[z]))
        self.controller.on_event(CellsDone(1, 1, 10))
        ranges = ((0, 1), (z.start, z.stop), (0, self.shape[1]), (0, self.shape[2]))
        self.controller.on_event(BlockDone(z.start, 1, 1, ranges))

    def expected(self, cells: CellSpec) -> npt.NDArray[np.int32]:
        """Cells of every slice, straight from the probabilities."""
        planes = np.moveaxis(self.probabilities, 1, 0)
        return np.stack([cells_from_probabilities(p, CLASSES, cells, spacing=(1, 1)) for p in planes])

    def make(self, cells: CellSpec, *, wait: bool = True) -> None:
        self.controller.recutting.make(cells)
        while wait and self.controller.recutting.progress:
            self.controller.recutting.on_made(self.arrived.get(timeout=30))

    def cells(self, name: str = "cells") -> npt.NDArray[Any]:
        return np.asarray(self.viewer.layers[name].data)

    @property
    def said(self) -> str:
        return self.messages[-1].text


def replace_of(spec: CellSpec, **update: Any) -> CellSpec:
    return spec.model_copy(update=update)
