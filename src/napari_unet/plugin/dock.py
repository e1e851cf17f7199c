"""The dock: puts the sections together and connects them with the controller."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from pydantic import ValidationError
from qtpy.QtCore import QTimer

from napari_unet.engine.client import Engine, ModelInfo
from napari_unet.plugin.bridge import Bridge
from napari_unet.plugin.canvas import CanvasKeeper
from napari_unet.plugin.cells.dock import open_cells
from napari_unet.plugin.check_dialog import check_machine
from napari_unet.plugin.checkpoints import KEPT
from napari_unet.plugin.controller import Controller
from napari_unet.plugin.docks import Dock
from napari_unet.plugin.key_tips import KeyTips
from napari_unet.plugin.keymap import KEYMAP
from napari_unet.plugin.keys import Keys
from napari_unet.plugin.lifetime import Lifetime, Outer, later
from napari_unet.plugin.model_files import ModelFiles
from napari_unet.plugin.preferences import Preferences, preferred
from napari_unet.plugin.projects import Projects
from napari_unet.plugin.questions import (
    ask_for_results_file,
    ask_for_weights,
    ask_to_replace,
    ask_which,
)
from napari_unet.plugin.requests import SegmentRequest
from napari_unet.plugin.saving import paths_for
from napari_unet.plugin.scope import draw_rectangle
from napari_unet.plugin.sections.advanced import AdvancedSection
from napari_unet.plugin.sections.annotate import AnnotateSection
from napari_unet.plugin.sections.image import ImageSection
from napari_unet.plugin.sections.model import ModelSection
from napari_unet.plugin.sections.preview import PreviewSection
from napari_unet.plugin.sections.project import ProjectRow
from napari_unet.plugin.sections.segment import SegmentSection
from napari_unet.plugin.sections.setting_rows import ask_for_weights_file
from napari_unet.plugin.sections.train import TrainSection
from napari_unet.plugin.settings import sentence
from napari_unet.plugin.settings_desk import SettingsDesk
from napari_unet.plugin.showing import Showing
from napari_unet.plugin.voxel_size import filed_voxel_size, give_size
from napari_unet.plugin.words import count
from napari_unet.storage.weights import Weights

if TYPE_CHECKING:
    import napari

START_AFTER = 300
"""Milliseconds after which the engine is started, so that the dock is drawn first."""
FEED_AFTER = 200
"""Milliseconds of rest after which strokes are sent to the training that runs."""
START_BY_ITSELF_AFTER = 1000
"""Milliseconds of rest after which strokes start a training."""
COUNT_AFTER = 250
"""Milliseconds after a stroke at which the painted pixels are counted."""
COUNT_WITHIN = 1.7
"""Seconds in which they are counted although the brush does not rest; `COUNT_AFTER` comes on top."""
WATCH_EVERY = 5000


class UNetDock(Dock):
    """The dock of the plugin.

    Parameters
    ----------
    napari_viewer
        Filled in by napari, which goes by this name.
    controller
        Another one than usual, for tests.
    """

    def __init__(self, napari_viewer: napari.Viewer, controller: Controller | None = None) -> None:
        super().__init__(napari_viewer)
        viewer = self._viewer
        self.controller = controller or Controller(viewer, Engine())
        self._bridge = Bridge(self.controller.engine, self.controller, self)
        self._make_sections()
        self._showing = Showing(self, self.controller)
        self.settings = SettingsDesk(self.annotate, self.train, self.advanced, self.status, self.controller, self)
        self._connect_sections()
        self._connect_controller()
        self._use_preferences(Preferences(), preferred().read())
        self._tips = KeyTips(self)
        self._bind_keys()
        preferred().changed.connect(self._use_preferences)
        KEYMAP.changed.connect(self._bind_anew)
        self._lifetime = Lifetime(self, lambda: self.controller.job is not None, self.shut_down)
        canvas = CanvasKeeper(viewer, self)
        self.controller.taking.pointing.changed.connect(lambda mode: canvas.take_focus() if mode else None)
        self._outer = Outer(
            (self._lifetime.forget, canvas.close, self._bridge.close, self._let_go_of_keys, self.controller.close)
        )
        self.destroyed.connect(self._outer.end)
        self._projects = Projects(self.project, self.controller, self)
        self._models = ModelFiles(self.model, self.controller, self)
        self._start_timers()
        self._show_theme()
        self._show_folder()
        self._showing.show_selection()
        self.settings.show()
        self._want()
        self.status.show_message(self.settings.hint())
        self.controller.painter.count()
        self.controller.update()

    # Building

    def _make_sections(self) -> None:
        self.project = ProjectRow()
        self.image = ImageSection()
        self.annotate = AnnotateSection()
        self.train = TrainSection()
        self.preview = PreviewSection()
        self.segment = SegmentSection()
        self.model = ModelSection()
        self.advanced = AdvancedSection()
        sections = (self.image, self.annotate, self.train, self.preview, self.segment, self.model, self.advanced)
        self.fill(sections, above=self.project)

    def _connect_sections(self) -> None:
        c = self.controller
        self.image.image_chosen.connect(lambda name: c.selection.choose_image(self._layer(name)))
        self.image.axes_edited.connect(c.selection.set_axes)
        self.image.size_wanted.connect(self._use_filed_size)
        self.annotate.new_layer.connect(lambda: c.painter.new_layer())
        self.annotate.labels_chosen.connect(lambda name: c.painter.choose(self._layer(name)))
        self.annotate.brush_chosen.connect(c.painter.take_brush)
        self.annotate.next_cell.connect(c.painter.next_cell)
        self.annotate.take_cells.connect(c.taking.point_at_cells)
        self.annotate.take_region.connect(c.taking.drag_region)
        self.train.train.connect(lambda: self._train())
        self.train.go_on.connect(lambda: self._train(go_on=True))
        self.train.pause.connect(c.trainer.pause_or_resume)
        self.train.stop.connect(c.stop)
        self.train.by_itself.toggled.connect(lambda on: setattr(c.trainer.automatic, "on", on))
        self.preview.switched.connect(c.live.switch)
        self.preview.before_toggled.connect(c.comparison.toggle)
        self.preview.opacity_changed.connect(c.live.layer.set_opacity)
        self.preview.unsure_switched.connect(c.live.switch_unsure)
        self.annotate.where_next.connect(c.suggesting.ask)
        self.segment.segment.connect(self._segment)
        self.segment.cancel.connect(c.cancel)
        self.segment.form.changed.connect(c.recutting.make)
        self.segment.form.tune.connect(lambda: c.tuning.start(self.segment.form.value()))
        self.segment.save.connect(self._save_results)
        self.segment.work_on_cells.connect(lambda: open_cells(self._viewer))
        self.segment.scope.draw.connect(self._draw_rectangle)
        self.segment.changed.connect(self._want)
        self.advanced.tiling.edited.connect(self._want)
        self.advanced.machine.edited.connect(self._want)
        self.advanced.check_pressed.connect(lambda: check_machine())

    def _connect_controller(self) -> None:
        c = self.controller
        c.later = partial(later, self, 0)
        c.work.said.connect(self.status.show_message)
        c.work.ended.connect(self._ended)
        c.trainer.weights_missing.connect(self._ask_for_weights)
        c.opened.connect(self._show_model)
        c.keeper.opened.connect(lambda _: self._show_folder())
        c.tuning.found.connect(self.segment.form.take_tuned)
        c.trainer.fetched.connect(self.train.show_download)
        c.saved.connect(self.segment.show_progress)
        c.painter.brush_changed.connect(self.annotate.show_brush)
        c.live.switched.connect(self.preview.show_on)
        c.live.unsure_switched.connect(self.preview.show_unsure)
        c.live.compared.connect(self.preview.show_before)
        c.taking.pointing.changed.connect(self.annotate.show_pointing)
        self._viewer.events.theme.connect(self._show_theme)

    def _start_timers(self) -> None:
        self._counting = QTimer(self)
        self._counting.setSingleShot(True)
        self._counting.setInterval(COUNT_AFTER)
        self._counting.timeout.connect(lambda: self.controller.painter.count())
        self._uncounted_since = 0.0
        self.controller.painter.edited.connect(self._count_soon)
        self._feeding = QTimer(self)
        self._feeding.setSingleShot(True)
        self._feeding.setInterval(FEED_AFTER)
        self._feeding.timeout.connect(self.controller.trainer.feed_strokes)
        self.controller.painter.edited.connect(lambda: self._feeding.start())
        self._starting = QTimer(self)
        self._starting.setSingleShot(True)
        self._starting.setInterval(START_BY_ITSELF_AFTER)
        self._starting.timeout.connect(self._start_by_itself)
        self.controller.painter.edits.stroke.connect(lambda: self._starting.start())
        self._watching = QTimer(self)
        self._watching.setInterval(WATCH_EVERY)
        self._watching.timeout.connect(self.controller.watch)
        self._watching.start()
        self._projects.start()
        later(self, START_AFTER, self._start_engine)

    def _count_soon(self) -> None:
        """Count when the brush rests, and now and then while it does not."""
        if not self._counting.isActive():
            self._uncounted_since = time.monotonic()
        if time.monotonic() - self._uncounted_since < COUNT_WITHIN:
            self._counting.start()

    def _start_engine(self) -> None:
        if not self._outer.ended:
            self.controller.engine.start()

    # What the user has set in napari's preferences

    def _use_preferences(self, before: Preferences, now: Preferences) -> None:
        """Take over what was changed."""
        if (before.device, before.threads) != (now.device, now.threads):
            machine = self.advanced.machine.value()
            update = {"device": now.device, "threads": now.threads}
            self.advanced.machine.setValue(machine.model_copy(update=update))
        if before.preview != now.preview:
            self.preview.box.setChecked(now.preview)

    def _bind_keys(self) -> None:
        c = self.controller
        does: dict[str, Callable[[], None]] = {
            "train": self._train_or_stop,
            "preview": self.preview.box.toggle,
            "unsure": self.preview.unsure.toggle,
            "where_next": c.suggesting.ask,
            "segment": self._segment_slice,
            "next_class": c.painter.next_class,
            "take_cell": c.taking.take_cell,
            "take_region": c.taking.drag_region,
            "before": c.comparison.toggle,
        }
        self._keys = Keys(self._viewer, KEYMAP.bind(does))

    def _bind_anew(self) -> None:
        self._keys.close()
        self._bind_keys()

    def _let_go_of_keys(self) -> None:
        self._tips.close()
        preferred().changed.disconnect(self._use_preferences)
        KEYMAP.changed.disconnect(self._bind_anew)
        self._keys.close()

    # What the user asks for

    def _train(self, *, go_on: bool = False) -> None:
        try:
            spec = self.settings.value(more=go_on)
        except ValidationError as error:
            self.settings.say(f"Change this under Advanced: {sentence(error)}.", "error")
            return
        self.controller.trainer.train(spec, go_on=go_on)

    def _start_by_itself(self) -> None:
        """Train without being asked, if there is enough to learn from."""
        trainer = self.controller.trainer
        try:
            if trainer.due:
                trainer.start_by_itself(self.settings.value(), self.settings.value(more=True))
        except ValidationError:  # is shown under Advanced
            return

    def _ended(self, job: str) -> None:
        if job not in ("predict", "export"):  # something may have been painted meanwhile
            self._starting.start()

    def _ask_for_weights(self, missing: Weights) -> None:
        """Ask before a download; a file of the user's own may take its place."""
        answer = ask_for_weights(self, missing)
        if answer == "download":
            self.controller.trainer.fetch_weights(missing)
        elif answer == "file" and (path := ask_for_weights_file()) is not None:
            start = self.advanced.encoder.value()
            self.advanced.encoder.setValue(start.model_copy(update={"encoder_file": path}))
            self.controller.trainer.train_with_file(path)
        else:
            self.controller.trainer.refuse_weights()

    def _use_filed_size(self) -> None:
        """Give the image, and what was made of it, the voxel size that its file tells."""
        selection = self.controller.selection
        size = filed_voxel_size(selection.image_layer, selection.axes)
        if selection.image_layer is None or size is None:
            return
        given = give_size(self._viewer, selection.image_layer, size)
        selection.refresh()
        self._viewer.reset_view()
        layers = count(len(given), "layer has", "layers have")
        self.controller.work.say(f"{layers} voxels of {size} now.", "good")

    def _segment(self) -> None:
        outputs = self.segment.outputs()
        if not outputs:
            self.controller.work.say(
                "Choose at least one layer to make: boundaries, cells or probabilities.", "error"
            )
            return
        self.controller.segment(self._request())

    def _request(self) -> SegmentRequest:
        """Put together what is wanted of Segment."""
        return self.segment.request(self.advanced.tiling_there())

    def _want(self) -> None:
        self.controller.want(self._request())

    def _draw_rectangle(self) -> None:
        geometry = self.controller.selection.geometry
        if geometry is None:
            self.controller.work.say(self.controller.selection.problem, "error")
            return
        layer = draw_rectangle(self._viewer, geometry)
        layer.events.data.connect(self.controller.segmenting.changed.emit)
        self.controller.work.say("Drag a rectangle over the image, then press Segment.")

    def _save_results(self) -> None:
        c = self.controller
        pieces, selected = c.pieces(), c.pieces(selected=True)
        if selected and len(pieces) > 1:
            answer = ask_which(self, selected[0].layers[0].name, len(pieces))
            if answer == "no":
                return
            pieces = selected if answer == "one" else pieces
        names = [piece.output for piece in pieces]
        image = c.segmenting.order.image.name if c.segmenting.order is not None else "image"
        suggested = image if len(names) > 1 else f"{image}-{names[0]}"
        asked = ask_for_results_file(self, names, f"{suggested}.ome.zarr")
        if asked is None:
            return
        paths = paths_for(*asked, names)
        there = [path for path in paths if path.exists()]
        if not there or ask_to_replace(self, there):
            c.save_results(pieces, paths)

    def _segment_slice(self) -> None:
        if self.segment.segment_button.isEnabled():
            self.segment.scope.choose_slice()
            self._segment()

    def _train_or_stop(self) -> None:
        for made in (self.train.stop_button, self.train.train_button):
            if made.isEnabled():
                made.click()
                return

    def _layer(self, name: str) -> Any:
        return next((layer for layer in self._viewer.layers if layer.name == name), None)

    # What is shown

    def _show_model(self, model: ModelInfo) -> None:
        if all(c.role != "boundary" for c in model.classes):
            self.segment.leave_out("boundaries")

    def _show_folder(self) -> None:
        self.model.show_folder(self.controller.trainer.checkpoints.folder, KEPT)

    def _show_theme(self) -> None:
        theme = get_theme(self._viewer.theme)
        self.train.plot.show_theme(theme.background.as_hex(), theme.text.as_hex())

    # Closing

    def shut_down(self) -> None:
        """End the engine and let go of the viewer; the layers stay."""
        if self._outer.ended:
            return
        self._watching.stop()
        self._counting.stop()
        self._feeding.stop()
        self._starting.stop()
        self._projects.close()
        self._lifetime.close()
        self._viewer.events.theme.disconnect(self._show_theme)
        self._outer.end()


def open_dock(viewer: napari.Viewer) -> None:
    """Open the dock; napari's menu Layers > Segment calls this."""
    viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
