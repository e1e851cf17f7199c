"""What a batch says and leaves, in short."""

import csv

import numpy as np

from napari_unet.events import ImageDone
from napari_unet.storage.read import open_image


def rows(events):
    """Rows of the table as they were reported, by name."""
    return {e.name: e for e in events if isinstance(e, ImageDone)}


def states(events):
    """What became of each image."""
    return {name: row.status for name, row in rows(events).items()}


def table(folder):
    """summary.csv, by name."""
    with (folder / "summary.csv").open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def pixels(path):
    """What is in an image file."""
    return np.asarray(open_image(path).data[...])
