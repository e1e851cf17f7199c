"""What the user is told when other layers are chosen, or chosen ones are deleted."""

from __future__ import annotations

from collections.abc import Callable

from napari_unet.plugin import words
from napari_unet.plugin.decide import Job, Message
from napari_unet.plugin.live import Later
from napari_unet.plugin.selection import Selection

WELCOME = "Make an annotation layer, paint some strokes, press Train; improve them while you watch."
PAINT = "Paint some strokes of each class, press Train; improve them while you watch."


def hint(selection: Selection, *, model: bool) -> Message:
    """Say what can be done with the layers that are chosen.

    Parameters
    ----------
    selection
        What is chosen.
    model
        There is one to segment with.
    """
    image = selection.image
    if image is None:
        return Message(selection.problem, "warning" if selection.image_layer is not None else "info")
    if model:
        return Message(f"'{image.name}' is chosen: press Segment, or paint and train.")
    return Message(PAINT if selection.labels_layer is not None else WELCOME)


class Notices:
    """Says a hint when the choice changes, so that no sentence about another image stays.

    Parameters
    ----------
    selection
        What is followed.
    job, model
        Tell what is at work, if anything, and whether there is a model.
    say
        Shows a message.
    later
        Calls something when all layers that are being deleted have gone.
    """

    def __init__(
        self,
        selection: Selection,
        job: Callable[[], Job | None],
        model: Callable[[], bool],
        say: Callable[[Message], None],
        later: Later,
    ) -> None:
        self._selection, self._job, self._model, self._say, self._later = selection, job, model, say, later
        self._choice = self._chosen()
        self._gone: list[str] = []
        selection.changed.connect(self._changed)
        selection.gone.connect(self._deleted)

    def _chosen(self) -> tuple[object, ...]:
        return self._selection.image_layer, self._selection.axes, self._selection.labels_layer

    def _changed(self) -> None:
        before, self._choice = self._choice, self._chosen()
        if before != self._choice and self._job() is None:
            self._say(hint(self._selection, model=self._model()))

    def _deleted(self, name: str) -> None:
        self._gone.append(name)
        self._later(self._tell)

    def _tell(self) -> None:
        names, self._gone = self._gone, []
        text = words.deleted(names, self._job())
        if text:
            self._say(Message(text, "warning"))
