"""Saves result layers as files, in a thread, so that the window goes on; no Qt here."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Layer
from psygnal import Signal

from napari_unet.arrays.where import Where
from napari_unet.errors import UserError
from napari_unet.plugin.layers import full_data, lengths_of, where_of
from napari_unet.plugin.provenance import record_of
from napari_unet.plugin.results import Piece
from napari_unet.storage.budget import check_disk, human, is_full, nbytes
from napari_unet.storage.export import export_tiff
from napari_unet.storage.formats import SUFFIXES, stem_of, suffix_of
from napari_unet.storage.records import as_creator
from napari_unet.storage.write import check_output, create_output

EVERY = 0.1
"""Seconds between two reports of progress."""
AT_ONCE = 2**26
"""Bytes that are copied at once."""


@dataclass(frozen=True)
class Saved:
    """One file to write: where, of what, and what is told of it."""

    path: Path
    data: Sequence[Any]
    """An array, or one for each class."""
    axes: str
    """Of each array; those along C hold the same all along it."""
    spacing: tuple[float, float, float]
    where: Where
    unit: str
    labels: bool
    classes: tuple[str, ...] = ()
    creator: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SaveProgress:
    """How much is written, from 0 to 1."""

    run: int
    part: float


@dataclass(frozen=True)
class SaveEnd:
    """How saving ended: what is there now, and why not more, in one sentence."""

    run: int
    paths: tuple[Path, ...] = ()
    error: str = ""


def paths_for(chosen: Path, ending: str, names: Sequence[str]) -> list[Path]:
    """Name the files, one for each of several results.

    Parameters
    ----------
    chosen
        The name that the user gave.
    ending
        Added if that has none that is known.
    names
        Of the results.

    Examples
    --------
    >>> [p.name for p in paths_for(Path("plate 1"), ".ome.zarr", ["boundaries", "cells"])]
    ['plate 1-boundaries.ome.zarr', 'plate 1-cells.ome.zarr']
    >>> [p.name for p in paths_for(Path("mine.tif"), ".ome.zarr", ["cells"])]
    ['mine.tif']
    """
    if SUFFIXES.get(suffix_of(chosen)) not in ("tiff", "zarr"):
        chosen = chosen.with_name(chosen.name + ending)
    if len(names) == 1:
        return [chosen]
    return [chosen.with_name(f"{stem_of(chosen)}-{name}{chosen.name[len(stem_of(chosen)) :]}") for name in names]


def describe(piece: Piece, path: Path, axes: str) -> Saved:
    """Tell how the layers of a result are saved: their place in micrometres where their units are lengths.

    The file keeps how they were made, if that is known.

    Parameters
    ----------
    piece
        The layers.
    path
        Of the file.
    axes
        Of the layers.
    """
    layer = piece.layers[0]
    lengths = lengths_of(layer, axes)
    return Saved(
        path,
        [full_data(x) for x in piece.layers],
        axes,
        lengths.spacing,
        where_of(layer, axes),
        lengths.unit,
        piece.output != "probabilities",
        piece.classes,
        {**as_creator(record_of(layer)), "output": piece.output, "layers": [_name(x) for x in piece.layers]},
    )


def _name(layer: Layer) -> str:
    return str(layer.name)


class _Cancelled(Exception):
    pass


class Source:
    """The arrays of a result as one, without doubles along C: axes [C,] T, Z, Y, X as far as they are there.

    Parameters
    ----------
    saved
        What is saved.
    read
        Told the bytes of every part that is read.

    Examples
    --------
    >>> data = [np.zeros((5, 2, 8, 9)), np.ones((5, 2, 8, 9))]
    >>> saved = Saved(Path(), data, "TCYX", (1, 1, 1), Where(), "pixel", labels=False)
    >>> source = Source(saved, lambda size: None)
    >>> source.axes, source.shape, int(source[1, 2:4].sum())
    ('CTYX', (2, 5, 8, 9), 144)
    """

    def __init__(self, saved: Saved, read: Callable[[int], None]) -> None:
        self._arrays, self._of, self._read = saved.data, saved.axes, read
        first = saved.data[0]
        plain = saved.axes.replace("C", "")
        lengths = dict(zip(saved.axes, first.shape, strict=True))
        self._several = len(saved.data) > 1 or bool(saved.classes)
        self.axes = "C" * self._several + plain
        self.shape = (*[len(saved.data)] * self._several, *(int(lengths[a]) for a in plain))
        self.dtype = np.dtype(first.dtype)

    def __getitem__(self, key: Any, /) -> npt.NDArray[Any]:
        given = [k for k in (key if isinstance(key, tuple) else (key,)) if k is not Ellipsis]
        spans: list[Any] = [*given, *[slice(None)] * (len(self.shape) - len(given))]
        which: Any = spans.pop(0) if self._several else 0
        if isinstance(which, int):
            return self._one(self._arrays[which], spans)
        return np.stack([self._one(array, spans) for array in self._arrays[which]])

    def _one(self, array: Any, spans: Sequence[Any]) -> npt.NDArray[Any]:
        left = iter(spans)
        found = np.asarray(array[tuple(0 if a == "C" else next(left) for a in self._of)])
        self._read(found.nbytes)
        return found


def parts_of(shape: Sequence[int], itemsize: int) -> Iterator[tuple[int | slice, ...]]:
    """Yield indices of whole planes, or of bands of rows where planes are large.

    Examples
    --------
    >>> list(parts_of((2, 8, 9), 1))
    [(0, slice(0, 8, None), slice(None, None, None)), (1, slice(0, 8, None), slice(None, None, None))]
    """
    *lead, height, width = shape
    rows = max(1, AT_ONCE // (width * itemsize) // 512) * 512
    for index in itertools.product(*map(range, lead)):
        for first in range(0, height, rows):
            yield (*index, slice(first, min(height, first + rows)), slice(None))


def write(saved: Saved, read: Callable[[int], None]) -> None:
    """Write one file, which takes its name when it is whole.

    Raises
    ------
    UserError, OSError
        If it cannot be written; an older file stays as it was.
    """
    check_output(saved.path, asked=True)
    source = Source(saved, read)
    if SUFFIXES[suffix_of(saved.path)] == "tiff":
        size = nbytes(source.shape, source.dtype)
        check_disk(saved.path.parent, size // 4, str(saved.path))  # it is compressed; nobody knows how well
        export_tiff(
            source,
            saved.path,
            source.axes,
            saved.spacing,
            unit=saved.unit,
            classes=saved.classes,
            where=saved.where,
            creator=saved.creator,
        )
        return
    with create_output(
        saved.path,
        source.shape,
        source.dtype,
        source.axes,
        saved.spacing,
        unit=saved.unit,
        cells=saved.labels,
        classes=saved.classes,
        where=saved.where,
        creator=saved.creator,
    ) as out:
        for index in parts_of(source.shape, source.dtype.itemsize):
            out[index] = source[index]


class Saving:
    """Saves some results at a time, one after the other."""

    progressed = Signal(SaveProgress)
    ended = Signal(SaveEnd)
    """Emitted in the thread that writes, like `progressed`."""

    def __init__(self) -> None:
        self._cancel = threading.Event()
        self.run = 0
        """Number of the last call of `start`; reports of others are late."""

    def start(self, items: Sequence[Saved]) -> None:
        """Begin to write."""
        self.run += 1
        self._cancel = threading.Event()
        arguments = (tuple(items), self.run, self._cancel)
        threading.Thread(target=self._work, args=arguments, name="saving", daemon=True).start()

    def cancel(self) -> None:
        """End at the next plane; the file at hand is not kept."""
        self._cancel.set()

    def _work(self, items: tuple[Saved, ...], run: int, cancel: threading.Event) -> None:
        done, told = 0, 0.0
        total = sum(sum(nbytes(array.shape, array.dtype) for array in item.data) for item in items)

        def read(size: int) -> None:
            nonlocal done, told
            if cancel.is_set():
                raise _Cancelled
            done += size
            if time.monotonic() - told > EVERY:
                told = time.monotonic()
                self.progressed.emit(SaveProgress(run, min(1.0, done / total)))

        written: list[Path] = []
        error = ""
        for item in items:
            error = _attempt(item, read)
            if error:
                break
            written.append(item.path)
        self.ended.emit(SaveEnd(run, tuple(written), error))


def _attempt(item: Saved, read: Callable[[int], None]) -> str:
    """Write a file; returns in one sentence why that failed."""
    try:
        write(item, read)
    except _Cancelled:
        return f"Saving was cancelled: there is no {item.path.name}"
    except UserError as failure:
        return str(failure)
    except OSError as failure:
        if is_full(failure):
            size = human(sum(nbytes(array.shape, array.dtype) for array in item.data))
            return f"the disk is full: {item.path.name} may need {size}; make room or save elsewhere"
        return f"{item.path.name} could not be written ({failure.strerror or failure})"
    except Exception as failure:  # noqa: BLE001 - a thread has nobody to raise to; the window says it
        return f"{item.path.name} could not be written ({type(failure).__name__}: {failure})"
    return ""
