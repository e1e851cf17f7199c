"""The window's side of the engine. Needs no torch; no call waits for the worker, but `Engine.close`.

Examples
--------
>>> engine = Engine()
>>> engine.state, engine.busy
('off', False)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.arrays.taken_values import TakenPart
from napari_unet.engine import messages as m
from napari_unet.engine.connection import Connection
from napari_unet.engine.messages import ModelInfo, OutputInfo
from napari_unet.engine.signals import Block, EngineState, Preview
from napari_unet.spec import CellSpec, Output, TilingSpec, TrainingSpec
from napari_unet.storage.bioimageio.card import Card

__all__ = ["Block", "Engine", "EngineState", "JobResult", "ModelInfo", "OutputInfo", "Preview", "WorkerInfo"]

WorkerInfo = m.Ready
JobResult = m.JobReport


class Engine(Connection):
    """Runs jobs in a process of its own; signals and parameters as those of `Connection`."""

    def train(
        self,
        image: Image,
        labels: Image,
        spec: TrainingSpec,
        autosave: Path,
        *,
        view: tuple[int, int] = (0, 0),
        resume: bool = False,
        start: Path | None = None,
        taken: Sequence[TakenPart] = (),
    ) -> None:
        """Train on an image and its labels.

        Parameters
        ----------
        image, labels
            Same T, Z, Y, X. Read from while the training is set up, previews read later too.
        spec
            What to do.
        autosave
            Model file to keep up to date.
        view
            The plane (t, z) of ``image`` that the user looks at.
        resume
            Go on from the state beside ``autosave``.
        start
            Model file to start from.
        taken
            Where the labels are predictions that were taken over; for a training that goes on.

        Raises
        ------
        UserError
            If another job runs, or an array holds no numbers. Other mistakes come with ``job_finished``.
        """
        with self._lock:
            of_image, of_labels = self._accept("train", image, labels)
            self.autosave = Path(autosave).absolute()
            for t, z, y, x, values in taken:
                self._send(m.Paint(t=t, z=z, y=y, x=x, taken=True), values)
            self._send(
                m.Train(
                    image=of_image,
                    labels=of_labels,
                    spec=spec,
                    autosave=self.autosave,
                    resume=resume,
                    start=None if start is None else Path(start).absolute(),
                )
            )
            self.set_view(*view, image=image)
        self._set_state_of_job()

    def paint(self, t: int, z: int, y: int, x: int, values: npt.NDArray[Any], *, taken: bool = False) -> None:
        """Tell the training at hand, if there is one, that its labels have changed.

        Parameters
        ----------
        t, z
            The plane.
        y, x
            Place of the first value.
        values
            (Y, X); 0 where annotation was taken away.
        taken
            What changes are predictions that were taken over: they tell nothing of how good the network is.
        """
        with self._lock:
            if self._job == "train":
                self._send(m.Paint(t=t, z=z, y=y, x=x, taken=taken), values)

    def predict(
        self,
        image: Image,
        outputs: Sequence[Output],
        *,
        model: Path | None = None,
        tiling: TilingSpec | None = None,
        cells: CellSpec | None = None,
        region: Region | None = None,
        done: Sequence[Region] = (),
        view: tuple[int, int] | None = None,
    ) -> None:
        """Predict an image: ``outputs`` is emitted, then blocks.

        Parameters
        ----------
        image
            Of any size; read tile by tile.
        outputs
            What to fill.
        model
            Model file to load first; None: the current model.
        tiling, cells
            How to cut the image, how to make cells.
        region
            Only this part; None: everything.
        done
            Blocks that are there already, from an equal prediction that was stopped.
        view
            The plane (t, z) that the user looks at: it is made first.

        Raises
        ------
        UserError
            As `train`.
        """
        with self._lock:
            (of_image,) = self._accept("predict", image)
            self._send(
                m.Predict(
                    image=of_image,
                    outputs=tuple(outputs),
                    model=None if model is None else Path(model).absolute(),
                    tiling=tiling or TilingSpec(),
                    cells=cells or CellSpec(),
                    region=region,
                    done=tuple(done),
                    view=view,
                )
            )
        self._set_state_of_job()

    def suggest(
        self,
        image: Image,
        labels: Image | None,
        *,
        view: tuple[int, int] = (0, 0),
        shown: Sequence[Region] = (),
        planes: Sequence[tuple[int, int]] | None = None,
        model: Path | None = None,
    ) -> None:
        """Look for the place to annotate next: ``suggestion`` is emitted.

        While a training runs it looks at its own images, between its steps; the search ends with the training.
        Otherwise this is a job of its own, of about `napari_unet.jobs.suggesting.SECONDS`.

        Parameters
        ----------
        image, labels
            Same T, Z, Y, X; without labels nothing is annotated.
        view
            The plane (t, z) that is looked at in any case.
        shown
            Regions that were suggested before, and not annotated since.
        planes
            Planes (t, z) with annotation; None: they are looked for.
        model
            Model file to load first; None: the current model, and without one that which the package brings.

        Raises
        ------
        UserError
            As `train`.
        """
        t, z = view
        with self._lock:
            if self._job == "train":
                self._send(m.Suggest(t=t, z=z, shown=tuple(shown)))
                return
            of_image, *of_labels = self._accept("suggest", image, *([] if labels is None else [labels]))
            self._send(
                m.Suggest(
                    t=t,
                    z=z,
                    shown=tuple(shown),
                    image=of_image,
                    labels=of_labels[0] if of_labels else None,
                    planes=None if planes is None else tuple(planes),
                    model=None if model is None else Path(model).absolute(),
                )
            )
        self._set_state_of_job()

    def save_model(self, path: Path) -> None:
        """Save the current model."""
        with self._lock:
            self._accept("save")
            self._send(m.SaveModel(path=Path(path).absolute()))
        self._set_state_of_job()

    def load_model(self, path: Path, *, keep: Path | None = None, trust: Sequence[str] = ()) -> None:
        """Make the model at ``path`` the current one.

        Parameters
        ----------
        path
            A model file, or a package of BioImage.IO.
        keep
            Where the model of a package is saved as a model file.
        trust
            SHA-256 of code in the package that may run.
        """
        with self._lock:
            self._accept("load")
            self._send(m.LoadModel(path=Path(path).absolute(), keep=keep, trust=tuple(trust)))
        self._set_state_of_job()

    def pack_model(
        self, path: Path, card: Card, *, weights: Sequence[str] = (), model: Path | None = None
    ) -> None:
        """Write the current model, or the one at ``model``, as a package of BioImage.IO."""
        with self._lock:
            self._accept("pack")
            self._send(m.PackModel(path=Path(path).absolute(), card=card, weights=tuple(weights), model=model))
        self._set_state_of_job()

    def set_view(
        self, t: int, z: int, image: Image | None = None, *, before: bool = False, model: Path | None = None
    ) -> None:
        """Say which plane the user looks at; a preview of it follows as soon as there is something to show.

        Cheap: of many calls in a row only the last counts. ``image`` is looked at from now on; it is kept until
        it is replaced, or `clear_view`. With ``before``, it is predicted as it was when the last training began.
        Without a worker nothing happens, unless there is a ``model`` file: it is read, if the worker has another
        one, by a worker that is started for it.
        """
        with self._lock:
            if self._process is None:
                if model is None:
                    return
                self.start()
            ref = self._loans.for_view(image) if image is not None else None
            file = None if model is None else Path(model).absolute()
            self._send(m.SetView(t=t, z=z, image=ref, before=before, model=file))

    def clear_view(self) -> None:
        """Forget the image that was looked at; no more previews."""
        with self._lock:
            self._loans.end_view()
            self._send(m.ClearView())

    def pause(self) -> None:
        """Pause the job after its step or tile."""
        self._send_to_job(m.Pause())

    def resume(self) -> None:
        """Go on after `pause`."""
        self._send_to_job(m.Resume())

    def stop(self) -> None:
        """End the job after its step or tile. A stopped training is saved and becomes the current model."""
        self._send_to_job(m.Stop())
