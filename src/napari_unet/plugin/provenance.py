"""How layers were made: their record, in their metadata, until they are saved."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from napari.layers import Labels, Layer

from napari_unet.arrays.axes import Image
from napari_unet.arrays.region import Region
from napari_unet.plugin.cells.accepted import accepted_of
from napari_unet.plugin.layers import full_data, lengths_of
from napari_unet.plugin.probabilities import inside
from napari_unet.spec import CellSpec, Output, Predicting, Record, Settings
from napari_unet.storage.held import with_true_file
from napari_unet.storage.opened import FileImage
from napari_unet.storage.records import facts_of, new_record

RECORD = "napari-unet-live record"
"""Key in the metadata of layers, for JSON."""
EDITED = "edited by hand in the window"
CANCELLED = "cancelled before the end: a part is empty"
REMADE = "cells made anew of probabilities in 256 steps"
IN_STEPS = "probabilities in 256 steps, 255 is 1"
ACCEPTED = "cells that were accepted stayed when others were made anew"
OUTDATED = "the cells were edited after they had been measured"
LARGER = "as large as the whole image, and empty beside what was segmented"


def put_record(layer: Layer, record: Record | None) -> None:
    """Keep with a layer how it was made."""
    if record is None:
        layer.metadata.pop(RECORD, None)
    else:
        layer.metadata[RECORD] = record.model_dump(mode="json")


def record_of(layer: Layer) -> Record | None:
    """Tell how a layer was made; None if nobody knows."""
    kept = layer.metadata.get(RECORD)
    if kept is None:
        return None
    record = Record.model_validate(kept)
    accepted = accepted_of(layer)
    return with_notes(record, [ACCEPTED]) if accepted is not None and accepted.keys else record


def with_notes(record: Record, notes: Sequence[str]) -> Record:
    """Add what no command line repeats."""
    more = tuple(note for note in notes if note not in record.not_repeated)
    return record.model_copy(update={"not_repeated": (*record.not_repeated, *more)})


def note_edit(layer: Layer) -> None:
    """Note that a layer was edited by hand."""
    if RECORD in layer.metadata:
        put_record(layer, with_notes(Record.model_validate(layer.metadata[RECORD]), [EDITED]))


def of_output(record: Record, output: Output, cells: CellSpec) -> Record:
    """Change the record of a segmentation to that of one of its layers.

    Parameters
    ----------
    record
        Of any of its outputs.
    output, cells
        Of the layer.
    """
    assert isinstance(record.settings, Predicting)
    settings = record.settings.model_copy(update={"output": output, "cells": cells})
    changed = record.model_copy(update={"settings": settings}).spelled()
    return with_notes(changed, [IN_STEPS] if output == "probabilities" else [])


def in_parts(records: Mapping[Region, Record], last: Region, image: Image) -> list[str]:
    """Tell how the parts were made that a layer holds besides the last one.

    Parameters
    ----------
    records
        Of every part.
    last
        The part that the layer's own record tells of.
    image
        The whole.
    """
    if not any(r != (0, image.size(a)) for a, r in zip("TZYX", last.ranges, strict=True)):
        return []
    others = [record for region, record in records.items() if not inside(region, last)]
    return [LARGER, *(f"another part was made by: {shlex.join(record.words())}{_of(record)}" for record in others)]


def _of(record: Record) -> str:
    return "" if record.model is None else f" (SHA-256 of the model: {record.model.sha256})"


def made_of(layer: Labels, axes: str, settings: Settings, record: Record | None) -> Record:
    """Make the record of what is made of a layer now; a sample of it is read.

    Parameters
    ----------
    layer, axes
        The cells.
    settings
        What is done with them.
    record
        How they were made themselves.
    """
    image = Image(full_data(layer), axes, lengths_of(layer, axes).spacing, str(layer.name))
    if layer.source.path is not None:
        path = Path(layer.source.path)
        image = FileImage(image.data, axes, image.spacing, image.name, path=path)
    facts = facts_of(with_true_file(image))
    return new_record(settings, facts.model_copy(update={"record": record or facts.record}))
