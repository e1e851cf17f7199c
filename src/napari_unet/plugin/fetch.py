"""Downloads in a thread, so that the window goes on; no Qt here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from psygnal import Signal

from napari_unet.errors import UserError
from napari_unet.spec import TrainingSpec
from napari_unet.storage import weights
from napari_unet.storage.weights import Weights

EVERY = 0.1
"""Seconds between two reports of progress."""


def missing_weights(spec: TrainingSpec) -> Weights | None:
    """Tell which published weights a training needs that are not on this machine; reads no file.

    Raises
    ------
    UserError
        If they would not fit its network.
    """
    train = spec.train
    wanted = spec.net.kind == "vgg16-unet" and train.encoder_weights == "imagenet" and train.encoder_file is None
    if wanted:
        weights.check_width(spec.net)
    there = wanted and any(path.is_file() for path in weights.places(weights.VGG16))
    return weights.VGG16 if wanted and not there else None


@dataclass(frozen=True)
class Progress:
    """How far a download is, in bytes."""

    run: int
    done: int
    total: int


@dataclass(frozen=True)
class End:
    """How a download ended: ``error`` in one sentence, empty if all is well."""

    run: int
    error: str = ""


class _Cancelled(Exception):
    pass


class Fetch:
    """One download at a time.

    Parameters
    ----------
    download
        What fetches, such as `napari_unet.storage.weights.download`; it tells its progress.
    """

    progressed = Signal(Progress)
    ended = Signal(End)
    """Emitted in the download's thread, like `progressed`; not emitted after `cancel`."""

    def __init__(self, download: Callable[[Weights, Callable[[int, int], None]], Path] = weights.download) -> None:
        self._download = download
        self._cancel = threading.Event()
        self.run = 0
        """Number of the last download; reports of others are late."""

    def start(self, wanted: Weights) -> None:
        """Begin a download."""
        self.run += 1
        self._cancel = threading.Event()
        arguments = (wanted, self.run, self._cancel)
        threading.Thread(target=self._work, args=arguments, name="download", daemon=True).start()

    def cancel(self) -> None:
        """End the download at its next piece; what has come is not kept."""
        self._cancel.set()

    def _work(self, wanted: Weights, run: int, cancel: threading.Event) -> None:
        told = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal told
            if cancel.is_set():
                raise _Cancelled
            if done == total or time.monotonic() - told > EVERY:
                told = time.monotonic()
                self.progressed.emit(Progress(run, done, total))

        error = ""
        try:
            self._download(wanted, progress)
        except _Cancelled:
            return
        except UserError as failure:
            error = str(failure)
        except Exception as failure:  # noqa: BLE001 - a thread has nobody to raise to; the window says it
            error = f"{wanted.name} could not be downloaded ({type(failure).__name__}: {failure})"
        if not cancel.is_set():
            self.ended.emit(End(run, error))
