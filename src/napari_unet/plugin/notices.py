"""What the user is told when other layers are chosen, or chosen ones are deleted."""

from __future__ import annotations

from collections.abc import Callable

from napari.layers import Layer

from napari_unet.plugin import words
from napari_unet.plugin.decide import Job, Message
from napari_unet.plugin.live import Later
from napari_unet.plugin.selection import Selection

LEARNING = "Learning from your strokes. Go on painting: they are taken up at once."
WELCOME = "Make an annotation layer, paint some strokes"
PAINT = "Paint some strokes of each class"
PRESS = ", press Train; improve them while you watch."
BY_ITSELF = "; training starts by itself. Watch, and improve them."


def hint(selection: Selection, *, model: bool, by_itself: bool) -> Message:
    """Say what can be done with the layers that are chosen.

    Parameters
    ----------
    selection
        What is chosen.
    model
        There is one to segment with.
    by_itself
        Strokes start a training.
    """
    image = selection.image
    if image is None:
        return Message(selection.problem, "warning" if selection.image_layer is not None else "info")
    if model:
        return Message(f"'{image.name}' is chosen: press Segment, or paint and train.")
    begin = PAINT if selection.labels_layer is not None else WELCOME
    return Message(begin + (BY_ITSELF if by_itself else PRESS))


def of_annotations(learnt: str, chosen: str) -> Message:
    """Say that the training at work does not learn from the annotation that is chosen.

    Examples
    --------
    >>> of_annotations("strokes", "strokes [1]").text
    "The training learns from 'strokes'. What is painted in 'strokes [1]' is not learnt: press Stop, then Train."
    """
    what = f"What is painted in '{chosen}' is not learnt: press Stop, then Train."
    return Message(f"The training learns from '{learnt}'. {what}", "warning")


class Notices:
    """Says a hint when the choice changes, so that no sentence about another image stays.

    Parameters
    ----------
    selection
        What is followed.
    job, model, by_itself
        Tell what is at work, if anything, whether there is a model, and whether strokes start a training.
    say
        Shows a message.
    later
        Calls something when all layers that are being deleted have gone.
    of_results
        Says what the deletion of result layers means.
    learnt
        The annotation that the training at work follows, if any.
    """

    def __init__(
        self,
        selection: Selection,
        job: Callable[[], Job | None],
        model: Callable[[], bool],
        by_itself: Callable[[], bool],
        say: Callable[[Message], None],
        later: Later,
        of_results: Callable[[list[str]], str],
        learnt: Callable[[], Layer | None],
    ) -> None:
        self._selection, self._say, self._later = selection, say, later
        self._job, self._model, self._by_itself = job, model, by_itself
        self._of_results, self._learnt = of_results, learnt
        self._choice = self._chosen()
        self._gone: list[str] = []
        self._results_gone: list[str] = []
        selection.changed.connect(self._changed)
        selection.gone.connect(self._deleted)

    def _chosen(self) -> tuple[object, ...]:
        return self._selection.image_layer, self._selection.axes, self._selection.labels_layer

    def _changed(self) -> None:
        before, self._choice = self._choice, self._chosen()
        if before != self._choice and self._job() is None:
            self._say(hint(self._selection, model=self._model(), by_itself=self._by_itself()))
        elif before[-1] is not self._choice[-1] and self._job() == "train":
            self._tell_annotation()

    def _tell_annotation(self) -> None:
        learnt, chosen = self._learnt(), self._selection.labels_layer
        if learnt is not None and chosen is not None:
            same = chosen is learnt
            self._say(Message(LEARNING) if same else of_annotations(learnt.name, chosen.name))

    def _deleted(self, name: str) -> None:
        self._gone.append(name)
        self._later(self._tell)

    def result_deleted(self, name: str) -> None:
        """Say what it means that a layer with results was deleted."""
        self._results_gone.append(name)
        self._later(self._tell)

    def _tell(self) -> None:
        names, self._gone = self._gone, []
        results, self._results_gone = self._results_gone, []
        text = " ".join(filter(None, (words.deleted(names, self._job()), self._of_results(results))))
        if text:
            self._say(Message(text, "warning"))
