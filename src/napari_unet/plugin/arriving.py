"""Layers that come from a project: noticing them, and choosing those that were worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Labels, Layer
from psygnal import Signal

from napari_unet.plugin.annotation import brush_size
from napari_unet.plugin.live import Later
from napari_unet.plugin.members import Member
from napari_unet.plugin.opening import note_of
from napari_unet.plugin.selection import Selection
from napari_unet.storage.project import Project

BUSY = "wait for the end of what is at work, or press Stop"


class Arrivals:
    """Notices layers that come from a project.

    Parameters
    ----------
    viewer
        Where they come.
    later
        Calls an action when napari is done with what it is at.
    """

    came = Signal(object)
    """Path of the folder of the project."""

    def __init__(self, viewer: ViewerModel, later: Callable[[], Later]) -> None:
        self._viewer, self._later = viewer, later
        self._new: list[Layer] = [layer for layer in viewer.layers if note_of(layer) is not None]
        """Those that are not looked at yet."""
        viewer.layers.events.inserted.connect(self._inserted)

    def close(self) -> None:
        """Let go of the viewer."""
        self._viewer.layers.events.inserted.disconnect(self._inserted)

    def look(self) -> None:
        """Tell of the project that layers have come from, if any have since the last time."""
        new, self._new = self._new, []
        if new:
            self.came.emit(Path((note_of(new[-1]) or {})["folder"]))

    def _inserted(self, event: Any) -> None:
        if note_of(event.value) is not None:
            self._new.append(event.value)
            self._later()(self.look)


def take_in(viewer: ViewerModel, folder: Path, project: Project, before: Iterable[Member]) -> list[Member]:
    """Make members of the layers that came from a project.

    Parameters
    ----------
    viewer
        Where they are.
    folder, project
        The project.
    before
        Layers that are members already.
    """
    members = {(isinstance(m.layer, Labels), m.id): m for m in before}
    for layer in viewer.layers:
        note = note_of(layer)
        if note is not None and Path(note["folder"]) == folder:
            members.setdefault((isinstance(layer, Labels), int(note["id"])), Member(int(note["id"]), layer))
    for image in project.images:
        if (False, image.id) in members:
            members[False, image.id].axes = image.axes
    return list(members.values())


def choose(viewer: ViewerModel, selection: Selection, project: Project, members: Iterable[Member]) -> None:
    """Choose the layers that were worked on."""
    known = {(isinstance(m.layer, Labels), m.id): m for m in members}
    image, annotation = known.get((False, project.image or 0)), known.get((True, project.annotation or 0))
    for (labels, _), member in known.items():
        if not labels and member.axes:  # before it is chosen: what is guessed would be kept for what was told
            selection.tell_axes(member.layer, member.axes)
    if image is not None:
        selection.choose_image(image.layer)
    if annotation is not None:
        annotation.layer.brush_size = brush_size(annotation.layer.data.shape[-2:])
        selection.choose_labels(annotation.layer)
        viewer.layers.selection.active = annotation.layer


def use_folder(members: Iterable[Member], folder: Path) -> None:
    """Note in layers that came from a project that they are in another folder from now on."""
    for member in members:
        if (note := note_of(member.layer)) is not None:
            note["folder"] = str(folder)
