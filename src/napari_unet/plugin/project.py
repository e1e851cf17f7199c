"""Keeps what the user does in a project's folder, from the first stroke on; no Qt here."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Labels, Layer
from psygnal import Signal

from napari_unet.errors import UserError, one_line
from napari_unet.plugin import words
from napari_unet.plugin.arriving import BUSY, Arrivals, choose, take_in, use_folder
from napari_unet.plugin.live import Later
from napari_unet.plugin.members import Member, annotation_now, image_now, is_too_large
from napari_unet.plugin.selection import Selection
from napari_unet.plugin.unnamed import Unnamed
from napari_unet.plugin.work import Work
from napari_unet.plugin.writing import Saving, attempt
from napari_unet.spec import TrainingSpec
from napari_unet.storage import copies, keep
from napari_unet.storage.carry import carry_over
from napari_unet.storage.claim import Claim
from napari_unet.storage.project import SUFFIX, TRAININGS, Project, inside, is_project, read_project

AFTER = 2.0
"""Seconds without a stroke after which it is saved; a brush that moves puts it off."""
LATEST = 15.0
"""Seconds after the first stroke at which it is saved though the brush does not rest."""
REST, LONGEST_REST = 5.0, 60.0
"""Times the duration of a saving, and seconds, until the next: large annotations are not saved all the time."""
AGAIN = 15.0
"""Seconds until the next attempt after one that has failed."""
COPIED_UNNAMED = 2**28
"""Bytes of an image in memory up to which a project without a name has a copy."""

UNNAMED = "Kept in case of a crash; no folder yet."


@dataclass
class _State:
    """A project that is kept."""

    folder: Path
    claim: Claim | None = None
    project: Project = field(default_factory=Project)
    members: list[Member] = field(default_factory=list)
    image: int | None = None
    annotation: int | None = None


class Keeper:
    """Keeps layers, settings and the last training in a folder.

    Parameters
    ----------
    viewer, selection, work
        What is there, what is chosen, and what is at work.
    unnamed
        Where projects are kept that have no name yet.
    later
        Calls an action when napari is done with what it is at.
    training
        Tells the model that Go on would train further.
    clock
        Seconds.
    """

    changed = Signal()
    """What `state` says."""
    left = Signal()
    """Another project is to be opened; the training at hand belongs to the one before."""
    opened = Signal(Project)
    """A project was opened: its settings are to be taken over."""
    adopted = Signal()
    """Its layers are chosen."""
    restored = Signal(object)
    """Path of the model of the project, in its folder."""
    moved = Signal(object)
    """Path of the folder where trainings are saved from now on."""
    saved = Signal(int)
    """A saving has ended; emitted in its thread."""

    def __init__(
        self,
        viewer: ViewerModel,
        selection: Selection,
        work: Work,
        unnamed: Path,
        later: Callable[[], Later],
        training: Callable[[], Path | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._viewer, self._selection, self._work = viewer, selection, work
        self._unnamed, self._training, self._clock = Unnamed(unnamed), training, clock
        self.settings: dict[str, Any] | None = None
        """A `TrainingSpec` as JSON."""
        self._now = _State(self._unnamed.new())
        self._saving = Saving()
        self._version = 0
        """Counts edits."""
        self._written = 0
        self._edited_at = self._first_edit = self._not_before = 0.0
        self._saved_at: float | None = None
        self._error = ""
        self._superseded: Path | None = None
        self._seen: Path | None = None
        """The training that was there at the last tick."""
        self._point: tuple[float, ...] = ()
        selection.changed.connect(self._follow)
        self.arrivals = Arrivals(viewer, later)
        self.arrivals.came.connect(self._go_on_with)
        self._follow()

    # What is known

    @property
    def folder(self) -> Path | None:
        """The folder that the user has chosen, if so."""
        return self._now.folder if self.is_named else None

    @property
    def is_named(self) -> bool:
        """The user has chosen a folder."""
        return not self._unnamed.has(self._now.folder)

    @property
    def state(self) -> str:
        """How things are, in words."""
        name = self._now.folder.name if self.is_named else ""
        if self._error:
            return f"{name or 'Not kept'}: {self._error}"
        if not name:
            return "No folder yet." if self._saved_at is None else UNNAMED
        if self._saved_at is None:
            return f"{name}: saving ..."
        ago = self._clock() - self._saved_at
        return f"{name}: saved " + ("just now" if ago < 5 else f"{words.duration(ago)} ago")

    def lost(self) -> list[Path]:
        """List the projects without a name whose window has ended badly, the last one first."""
        return self._unnamed.lost(but=self._now.folder)

    # What the user does

    def edited(self) -> None:
        """Note that there is something to save."""
        self._edited_at = self._clock()
        if self._version == self._written:
            self._first_edit = self._edited_at
        self._version += 1

    def take_settings(self, spec: TrainingSpec) -> None:
        """Take over what the dock shows."""
        settings = spec.model_dump(mode="json")
        if settings != self.settings:
            self.settings = settings
            self.edited()

    def keep_in(self, folder: Path) -> None:
        """Keep everything in a folder of the user's choice from now on; its name gets the ending ``.unet``."""
        folder = folder if folder.suffix == SUFFIX else folder.with_name(folder.name + SUFFIX)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            cure = "open it with 'Open ...', or choose" if is_project(folder) else "choose"
            self._work.say(f"{folder} is there already: {cure} another name.", "error")
            return
        claim = Claim(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            claim.take()
        except (OSError, UserError) as error:
            self._work.say(f"{one_line(error)}.", "error")
            return
        self._wait()
        before = self._now
        try:
            rest = self._carry_over(folder)
        except (OSError, UserError) as error:
            claim.release()
            shutil.rmtree(folder, ignore_errors=True)  # it was empty
            self._work.say(f"Not everything could be copied into {folder}: {one_line(error)}.", "error")
            return
        self._superseded = None if self.is_named else self._now.folder
        self._let_go()
        self._now = _State(folder, claim, rest, before.members, before.image, before.annotation)
        use_folder(before.members, folder)
        self._saved_at, self._error = None, ""
        self.moved.emit(folder / TRAININGS)
        self.edited()
        self._edited_at -= AFTER
        self.tick()
        large = [m for m in self._now.members if is_too_large(m.layer)]
        if large:
            self._work.say(
                f"'{large[0].layer.name}' is in memory only, and too large to be copied: save it as a file "
                "(File > Save Selected Layers), open that, and go on with it.",
                "warning",
            )

    def tick(self) -> None:
        """Save if it is time; to be called every second."""
        now = self._clock()
        if self._saving.thread is None:
            self._see_what_is_open()
            training = self._training()
            if training not in (None, self._seen) and training.name != self._now.project.training:
                self._version += 1
            self._seen = training
            waiting = self._version > self._written and bool(self._now.members)
            if waiting and now >= max(min(self._edited_at + AFTER, self._first_edit + LATEST), self._not_before):
                self._start()
        self.changed.emit()

    def on_saved(self, _: int) -> None:
        """Take over what a saving has come to."""
        saving = self._saving
        if saving.thread is None or not saving.ended:
            return  # it was waited for
        saving.thread = None
        self._now.claim = saving.claim
        end = self._clock()
        if saving.error:
            self._not_before = end + AGAIN
            if saving.error != self._error:
                self._work.say(f"The project could not be saved: {saving.error} It is tried again.", "warning")
            self._error = saving.error
        else:
            self._written, self._error = saving.version, ""
            self._first_edit = saving.began
            self._not_before = end + min(REST * (end - saving.began), LONGEST_REST)
        if saving.result is not None:
            self._now.project, self._saved_at = saving.result, end
            self._bring_training_in()
            self._forget_superseded()
        self.changed.emit()

    def close(self) -> None:
        """Save what is not saved yet, and let go of the folder."""
        self._selection.changed.disconnect(self._follow)
        self.arrivals.close()
        self.flush(closed=True)
        self._let_go()

    def flush(self, *, closed: bool = False) -> None:
        """Save what is not saved yet, and wait for it."""
        self._wait()
        if self._now.members and (self._version > self._written or (closed and self._now.claim is not None)):
            self._start(closed=closed)
            self._wait()

    # Saving

    def _start(self, *, closed: bool = False) -> None:
        now, state = self._snapshot(closed=closed), self._now
        saving = self._saving = Saving(began=self._clock(), version=self._version, claim=state.claim)
        largest = copies.LARGEST if self.is_named else COPIED_UNNAMED

        def work() -> None:
            attempt(saving, state.folder, now, state.project, largest)
            saving.ended = True
            self.saved.emit(saving.version)

        saving.thread = threading.Thread(target=work, name="keeping", daemon=True)
        saving.thread.start()

    def _wait(self) -> None:
        if self._saving.thread is not None:
            self._saving.thread.join()
            self.on_saved(self._saving.version)

    def _snapshot(self, *, closed: bool) -> keep.Now:
        return keep.Now(
            tuple(image_now(m) for m in self._images()),
            tuple(annotation_now(m) for m in self._annotations()),
            self._now.image,
            self._now.annotation,
            self._point,
            self.settings,
            self._training(),
            closed,
        )

    def _bring_training_in(self) -> None:
        """Go on with the copy of a training in the project from now on, rather than with the one elsewhere."""
        name, current = self._now.project.training, self._training()
        if name is None or current is None or not self.is_named or self._work.job is not None:
            return
        path = inside(self._now.folder, f"{TRAININGS}/{name}")
        if path.resolve() != current.resolve() and current.name == name:
            self.restored.emit(path)

    def _carry_over(self, folder: Path) -> Project:
        """Bring what no layer holds any more into another folder."""
        images, annotations = ({m.id for m in found} for found in (self._images(), self._annotations()))
        old, project = self._now.folder, self._now.project
        return carry_over(old, folder, project, images, annotations, training=self._training() is None)

    def _forget_superseded(self) -> None:
        """Remove the project without a name that has got one, once nothing is needed of it."""
        folder, training = self._superseded, self._training()
        if folder is not None and (training is None or not training.is_relative_to(folder)):
            shutil.rmtree(folder, ignore_errors=True)
            self._superseded = None

    # Layers

    def _images(self) -> list[Member]:
        return [m for m in self._now.members if not isinstance(m.layer, Labels)]

    def _annotations(self) -> list[Member]:
        return [m for m in self._now.members if isinstance(m.layer, Labels)]

    def _follow(self) -> None:
        """Take in the layers that are worked on now."""
        chosen = self._selection
        if chosen.image_layer is not None and chosen.image is not None:
            member = self._join(chosen.image_layer)
            if (member.axes, self._now.image) != (chosen.axes, member.id):
                member.axes, self._now.image = chosen.axes, member.id
                self.edited()
        if (
            chosen.labels_layer is not None
            and (member := self._join(chosen.labels_layer)).id != self._now.annotation
        ):
            self._now.annotation = member.id
            self.edited()

    def _join(self, layer: Layer) -> Member:
        for member in self._now.members:
            if member.layer is layer:
                return member
        project = self._now.project
        ids = [k.id for k in (*project.images, *project.annotations)] + [m.id for m in self._now.members]
        member = Member(max(ids, default=0) + 1, layer)
        self._now.members.append(member)
        return member

    def _see_what_is_open(self) -> None:
        """Note what is looked at, and what has been closed; all at once is not, for that is how a window ends."""
        if not len(self._viewer.layers):
            return
        self._point = tuple(float(p) for p in self._viewer.dims.point)
        for member in self._now.members:
            if member.is_open != (member.layer in self._viewer.layers):
                member.is_open = not member.is_open
                self._version += 1

    # Opening

    def _go_on_with(self, folder: Path) -> None:
        """Go on with the project that layers have come from."""
        if folder == self._now.folder:
            self._take_in(self._now.project)
        elif self._work.job is not None:
            self._work.say(
                f"{folder.name} was opened while a job runs: {BUSY}. What you do in its layers is not kept there: "
                "close them and open it again.",
                "error",
            )
        else:
            self._adopt(folder)

    def _adopt(self, folder: Path) -> None:
        claim = Claim(folder)
        try:
            project = read_project(folder)
            claim.take()
        except UserError as error:
            self._work.say(f"{error}: what you do here is not kept. Close it there and open it again.", "error")
            return
        self.flush(closed=True)
        self._superseded = None
        self._let_go()
        self._now = _State(folder, claim, project)
        self._saved_at, self._error = self._clock(), ""
        self.left.emit()
        if self.is_named:
            self.moved.emit(folder / TRAININGS)
        self.opened.emit(project)
        self._take_in(project)
        if len(project.point) == self._viewer.dims.ndim:
            self._point = project.point
            self._viewer.dims.set_point(range(len(project.point)), project.point)
        if project.training is not None:
            self._restore(folder, project.training)
        own = [
            f" '{a.look.name}' is painted into {a.path}."
            for a in project.annotations
            if a.path and a.is_open and not a.as_opened
        ]
        name = folder.name if self.is_named else "What was not kept in a folder"
        text = f"{name} is as it was left, and is kept up to date by itself from now on.{''.join(own)}"
        self._work.say(text, "good")
        self._written = self._version
        self.changed.emit()

    def _take_in(self, project: Project) -> None:
        """Take in the layers that came from the project, and choose those that were worked on."""
        now = self._now
        now.members = take_in(self._viewer, now.folder, project, now.members)
        now.image, now.annotation = project.image, project.annotation
        choose(self._viewer, self._selection, project, now.members)
        self.adopted.emit()

    def _restore(self, folder: Path, name: str) -> None:
        try:
            path = inside(folder / TRAININGS, name)
        except UserError as error:
            self._work.say(str(error), "error")
            return
        if path.is_file():
            self.restored.emit(path)

    def _let_go(self) -> None:
        """Release the folder; of projects without a name the last ones are kept."""
        if self._now.claim is not None:
            self._now.claim.release()
        self._unnamed.tidy({self._superseded})
        self._now = _State(self._unnamed.new())
