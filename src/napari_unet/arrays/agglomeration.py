"""From fragments to cells: neighbours are joined where the boundary between them is weak."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_unet.errors import UserError

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Contacts:
    """The region adjacency graph: fragments are nodes, contacts between two of them edges."""

    nodes: int
    """Largest id + 1; node 0 is the outside and has no edges."""
    pairs: npt.NDArray[np.int64]
    """(edges, 2): ids of the two, ascending."""
    boundary: npt.NDArray[np.float64]
    """(edges,): mean boundary probability along the contact."""
    length: npt.NDArray[np.float64]
    """(edges,): pairs of face neighbours along it."""


def has_elf() -> bool:
    """Tell whether python-elf, which has GASP and multicut, is installed."""
    return find_spec("elf") is not None and find_spec("bioimage_cpp") is not None


def contacts(fragments: Labels, boundary: Floats, part: float = 1.0) -> Contacts:
    """Find which fragments touch and how strong the boundary between them is.

    Parameters
    ----------
    fragments
        Ids, 0 is outside.
    boundary
        Boundary probability, same shape. Along a contact it is averaged over the higher of each two neighbours.
    part
        Average the weakest part of every contact only. Fragments that hold their rims touch there as well: the
        middle tells whether they are one.

    Examples
    --------
    >>> found = contacts(np.array([[1, 1, 2], [3, 3, 2]]), np.array([[0, 0.5, 0.25], [0, 1, 1]]))
    >>> found.pairs.tolist(), found.boundary.tolist(), found.length.tolist()
    ([[1, 2], [1, 3], [2, 3]], [0.5, 0.5, 1.0], [1.0, 2.0, 1.0])
    """
    nodes = int(fragments.max()) + 1
    keys, heights = _faces(fragments, boundary)
    found, edge = np.unique(keys, return_inverse=True)
    length = np.bincount(edge, minlength=len(found)).astype(float)
    order = np.lexsort((heights, edge))
    rank = np.empty(len(edge))
    rank[order] = np.arange(len(edge)) - np.repeat(np.cumsum(length) - length, length.astype(int))
    weak = rank < np.ceil(part * length)[edge]
    total, whole = (np.bincount(edge[weak], weights=w[weak], minlength=len(found)) for w in (heights, weak))
    return Contacts(nodes, np.stack([found // nodes, found % nodes], axis=1), total / whole, length)


def narrowed(graph: Contacts, fragments: Labels, distance: Floats) -> Contacts:
    """Strengthen the boundary where two fragments touch at a neck of the mask.

    Two round objects that touch are separated by their shape even where no boundary was seen.

    Parameters
    ----------
    graph
        Contacts of ``fragments``.
    fragments
        Ids, 0 is outside.
    distance
        Distance of every pixel to the outside, same shape.

    Returns
    -------
    Contacts
        With ``1 - (1 - boundary) * neck`` for the boundary, where ``neck`` is the largest distance along the
        contact over that of the narrower of the two fragments, at most 1.

    Examples
    --------
    >>> fragments = np.array([[1, 1, 1, 2, 2, 2]])
    >>> distance = np.array([[2, 4, 2, 1, 4, 2]])
    >>> narrowed(contacts(fragments, np.zeros((1, 6))), fragments, distance).boundary
    array([0.5])
    """
    keys, width = _faces(fragments, distance)
    found, edge = np.unique(keys, return_inverse=True)
    widest = np.zeros(len(found))
    np.maximum.at(widest, edge, width)
    peaks = np.zeros(graph.nodes)
    np.maximum.at(peaks, fragments.ravel(), distance.ravel())
    neck = np.minimum(1, widest / np.maximum(peaks[graph.pairs].min(axis=1), 1e-6))
    return replace(graph, boundary=1 - (1 - graph.boundary) * neck)


def _faces(fragments: Labels, values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """List the face neighbours in different fragments: a key of the two ids, and the higher value of the two."""
    nodes = int(fragments.max()) + 1
    keys, highest = [], []
    for axis in range(fragments.ndim):
        ids, heights = np.moveaxis(fragments, axis, 0), np.moveaxis(values, axis, 0)
        a, b = ids[:-1], ids[1:]
        touch = (a != b) & (a > 0) & (b > 0)
        a, b = a[touch].astype(np.int64), b[touch].astype(np.int64)
        keys.append(np.minimum(a, b) * nodes + np.maximum(a, b))
        highest.append(np.maximum(heights[:-1][touch], heights[1:][touch]))
    return np.concatenate(keys), np.concatenate(highest)


def join_by_mean(graph: Contacts, threshold: float) -> npt.NDArray[Any]:
    """Join the two neighbours with the weakest contact until none is below ``threshold``.

    Contacts that become one are averaged by their lengths (average linkage).

    Parameters
    ----------
    graph
        Fragments and contacts.
    threshold
        Boundary probability at which a contact separates.

    Returns
    -------
    array
        (nodes,): the cell of each fragment, one of the ids of its fragments.

    Examples
    --------
    >>> graph = Contacts(4, np.array([[1, 2], [1, 3], [2, 3]]), np.array([0.1, 0.3, 0.9]), np.array([1, 1, 2]))
    >>> join_by_mean(graph, 0.5)
    array([0, 1, 1, 3])
    """
    parent = np.arange(graph.nodes)
    around: list[dict[int, tuple[float, float]]] = [{} for _ in range(graph.nodes)]
    queue: list[tuple[float, int, int]] = []
    for (u, v), height, length in zip(
        graph.pairs.tolist(), graph.boundary.tolist(), graph.length.tolist(), strict=True
    ):
        around[u][v] = around[v][u] = (height * length, length)
        queue.append((height, u, v))
    heapq.heapify(queue)
    while queue and queue[0][0] < threshold:
        height, u, v = heapq.heappop(queue)
        contact = around[u].get(v)
        if contact is None or contact[0] / contact[1] != height:
            continue  # One of the two has been joined to another since, or the contact has changed.
        if len(around[u]) < len(around[v]):
            u, v = v, u
        parent[v] = u
        del around[u][v], around[v][u]
        for w, (total, length) in around[v].items():
            old_total, old_length = around[u].get(w, (0.0, 0.0))
            joined = (total + old_total, length + old_length)
            around[u][w] = around[w][u] = joined
            del around[w][v]
            heapq.heappush(queue, (joined[0] / joined[1], u, w))
        around[v] = {}
    while (parent != parent[parent]).any():
        parent = parent[parent]
    return parent


def join_by_elf(graph: Contacts, method: Literal["gasp", "multicut"], beta: float) -> npt.NDArray[Any]:
    """Join fragments by GASP (average linkage) or multicut (Kernighan-Lin) of python-elf.

    Parameters
    ----------
    graph
        Fragments and contacts.
    method
        ``gasp``: Bailoni et al. 2022, arXiv:1906.11713. ``multicut``: Beier et al. 2017, doi:10.1038/nmeth.4151.
    beta
        Above 0.5 more, below fewer cells.

    Returns
    -------
    array
        (nodes,): the cell of each fragment.

    Raises
    ------
    UserError
        If python-elf is not installed.
    """
    if not has_elf():
        raise UserError(
            f"the method '{method}' needs python-elf, which is not installed; "
            'run: pip install "napari-unet-live[cells]", or choose the method watershed'
        )
    from bioimage_cpp.graph import UndirectedGraph
    from elf.segmentation.gasp import run_GASP
    from elf.segmentation.multicut import compute_edge_costs, multicut_kernighan_lin

    if len(graph.pairs) == 0:
        return np.arange(graph.nodes)
    elf_graph = UndirectedGraph.from_edges(graph.nodes, graph.pairs.astype(np.uint64))
    if method == "gasp":
        costs = compute_edge_costs(graph.boundary, beta=beta)
        return np.asarray(run_GASP(elf_graph, costs, linkage_criteria="mean", edge_sizes=graph.length)[0])
    costs = compute_edge_costs(graph.boundary, edge_sizes=graph.length, weighting_scheme="all", beta=beta)
    return np.asarray(multicut_kernighan_lin(elf_graph, costs))
