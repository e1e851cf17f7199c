"""The model that jobs use: that of the engine, or a file that the engine reads when a job needs it."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari_unet.engine.client import Engine, JobResult, Preview
from napari_unet.errors import UserError, one_line
from napari_unet.files import replacing
from napari_unet.plugin import words
from napari_unet.plugin.decide import Job


class ModelAtHand:
    """Follows which model there is, through trainings, files that are opened, and projects.

    Parameters
    ----------
    engine
        Has a model, which may be that of the project before.

    Attributes
    ----------
    path
        Where the model is kept; None if there is none, or only the engine has it.
    name
        What the window calls it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.path: Path | None = None
        self.name = ""
        self._foreign = False
        """The engine's model is of the project before; that of this one is read when it is needed."""
        self._learning = False
        """Steps of the training at work have been made: what is predicted is its."""

    @property
    def there(self) -> bool:
        """There is a model to segment with or to save."""
        return self._in_engine or self.path is not None

    @property
    def _in_engine(self) -> bool:
        return self._engine.model is not None and not self._foreign

    @property
    def lost(self) -> bool:
        """All there is is the engine's model of the project before."""
        return self._foreign and self.path is None

    @property
    def file(self) -> Path | None:
        """Where the model is kept; None without one, or if it was lost."""
        return self.path if self.path is not None and self.path.is_file() else None

    @property
    def details(self) -> str:
        """Describe the engine's model; empty without one."""
        model = None if self._foreign else self._engine.model
        return "" if model is None else words.describe_model(model)

    @property
    def to_read(self) -> Path | None:
        """Where the model is if the engine has lost it, or has that of the project before."""
        return None if self._in_engine else self.path

    def to_look_with(self, job: Job | None) -> Path | None:
        """Give the same for previews, unless the job at work brings a model, or the file is gone."""
        path = self.to_read
        return None if path is None or job in ("train", "load") or not path.is_file() else path

    def shows(self, preview: Preview) -> bool:
        """Tell whether a preview is of this model, or of the training at work."""
        if preview.model is not None:
            return preview.model == self.path
        return self._learning or not self._foreign

    def note_step(self) -> None:
        """Note that a training has made a step."""
        self._learning = True

    def note_read(self) -> None:
        """Note that the engine has read the model for a job."""
        self._foreign = self._foreign and self.path is None

    def take(self, path: Path, name: str) -> None:
        """Take over a model that is kept in a file."""
        self.path, self.name = path, name

    def leave(self) -> None:
        """Forget the model: another project has its own, or none."""
        self.path, self.name = None, ""
        self._foreign = self._engine.model is not None

    def copy(self, path: Path) -> None:
        """Save the model that the engine has not read.

        Raises
        ------
        UserError
            If the file cannot be read or written.
        """
        assert self.path is not None
        try:
            if self.path.resolve() != path.resolve():
                with replacing(path) as temporary:
                    shutil.copyfile(self.path, temporary)
        except OSError as error:
            raise UserError(f"the model could not be saved: {one_line(error)}") from error
        self.take(path, path.name)

    def end(self, result: JobResult, kept: Path | None) -> bool:
        """Note how a job has ended; tells whether a training has made steps.

        Parameters
        ----------
        result
            Of the engine.
        kept
            Where a training has saved its model, now or before it was gone on with.
        """
        learnt, self._learning = self._learning, False
        if kept is not None:
            self.take(kept, "trained here, not saved yet")
        if kept is not None and learnt and result.outcome in ("finished", "stopped"):
            self._foreign = False
        if result.outcome != "finished":
            return learnt
        if result.job in ("save", "load") and result.path is not None:
            self.take(result.path, result.path.name)
        if result.job == "load":
            self._foreign = False
        if result.job == "pack":
            self.note_read()
        return learnt
