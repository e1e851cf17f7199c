"""A segmentation: begun, written into layers, cancelled, gone on with; no Qt here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from psygnal import Signal

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.engine.client import Block, Engine, JobResult, OutputInfo
from napari_unet.errors import UserError
from napari_unet.events import BlockDone, Event
from napari_unet.plugin import words
from napari_unet.plugin.decide import Message
from napari_unet.plugin.kept import keep
from napari_unet.plugin.layers import Geometry, plane_at
from napari_unet.plugin.outcome import Standing, amount_of, found
from napari_unet.plugin.plane_layer import take_the_place
from napari_unet.plugin.provenance import CANCELLED, REMADE, in_parts, of_output, with_notes
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.plugin.results import Piece, Results, Wanted
from napari_unet.plugin.saving import Saved, describe
from napari_unet.plugin.scope import find_region
from napari_unet.plugin.selection import Selection
from napari_unet.plugin.store import Store
from napari_unet.plugin.tally import Tally
from napari_unet.spec import CellSpec, Output, Record
from napari_unet.storage.budget import is_full


@dataclass(frozen=True)
class Order:
    """Everything that rules what the blocks of a segmentation hold."""

    image: Image
    geometry: Geometry
    region: Region
    request: SegmentRequest
    model: int

    def equals(self, other: Order) -> bool:
        """Whether the blocks of one can be used for the other."""
        return self.image.data is other.image.data and self._facts == other._facts

    @property
    def _facts(self) -> tuple[object, ...]:
        request = self.request
        settings = request.outputs, request.cells, request.tiling
        return self.image.axes, self.image.spacing, self.geometry, self.region, settings, self.model


class Segmenting:
    """Orders segmentations of the engine and writes what comes into layers.

    Parameters
    ----------
    viewer, selection, engine
        Where the layers go, what is segmented, and by whom.
    store
        Makes the arrays of results.
    """

    changed = Signal()
    """It may be gone on with, or not any more."""
    edited = Signal()
    """What was computed was edited, or the edits were undone."""
    deleted = Signal(str)
    """Name of a layer of the results."""

    def __init__(
        self, viewer: ViewerModel, selection: Selection, engine: Engine, store: Store | None = None
    ) -> None:
        self._viewer, self._selection, self._engine = viewer, selection, engine
        self._store = store or Store()
        self.models = 0
        """Counts the models that the engine has had: another number, another model."""
        self.results: Results | None = None
        self.order: Order | None = None
        """Of the last segmentation."""
        self.tally = Tally()
        self._going_on = self._complete = self._begun = False
        """Going on with the one before; all is done; there are layers for it."""
        self._flat = False
        """Cells are those of slices."""
        self.lacking = ""
        """What is missing in the results, in words; empty if nothing is."""
        self._records: dict[Region, Record] = {}
        """How each part of the results was made."""
        self._problem = ""
        """Why nothing can be written any more, in words."""
        self._not_kept = ""
        """Why the probabilities are not kept, in words."""
        viewer.dims.events.point.connect(self._moved)
        viewer.layers.events.removed.connect(self._removed)

    def close(self) -> None:
        """Let go of the viewer."""
        self._viewer.dims.events.point.disconnect(self._moved)
        self._viewer.layers.events.removed.disconnect(self._removed)

    def _removed(self, event: Any) -> None:
        if self._begun and self.results is not None and event.value in self.results.layers:
            self.deleted.emit(event.value.name)
            self.changed.emit()

    def _touched(self) -> None:
        self.edited.emit()
        self.changed.emit()

    def _moved(self) -> None:
        if self.order is not None and not self._complete:
            self.changed.emit()

    def region(self, request: SegmentRequest) -> tuple[Image, Geometry, Region]:
        """Tell what a request means for the layers as they are now; raise `UserError` if nothing."""
        image, geometry = self._selection.require()
        return image, geometry, self._region(request, image)

    def _region(self, request: SegmentRequest, image: Image) -> Region:
        layer = self._selection.image_layer
        assert layer is not None
        ranges = (request.t, request.z)
        return find_region(self._viewer, layer, image, request.scope, through=request.through, ranges=ranges)

    def _in_view(self, image: Image) -> tuple[int, int]:
        """Tell which plane (t, z) of the image is looked at."""
        layer = self._selection.image_layer
        assert layer is not None
        return plane_at(layer, image, self._viewer.dims.point)

    def can_go_on(self, request: SegmentRequest | None) -> bool:
        """Whether a request would go on with what was cancelled: nothing has changed since."""
        return self._stands(request) and self.results is not None and self.results.untouched

    def _stands(self, request: SegmentRequest | None) -> bool:
        """Whether a request is that of what was cancelled: nothing has changed since, but perhaps its layers."""
        if request is None or self._complete or not self._begun or self.order is None or self.results is None:
            return False
        image, geometry = self._selection.image, self._selection.geometry
        if image is None or geometry is None:
            return False
        if any(cells != request.cells for cells in self.results.probabilities.made.values()):
            return False
        try:
            region = self._region(request, image)
        except UserError:
            return False
        return self.order.equals(Order(image, geometry, region, request, self.models))

    def begin(self, request: SegmentRequest, model: Path | None) -> bool:
        """Order a segmentation.

        Parameters
        ----------
        request
            What.
        model
            Model file for the engine to read first.

        Returns
        -------
        bool
            Whether it goes on with the last one.

        Raises
        ------
        UserError
            If it cannot be done.
        """
        image, geometry, region = self.region(request)
        if model is None:
            self.check_channels(image)
        going_on = self.can_go_on(request)
        self._engine.predict(
            image,
            _with_probabilities(request.outputs),
            model=model,
            tiling=request.tiling,
            cells=request.cells,
            region=region,
            done=self.tally.done if going_on else (),
            view=self._in_view(image),
        )
        if not going_on:
            self.order = Order(image, geometry, region, request, self.models)
            self.tally, self._begun = Tally(), False
        self.tally.go_on()
        self._going_on, self._complete, self._problem = going_on, False, ""
        return going_on

    def check_channels(self, image: Image) -> None:
        """Raise `UserError` unless an image has the channels that the model needs."""
        model = self._engine.model
        if model is not None and model.net.in_channels != image.size("C"):
            raise UserError(
                f"the model needs {words.count(model.net.in_channels, 'channel', 'channels')}, "
                f"'{image.name}' has {image.size('C')}: choose another image or correct its axes"
            )

    def allocate(self, outputs: tuple[OutputInfo, ...], keep: Layer | None) -> bool:
        """Make the layers of the segmentation that begins, or take those of the one before.

        Parameters
        ----------
        outputs
            What will come.
        keep
            A layer that stays visible when earlier results are hidden.

        Returns
        -------
        bool
            False if there is no room for them: the reason comes with `end`.
        """
        order, model = self.order, self._engine.model
        if order is None or model is None:
            return False
        one_slice = order.region.shape[0] * order.region.shape[1] == 1
        shown = [o for o in outputs if o.output in order.request.outputs]
        names = [o.output for o in shown]
        before = self.results if one_slice else None
        again = before is not None and before.reusable(names, order.geometry, order.region)
        cells_before = None if self.results is None else self.results.cells
        if not (self._going_on or again):
            self.set_aside(keep)
            self.results = Results(
                self._viewer, order.geometry, order.image.result_axes, model.classes, self._store
            )
            self._records = {}
            self.results.touched.connect(self._touched)
            self.results.restored.connect(self._touched)
        assert self.results is not None
        try:
            self.results.allocate([Wanted(o.output, o.dtype) for o in shown], order.region)
        except (UserError, OSError) as error:
            self.results, self._problem = None, str(error)
            return False
        if not self._going_on:
            self._flat = flat = model.net.ndim == 2 or order.region.shape[1] == 1
            take_the_place(self._viewer, cells_before, self.results.cells)
            self.results.begin_anew(cells_before, order.request.cells.min_size, flat=flat)
        more = len(shown) < len(outputs)
        self._not_kept = self.results.probabilities.make_room() if more else ""
        self._begun = True
        if self._engine.record is not None:
            self._records[order.region] = self._engine.record
        self._tell_records()
        return True

    def _tell_records(self, *notes: str) -> None:
        """Note in the layers how they are made, and what no command line repeats."""
        order, results = self.order, self.results
        if order is None or results is None or order.region not in self._records:
            return
        record, cells = self._records[order.region], order.request.cells
        more = [*notes, *in_parts(self._records, order.region, order.image)]
        outputs: set[Output] = {piece.output for piece in results.pieces()}
        results.tell_records({o: with_notes(of_output(record, o, cells), more) for o in outputs})

    def write(self, block: Block) -> bool:
        """Write a block into its layer; False if it cannot be written: the reason comes with `end`."""
        if self.results is None or self._problem:
            return True
        try:
            self.results.write(block.output, block.index, block.array)
        except OSError as error:
            reason = "its disk is full" if is_full(error) else str(error)
            self._problem = (
                f"The results cannot be written to {self._store.place} ({reason}): make room there, "
                "then press Go on (under Segment). What is finished is kept."
            )
            return False
        return True

    def follow(self, event: Event) -> None:
        """Note what the job reports."""
        if not (self._problem and isinstance(event, BlockDone)):  # of those nothing is in the layers
            piece = self.tally.follow(event, None if self.order is None else self.order.image)
            if piece is not None:
                self._note_cells(piece)
        if self.results is not None:
            self.results.refresh_if_due()

    def _note_cells(self, piece: Region) -> None:
        """Note that a piece has cells, and what they were made of."""
        if self.results is not None and self.order is not None and "cells" in self.order.request.outputs:
            self.results.probabilities.note(piece, self.order.request.cells)

    def tell_kept(self) -> None:
        """Let others find the probabilities by the layer of cells that were made of them."""
        cells = self.results.cells if self.results is not None else None
        kept = self.results.probabilities.kept if self.results is not None else None
        if cells is not None and kept is not None:
            keep(cells, kept)

    def note_remade(self, cells: CellSpec) -> None:
        """Note that all cells have been made anew."""
        if self.order is not None:
            self.order = replace(self.order, request=replace(self.order.request, cells=cells))
            self._tell_records(REMADE)
        self.tell_kept()
        self.changed.emit()

    def end(self, result: JobResult) -> Message | None:
        """Close a segmentation; returns what has to be said instead of the usual."""
        self._complete = result.outcome == "finished" and not self._problem
        self.tally.progress = ""
        if self.results is not None:
            self.results.finish()
            self.tell_kept()
            if not self._complete:
                self._tell_records(CANCELLED)
        standing = self._standing()
        if standing is not None:
            self.lacking = "" if self._complete else standing.amount.missing
        if self._problem:
            return Message(self._problem, "error")
        if self._complete and standing is not None:
            return self._tell_found(standing)
        return Message(f"Cancelled: {self.rest}.") if result.outcome == "stopped" else None

    def _tell_found(self, standing: Standing) -> Message:
        if standing.gone:
            return Message(standing.finished, "warning")
        if self._not_kept:
            why = f"Changing the method later takes the network again: {self._not_kept}."
            return Message(f"{standing.begin} {why}", "warning")
        if self.tally.notes and self.order is not None and self.order.request.tiling.halo == "auto":
            return Message(f"{standing.begin} {words.sentence(self.tally.notes[-1])}", "good")
        return Message(standing.finished, "good")

    def _standing(self, request: SegmentRequest | None = None) -> Standing | None:
        """Tell where the last segmentation stands for a request, or for the same again; None without layers."""
        order, results = self.order, self.results
        if order is None or results is None or not self._begun:
            return None
        cells = self.tally.cells if results.cells is not None else 0
        return Standing(
            amount_of(order.region, self.tally.done, self.tally.blocks),
            found(cells, order.region, flat=self._flat) if cells else "",
            len(results.layers),
            tuple(str(x.name) for x in results.gone),
            tuple(str(x.name) for x in results.edited),
            results.lasting,
            self._stands(request or order.request),
        )

    @property
    def rest(self) -> str:
        """How much is finished, and what Segment does next, in words."""
        standing = self._standing()
        return "nothing was begun yet" if standing is None else standing.cancelled

    def tell_edit(self, request: SegmentRequest | None) -> str:
        """Say what an edit, or that it was undone, means for what Segment would do; empty if nothing."""
        standing = self._standing(request)
        return "" if standing is None else standing.after_edit

    def tell_deletion(self, names: Sequence[str], request: SegmentRequest | None, *, running: bool) -> str:
        """Say what the deletion of result layers means; empty if nothing."""
        standing = self._standing(request)
        return "" if standing is None else standing.after_deletion(names, running=running)

    @property
    def account(self) -> str:
        """What is being done, and what the job has noted about it."""
        if self.order is None:
            return ""
        begun = f"{'Going on with' if self._going_on else 'Segmenting'} {words.extent(self.order.region)}"
        return " ".join(words.sentence(text) for text in (begun, *self.tally.notes))

    def describe(self, pieces: Sequence[Piece], paths: Sequence[Path]) -> list[Saved]:
        """Tell how results are saved."""
        assert self.order is not None
        axes = self.order.geometry.axes
        return [describe(piece, path, axes) for piece, path in zip(pieces, paths, strict=True)]

    def set_aside(self, keep: Layer | None) -> None:
        """Hide the results until they are filled again."""
        if self.results is not None:
            self.results.set_aside(keep=keep)


def _with_probabilities(outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    """Ask for the probabilities of cells, too: they are kept, so that the cells can be made anew."""
    more = "cells" in outputs and "probabilities" not in outputs
    return (*outputs, "probabilities") if more else outputs
