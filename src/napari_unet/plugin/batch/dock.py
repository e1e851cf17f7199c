"""The dock for batches: many images are segmented by one model, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_unet.arrays.region import parse_range
from napari_unet.errors import UserError, one_line
from napari_unet.events import BatchBegun, BatchProgress, Event, Finished, ImageDone, Note, Preparing
from napari_unet.plugin.batch.choices import ModelSection, MoreSection, ResultsSection
from napari_unet.plugin.batch.inputs import InputsSection
from napari_unet.plugin.batch.layers import INPUTS, layers_of
from napari_unet.plugin.batch.preparing import Prepared, command_line, preparing
from napari_unet.plugin.batch.run_section import RunSection
from napari_unet.plugin.batch.running import Running
from napari_unet.plugin.cells.background import Background, Outcome
from napari_unet.plugin.decide import Kind, Message
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.docks import Dock, share_the_room
from napari_unet.plugin.lifetime import Lifetime, Outer, later, window_of
from napari_unet.plugin.words import count
from napari_unet.spec import BatchSpec

if TYPE_CHECKING:
    import napari

PATIENCE = 10_000
"""Milliseconds that a batch gets to stop, before it can be ended at once."""
Then = Callable[[BatchSpec], None]
WHAT_TO_DO = "Choose a model, images and a folder for the results, then press Run."
ONE_FAILED = "go to its row to see why. Run tries only this one again."
SOME_FAILED = "go to their rows to see why. Run tries only these again."
READY = "Press Run when all is chosen."


class BatchDock(Dock):
    """The dock for batches.

    Parameters
    ----------
    napari_viewer
        Filled in by napari, which goes by this name.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__(napari_viewer)
        viewer = self._viewer
        self.model, self.results, self.more = ModelSection(), ResultsSection(), MoreSection()
        self.inputs, self.run = InputsSection(viewer), RunSection()
        self.running, self._copies = Running(), Background()
        self._patience = QTimer(self, singleShot=True, interval=PATIENCE)
        self._of_dock: Path | None = None
        """The model that was taken from the other dock, if it is not saved."""
        self._spec: BatchSpec | None = None
        """The batch in the table."""
        self._refusal = ""
        """Why a batch could not be prepared, as it was said."""
        self.fill((self.model, self.inputs, self.results, self.more, self.run))
        self._connect()
        self._lifetime = Lifetime(self, lambda: self.running.busy, self.shut_down)
        self._outer = Outer(
            (self._lifetime.forget, self.inputs.close_events, self._copies.close, self.running.close)
        )
        self.destroyed.connect(self._outer.end)
        later(self, 0, partial(share_the_room, self))
        self._say(WHAT_TO_DO)

    def _connect(self) -> None:
        for section in (self.model, self.inputs, self.results, self.more):
            section.changed.connect(self._forgive)
        self.model.from_dock.connect(self._take_from_dock)
        self.inputs.added.connect(lambda path: self.results.suggest(path.parent / f"{path.stem} segmented"))
        self.run.run.connect(lambda: self._prepare(self._start))
        self.run.stop.connect(self._stop)
        self.run.command.connect(lambda: self._prepare(self._show_command))
        self.run.table.opened.connect(self._open)
        self.run.table.looked_at.connect(self._tell_of)
        self.running.happened.connect(self._follow)
        self.running.ended.connect(self._ended)
        self._copies.progressed.connect(self.run.show_preparing)
        self._patience.timeout.connect(self.run.show_unwilling)

    # What the user asks for

    def _take_from_dock(self) -> None:
        window = window_of(self)
        docks = [] if window is None else window.findChildren(UNetDock)
        dock = next((d for d in docks if d.controller.model.file is not None), None)
        if dock is None:
            self._refuse("The dock 'U-Net' has no model: train one there, open one, or choose a file.")
            return
        model, trainings = dock.controller.model.file, dock.controller.trainer.checkpoints
        assert model is not None
        self._of_dock = model if trainings.holds(model) else None
        self.model.path.setText(str(model))
        self.more.cells.setValue(dock.segment.form.value())
        self.more.tiling.setValue(dock.advanced.tiling_there())
        self._say("The model of the dock 'U-Net' is taken, with its settings for device, tiles and cells.")

    def value(self, layers: Sequence[str], model: Path) -> BatchSpec:
        """Put together what is wanted.

        Parameters
        ----------
        layers
            Their files, or names.
        model
            Its file.

        Raises
        ------
        UserError, pydantic.ValidationError
            If something is missing or wrong.
        """
        more, folder = self.more, self.results.chosen_folder()
        assert folder is not None
        if not self.results.outputs():
            raise UserError("Choose at least one result: cells, boundaries, classes or probabilities")
        return BatchSpec(
            model=model,
            inputs=(*layers, *self.inputs.paths()),
            folder=folder,
            outputs=self.results.outputs(),
            format=self.results.chosen_format(),
            recursive=self.inputs.recursive.isChecked(),
            measure=self.results.measures(),
            axes=more.axes.text().strip() or None,
            channel=None if more.channel.value() < 0 else more.channel.value(),
            t=parse_range("Times", more.t.text().strip() or None),
            z=parse_range("Slices", more.z.text().strip() or None),
            tiling=more.tiling.value(),
            cells=more.cells.value(),
        )

    def _prepare(self, then: Then) -> None:
        """Copy what has no file of its own, in a thread, then go on with the batch as it is to be."""
        try:
            model, folder = self._needed()
            layers = self.inputs.layers()
            draft = self.value([str(layer.name) for layer in layers], model)
            work = preparing(layers, model, folder, passing=model == self._of_dock)
        except (UserError, ValidationError, OSError) as error:
            self._refuse(f"{one_line(error)}.")
            return
        if layers:
            self._say(f"Looking at the layers: what has no file of its own is saved in {folder / INPUTS} first.")
        self.run.show_busy(True)
        self._copies.start(work, partial(self._prepared, then, draft))

    def _needed(self) -> tuple[Path, Path]:
        model, folder = self.model.value(), self.results.chosen_folder()
        if model is None:
            raise UserError("Choose a model: a file, or that of the dock 'U-Net'")
        if not model.is_file():
            raise UserError(f"There is no model {model}; choose another file")
        if not self.inputs.layers() and not self.inputs.paths():
            raise UserError("Choose images: check layers in the list, or add files or a folder")
        if folder is None:
            raise UserError("Choose a folder for the results")
        return model, folder

    def _prepared(self, then: Then, draft: BatchSpec, outcome: Outcome) -> None:
        """Go on with the files of the layers in the place of their names."""
        self.run.show_busy(False)
        if outcome.cancelled:
            self._say("Stopped before the batch began.")
        elif outcome.error:
            self._refuse(f"The batch could not be prepared: {outcome.error}.")
        else:
            found: Prepared = outcome.value
            inputs = (*(str(path) for path in found.files), *draft.inputs[len(found.files) :])
            then(draft.model_copy(update={"model": found.model, "inputs": inputs}))

    def _start(self, spec: BatchSpec) -> None:
        self._spec = spec
        self.run.table.show_names(())
        self.run.show_busy(True)
        self._say("Starting. You can go on working in the window meanwhile.")
        self.running.start(spec)

    def _stop(self) -> None:
        if self._copies.busy:
            self._copies.cancel()
        elif self.running.stopping:
            self.running.kill()
        else:
            self.running.stop()
            self.run.show_busy(True, stopping=True)
            self._patience.start()

    def _show_command(self, spec: BatchSpec) -> None:
        text = command_line(spec)
        self.run.show_command(text)
        QApplication.clipboard().setText(text)
        self._say("The command line is copied. It does the same, and goes on with what was begun here.", "good")

    def _open(self, row: ImageDone) -> None:
        """Open an image and its results as layers."""
        if self._spec is None:
            return
        try:
            layers = layers_of(row, self._spec)
        except (UserError, OSError) as error:
            self._say(f"{row.name}: {one_line(error)}.", "error")
            return
        for layer in layers:
            self._viewer.add_layer(layer)
        self._viewer.reset_view()
        self._tell_of(row)

    def _tell_of(self, row: ImageDone) -> None:
        """Say what a row is about."""
        if self.running.busy:
            return
        if row.status == "failed":
            self._say(f"{row.name} failed: {row.message}. Run tries it again.", "error")
        elif row.message:
            self._say(f"{row.name}: {row.message}.", "warning")
        else:
            self._say(f"{row.name}: {', '.join(row.outputs)} in {self._spec.folder if self._spec else ''}.")

    # What happens

    def _follow(self, event: Event) -> None:
        match event:
            case BatchBegun():
                self.run.table.show_names(event.names)
            case ImageDone():
                self.run.table.show_row(event)
            case BatchProgress() | Preparing():
                self.run.show_progress(event)
            case Note():
                self._say(f"{event.text[:1].upper()}{event.text[1:]}.", "warning" if event.warning else "info")
            case Finished():
                self._tell_end()

    def _tell_end(self) -> None:
        """Say what became of the batch."""
        rows = self.run.table.rows
        failed = sum(row.status == "failed" for row in rows)
        table = f"The table is {self._spec.folder / 'summary.csv'}." if self._spec else ""
        if failed:
            went = f"{failed} of {count(len(rows), 'image', 'images')} failed"
            self._say(f"{went}: {ONE_FAILED if failed == 1 else SOME_FAILED} {table}", "warning")
        else:
            self._say(f"{count(len(rows), 'image is', 'images are')} segmented. {table}", "good")

    def _ended(self, problem: str) -> None:
        self._patience.stop()
        self.run.show_busy(False)
        self.run.table.show_stopped()
        if problem:
            self._say(f"{problem}.", "error")
        elif self.running.stopped:
            self._say("Stopped. What is finished is kept: Run goes on there, even another day.")

    def _refuse(self, text: str) -> None:
        """Say an error that is true until something is changed."""
        self._refusal = text
        self._say(text, "error")

    def _forgive(self) -> None:
        """Take a refusal away as soon as something is changed: it may be cured. How a batch ended stays."""
        if self._refusal and self.status.message.text == self._refusal:
            self._refusal = ""
            self._say(READY)

    def _say(self, text: str, kind: Kind = "info") -> None:
        self.status.show_message(Message(text, kind))

    def shut_down(self) -> None:
        """Stop, and let go of the viewer; what is finished is kept."""
        if not self._outer.ended:
            self._lifetime.close()
            self._outer.end()


def open_batch(viewer: napari.Viewer) -> None:
    """Open the dock for batches as a tab beside others, or bring it to the front; a menu of napari calls this."""
    dock, _ = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net batch", tabify=True)
    dock.show()
    dock.raise_()
