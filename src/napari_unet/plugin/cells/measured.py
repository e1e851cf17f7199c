"""From layers to what is measured, and from tables to features of layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Image as ImageLayer
from napari.layers import Labels

from napari_unet.arrays.axes import Image
from napari_unet.arrays.cell_columns import Lengths
from napari_unet.errors import UserError
from napari_unet.plugin.cells.place import axes_of
from napari_unet.plugin.layers import full_data, geometry_of, image_of, labels_of, lengths_of

DENSE = 4
"""Features have a row for every number up to the greatest if there are at most so many times as many as cells."""


@dataclass(frozen=True)
class Wanted:
    """What is going to be measured.

    Parameters
    ----------
    cells, image
        Image is None if there is none that fits.
    axes
        Of the layer of cells.
    lengths
        Of a pixel.
    problem
        Why grey values are not measured.
    """

    cells: Image
    image: Image | None
    axes: str
    lengths: Lengths
    problem: str = ""


def wanted(layer: Labels, image_layer: ImageLayer | None) -> Wanted:
    """Tell what is measured of a layer of cells, over an image.

    Raises
    ------
    UserError
        If the layer does not hold cells.
    """
    problem = ""
    if image_layer is not None:
        try:
            image = image_of(image_layer)
            geometry = geometry_of(image_layer, image.axes)
            cells = labels_of(layer, image, geometry)
        except UserError as error:
            problem = f"without grey values, as {error}"
        else:
            return Wanted(cells, image, geometry.axes, lengths_of(layer, geometry.axes))
    axes = axes_of(layer)
    cells = Image(full_data(layer), axes, name=layer.name)
    return Wanted(cells, None, axes, lengths_of(layer, axes), problem)


def features_of(table: pd.DataFrame) -> pd.DataFrame | None:
    """Turn a table into features of a layer, with a row for each number; None if a number is not one cell.

    napari finds the row of a number by the column ``index``, but its own table of features takes the place of a
    row for its number. So rows are added for numbers that are not there, background first, if they are not too
    many.

    Examples
    --------
    >>> features_of(pd.DataFrame({"label": [1, 3], "area_um2": [0.5, 2.0], "touches_border": [True, False]}))
       index  area_um2  touches_border
    0      0       NaN           False
    1      1       0.5            True
    2      2       NaN           False
    3      3       2.0           False
    """
    where = [c for c in ("t", "z") if c in table]
    if table["label"].duplicated().any():
        return None
    by_number = table.drop(columns=where).set_index("label")
    if len(table) and table["label"].min() > 0 and table["label"].max() <= DENSE * len(table) + DENSE:
        rows = range(int(table["label"].max()) + 1)
        by_number = pd.DataFrame(
            {c: by_number[c].reindex(rows, fill_value=_nothing(by_number[c])) for c in by_number}
        )
    return by_number.rename_axis("index").reset_index()


def _nothing(column: pd.Series) -> Any:
    return {"f": np.nan, "i": 0, "b": False}.get(column.dtype.kind, "")


def with_others(features: pd.DataFrame, before: pd.DataFrame, ours: Sequence[str]) -> pd.DataFrame:
    """Keep features that others gave to a layer.

    Parameters
    ----------
    features
        New.
    before
        Of the layer.
    ours
        Columns that are ours.

    Examples
    --------
    >>> new = pd.DataFrame({"index": [0, 7], "area": [1.0, 2.0]})
    >>> with_others(new, pd.DataFrame({"index": [7], "kind": ["A"], "old": [3]}), ["old"]).values.tolist()
    [[0, 1.0, nan], [7, 2.0, 'A']]
    """
    theirs = before.set_index("index") if "index" in before else before
    theirs = theirs[[c for c in theirs if c not in features and c not in ours]]
    return features.join(theirs, on="index") if len(theirs.columns) else features
