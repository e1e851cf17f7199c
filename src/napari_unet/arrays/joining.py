"""The methods by which fragments become cells."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.arrays.agglomeration import (
    Contacts,
    check_elf,
    has_elf,
    join_by_elf,
    join_by_mean,
    join_by_mutex,
    narrowed,
)
from napari_unet.spec import CellMethod


def check_method(method: CellMethod) -> None:
    """Raise `UserError` if a method needs a library that is not installed."""
    if method in ("gasp", "multicut"):
        check_elf(method)


def join(
    graph: Contacts, method: CellMethod, beta: float, peaks: npt.NDArray[Any] | None
) -> npt.NDArray[np.int64]:
    """Join fragments to cells.

    Parameters
    ----------
    graph
        Fragments and contacts.
    method
        Any but ``components``. Those of python-elf raise `UserError` if it is not installed.
    beta
        Above 0.5 more, below fewer cells.
    peaks
        (nodes,): for objects, the largest distance to the outside in each fragment; None: a tissue.

    Returns
    -------
    array
        (nodes,): the cell of each fragment, from 1 on; 0 for node 0.
    """
    graph = replace(graph, boundary=graph.boundary * (method != "distance"))
    if peaks is not None:
        graph = narrowed(graph, peaks)
    if method == "mutex":
        cell_of = join_by_mutex(graph, 1 - beta)
    elif method in ("watershed", "distance") or (method == "auto" and not has_elf()):
        cell_of = join_by_mean(graph, 1 - beta)
    else:
        cell_of = join_by_elf(graph, "multicut" if method == "multicut" else "gasp", beta)
    # python-elf's numbers start at 0, and node 0 may have any
    _, numbers = np.unique(cell_of[1:], return_inverse=True)
    return np.concatenate([[0], numbers + 1])
