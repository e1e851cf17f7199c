"""From fragments to cells: neighbours are joined where the boundary between them is weak."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
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
    width: npt.NDArray[np.float64]
    """(edges,): largest distance to the outside along it."""

    def only(self, edges: npt.NDArray[np.bool_]) -> Contacts:
        """Keep some edges."""
        return Contacts(self.nodes, self.pairs[edges], self.boundary[edges], self.length[edges], self.width[edges])


def check_elf(method: str) -> None:
    """Raise `UserError`, for a method that needs it, unless python-elf is installed."""
    if not has_elf():
        raise UserError(
            f"the method '{method}' needs python-elf, which is not installed; "
            'run: pip install "napari-unet-live[cells]", or choose the method watershed'
        )


def concatenated(graphs: Sequence[Contacts], nodes: int) -> Contacts:
    """Put graphs together that have no edge in common."""
    return Contacts(
        nodes,
        np.concatenate([g.pairs for g in graphs]),
        np.concatenate([g.boundary for g in graphs]),
        np.concatenate([g.length for g in graphs]),
        np.concatenate([g.width for g in graphs]),
    )


def touching(labels: Labels) -> npt.NDArray[np.int64]:
    """List the pairs of ids that are face neighbours.

    Examples
    --------
    >>> touching(np.array([[1, 1, 2], [3, 0, 2]]))
    array([[1, 2],
           [1, 3]])
    """
    nodes = int(labels.max()) + 1
    found = np.unique(_faces(labels)[0])
    return np.stack([found // nodes, found % nodes], axis=1)


def has_elf() -> bool:
    """Tell whether python-elf, which has GASP and multicut, is installed."""
    return find_spec("elf") is not None and find_spec("bioimage_cpp") is not None


def contacts(
    fragments: Labels,
    boundary: Floats,
    part: float = 1.0,
    distance: Floats | None = None,
    whole: Labels | None = None,
) -> Contacts:
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
    distance
        Distance of every pixel to the outside, same shape; gives the widths of the contacts.
    whole
        Fragments of which some are cut into several of ``fragments``, as where a block ends, same shape. There is
        no boundary within one of them.

    Examples
    --------
    >>> found = contacts(np.array([[1, 1, 2], [3, 3, 2]]), np.array([[0, 0.5, 0.25], [0, 1, 1]]))
    >>> found.pairs.tolist(), found.boundary.tolist(), found.length.tolist()
    ([[1, 2], [1, 3], [2, 3]], [0.5, 0.5, 1.0], [1.0, 2.0, 1.0])
    """
    nodes = int(fragments.max()) + 1
    keys, (heights, widths), cut = _faces(fragments, (boundary, boundary if distance is None else distance), whole)
    heights, widths = np.where(cut, 0, heights), np.where(cut, np.inf, widths)
    found, edge = np.unique(keys, return_inverse=True)
    length = np.bincount(edge, minlength=len(found)).astype(float)
    weak: slice | npt.NDArray[np.bool_] = slice(None)
    if part < 1:
        order = np.lexsort((heights, edge))
        rank = np.empty(len(edge))
        rank[order] = np.arange(len(edge)) - np.repeat(np.cumsum(length) - length, length.astype(int))
        weak = rank < np.ceil(part * length)[edge]
    number = np.bincount(edge[weak], minlength=len(found))
    mean = np.bincount(edge[weak], weights=heights[weak], minlength=len(found)) / number
    width = np.zeros(len(found))
    np.maximum.at(width, edge, widths)
    return Contacts(nodes, np.stack([found // nodes, found % nodes], axis=1), mean, length, width)


def narrowed(graph: Contacts, peaks: npt.NDArray[Any]) -> Contacts:
    """Strengthen the boundary where two fragments touch at a neck of the mask.

    Two round objects that touch are separated by their shape even where no boundary was seen.

    Parameters
    ----------
    graph
        Contacts with their widths.
    peaks
        (nodes,): largest distance to the outside in each fragment.

    Returns
    -------
    Contacts
        With ``1 - (1 - boundary) * neck`` for the boundary, where ``neck`` is the largest distance along the
        contact over that of the narrower of the two fragments, at most 1.

    Examples
    --------
    >>> fragments, distance = np.array([[1, 1, 1, 2, 2, 2]]), np.array([[2, 4, 2, 1, 4, 2]])
    >>> narrowed(contacts(fragments, np.zeros((1, 6)), distance=distance), np.array([0, 4, 4])).boundary
    array([0.5])
    """
    neck = np.minimum(1, graph.width / np.maximum(peaks[graph.pairs].min(axis=1), 1e-6))
    return replace(graph, boundary=1 - (1 - graph.boundary) * neck)


def _faces(
    fragments: Labels, values: Sequence[npt.NDArray[Any]] = (), whole: Labels | None = None
) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[Any]], npt.NDArray[np.bool_]]:
    """List the face neighbours in different fragments.

    Returns
    -------
    keys
        A key of the two ids.
    highest
        Of each of ``values`` the higher of the two.
    cut
        Whether both lie in the same part of ``whole``.
    """
    nodes = int(fragments.max()) + 1
    keys, cut = [np.zeros(0, np.int64)], [np.zeros(0, bool)]
    highest = [[np.zeros(0, of.dtype)] for of in values]
    for axis in range(fragments.ndim):
        ids = np.moveaxis(fragments, axis, 0)
        a, b = ids[:-1], ids[1:]
        touch = (a != b) & (a > 0) & (b > 0)
        a, b = a[touch].astype(np.int64), b[touch].astype(np.int64)
        keys.append(np.minimum(a, b) * nodes + np.maximum(a, b))
        for of, to in zip(values, highest, strict=True):
            heights = np.moveaxis(of, axis, 0)
            to.append(np.maximum(heights[:-1][touch], heights[1:][touch]))
        uncut = np.zeros(len(a), bool)
        if whole is not None:
            one = np.moveaxis(whole, axis, 0)
            uncut = (one[:-1] == one[1:])[touch]
        cut.append(uncut)
    return np.concatenate(keys), [np.concatenate(of) for of in highest], np.concatenate(cut)


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
    >>> boundary, length = np.array([0.1, 0.3, 0.9]), np.array([1, 1, 2])
    >>> join_by_mean(Contacts(4, np.array([[1, 2], [1, 3], [2, 3]]), boundary, length, length), 0.5)
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


def join_by_mutex(graph: Contacts, threshold: float) -> npt.NDArray[Any]:
    """Join neighbours by the mutex watershed on the graph of fragments: the clearest contacts decide first.

    A contact whose boundary is weak joins, one whose boundary is strong forbids that the two ever become one.

    Parameters
    ----------
    graph
        Fragments and contacts.
    threshold
        Boundary probability at which a contact separates; what is farther from it is clearer.

    Returns
    -------
    array
        (nodes,): the cell of each fragment, one of the ids of its fragments.

    Notes
    -----
    Wolf et al. 2018, arXiv:1904.12654.

    Examples
    --------
    >>> boundary, length = np.array([0.1, 0.3, 0.9]), np.array([1, 1, 2])
    >>> join_by_mutex(Contacts(4, np.array([[1, 2], [1, 3], [2, 3]]), boundary, length, length), 0.5)
    array([0, 1, 1, 3])
    """
    parent = list(range(graph.nodes))
    forbidden: list[set[int]] = [set() for _ in range(graph.nodes)]

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    clearest_first = np.argsort(-np.abs(graph.boundary - threshold), kind="stable")
    joins = (graph.boundary < threshold)[clearest_first].tolist()
    for (u, v), join in zip(graph.pairs[clearest_first].tolist(), joins, strict=True):
        u, v = root(u), root(v)
        if u == v or v in forbidden[u]:
            continue
        if not join:
            forbidden[u].add(v)
            forbidden[v].add(u)
            continue
        if len(forbidden[u]) < len(forbidden[v]):
            u, v = v, u
        parent[v] = u
        for other in forbidden[v]:
            forbidden[other].discard(v)
            forbidden[other].add(u)
        forbidden[u] |= forbidden[v]
        forbidden[v] = set()
    return np.array([root(node) for node in range(graph.nodes)])


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
    check_elf(method)
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
