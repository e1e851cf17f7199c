"""What Go on trains further: the last training, or the model that was opened since."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_unet.engine.client import ModelInfo
from napari_unet.errors import UserError
from napari_unet.plugin import words
from napari_unet.plugin.checkpoints import Checkpoints
from napari_unet.spec import TrainingSpec
from napari_unet.spec.differences import Difference, net_differences, training_differences


@dataclass(frozen=True)
class Start:
    """Where a training is saved, and what it begins with: nothing, its own checkpoint, or a model."""

    autosave: Path
    resume: bool = False
    model: Path | None = None


class GoingOn:
    """Remembers what there is to go on from.

    Parameters
    ----------
    checkpoints
        Of the trainings in this window.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints
        self._opened: tuple[Path, ModelInfo] | None = None
        self._specs: dict[Path, TrainingSpec] = {}
        """What trainings were told, by the file that they save."""

    @property
    def possible(self) -> bool:
        """There is something to go on from."""
        return self._opened is not None or self.checkpoints.can_go_on

    @property
    def from_model(self) -> bool:
        """It is a model that was opened."""
        return self._opened is not None

    def open(self, path: Path, model: ModelInfo) -> None:
        """Go on from a model from now on."""
        self._opened = path, model

    def keep(self, autosave: Path, spec: TrainingSpec) -> None:
        """Go on from a training from now on, which has saved something."""
        self._opened = None
        self._specs[autosave] = spec

    def fits(self, spec: TrainingSpec) -> bool:
        """Tell whether a training with these settings can go on from what there is."""
        return self.possible and not self._differing(spec)[1]

    def restore(self, spec: TrainingSpec | None = None) -> None:
        """Go on from the training that `Checkpoints.adopt` took over, if any; ``spec`` is what it was told."""
        self._opened = None
        if spec is not None and self.checkpoints.current is not None:
            self._specs[self.checkpoints.current] = spec

    @property
    def current(self) -> Path | None:
        """The model that would be trained further."""
        return self._opened[0] if self._opened is not None else self.checkpoints.current

    def start(self, spec: TrainingSpec, *, go_on: bool) -> Start:
        """Tell what a training begins with.

        Raises
        ------
        UserError
            If it is to go on, and there is nothing to go on from, or its network is another one.
        """
        if not go_on:
            return Start(self.checkpoints.new())
        _refuse(*self._differing(spec))
        if self._opened is not None:
            return Start(self.checkpoints.new(), model=self._opened[0])
        current = self.checkpoints.current
        if current is None:
            raise UserError("there is no training to go on with: press Train")
        return Start(current, resume=True)

    def _differing(self, spec: TrainingSpec) -> tuple[str, tuple[Difference, ...]]:
        """Tell what would be gone on from, and what differs from it."""
        if self._opened is not None:
            path, model = self._opened
            return path.name, tuple(filter(_is_told, net_differences(model.net, spec.net)))
        before = self._specs.get(self.checkpoints.current) if self.checkpoints.current is not None else None
        found = training_differences(before, spec) if before is not None else ()
        return "the last training", tuple(filter(_is_told, found))


def _is_told(found: Difference) -> bool:
    """Whether a difference is the user's, rather than of what is filled in when a training starts."""
    if found.field == "classes":
        return isinstance(found.ours, tuple) and bool(found.ours)  # of the annotation; a network has their number
    return found.field != "in_channels" and not (found.field in ("strides", "kernels") and found.ours is None)


def _refuse(what: str, found: tuple[Difference, ...]) -> None:
    if found:
        raise UserError(
            f"Go on trains {what} further: {words.differing(found)}. Put it back, or press Train to begin anew."
        )
