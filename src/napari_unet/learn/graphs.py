"""ONNX graphs of others: made ready for images of any length, as far as they can take them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_unet.errors import UserError
from napari_unet.nets.onnx_graph import INSTALL, open_session

STEPS = (1, 2, 4, 8, 16, 32, 64, 128)
"""Multiples of which lengths may have to be."""
ALIKE = 1e-3
"""Of what the same pixels give in images of different lengths, far from their ends; relative to their range."""
EQUAL = 1e-5
"""The same beyond the halo, where rounding alone may differ."""
LARGEST = 2**20
"""Pixels of the largest image on which a halo is measured."""


def loosened(graph: bytes, ndim: int) -> bytes:
    """Give a graph whose input may have any length along its last axes, whatever lengths it was exported with.

    Raises
    ------
    UserError
        If it is no graph with one input, keeps weights in another file, or the package ``onnx`` is missing.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise UserError(f"this model needs {error.name}, which is not installed: {INSTALL}") from error
    try:
        model = onnx.load_model_from_string(graph)
    except (DecodeError, ValueError) as error:
        raise UserError(f"the ONNX graph of the package is damaged ({error})") from error
    if any(t.data_location == onnx.TensorProto.EXTERNAL for t in _tensors(model.graph)):
        raise UserError("the ONNX graph keeps weights in another file, which is not supported")
    weights = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights]
    if len(inputs) != 1 or len(model.graph.output) != 1:
        raise UserError("the ONNX graph has more than one input or output, which is not supported")
    for value in (inputs[0], model.graph.output[0]):
        axes = value.type.tensor_type.shape.dim
        for n, dim in enumerate(list(axes)[-ndim:]):
            dim.dim_param = f"length{n}"
    del model.graph.value_info[:]  # lengths of what is in between
    loose: bytes = model.SerializeToString()
    return loose


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield all tensors of a graph and the graphs in it."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for attribute in (a for node in graph.node for a in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            if inner.ByteSize():
                yield from _tensors(inner)


def find_steps(graph: bytes, seen: npt.NDArray[np.float32], told: Sequence[int | None]) -> tuple[int, ...]:
    """Find of what the lengths have to be multiples, where the package does not tell.

    Parameters
    ----------
    graph
        From `loosened`.
    seen
        An input, (1, C, [Z,] Y, X).
    told
        Per spatial axis; None: not told.

    Raises
    ------
    UserError
        If the network takes no other lengths than those of ``seen``, or looks at the whole image.
    """
    session = open_session(graph)
    whole = _run(session, seen)
    if whole is None:
        raise UserError("the ONNX graph does not run on the test input of its own package")
    if whole.shape[2:] != seen.shape[2:]:
        raise UserError(
            f"the network makes {whole.shape[2:]} of {seen.shape[2:]} pixels; only those that give as many "
            "as they take can be imported"
        )
    found = list(told)
    for n in [n for n, step in enumerate(told) if step is None]:
        step = next((s for s in STEPS if s < seen.shape[2 + n] and _takes(session, seen, whole, 2 + n, s)), None)
        if step is None:
            raise UserError(
                f"the network takes images of {' x '.join(map(str, seen.shape[2:]))} pixels alone, which is not "
                "supported: ask its authors for one that takes others"
            )
        found[n] = step
    return tuple(step for step in found if step is not None)


def _takes(session: Any, seen: npt.NDArray[Any], whole: npt.NDArray[Any], axis: int, step: int) -> bool:
    """Tell whether an image that is shorter by ``step`` at its end gives the same far from there."""
    length = seen.shape[axis] - step
    shorter = _run(session, np.take(seen, range(length), axis))
    expected = (*whole.shape[:axis], length, *whole.shape[axis + 1 :])
    if shorter is None or shorter.shape != expected:
        return False
    far = range(max(1, length // 4))
    difference = np.abs(np.take(shorter, far, axis) - np.take(whole, far, axis)).max()
    return bool(difference <= ALIKE * max(1e-6, float(np.ptp(whole))))


def measure_halo(graph: bytes, seen: npt.NDArray[np.float32], steps: Sequence[int]) -> tuple[int, ...] | None:
    """Measure how far from its ends a network gives other values than in the middle of a larger image.

    It is run on parts of an image. Where that is too short to tell, it is mirrored to twice the length.

    Parameters
    ----------
    graph
        From `loosened`.
    seen
        An input, (1, C, [Z,] Y, X).
    steps
        From `find_steps`.

    Returns
    -------
    tuple of int or None
        Pixels per spatial axis; None if they are too many to be told, as of networks that look at whole images.
    """
    session = open_session(graph)
    while (whole := _run(session, seen)) is not None:
        found = [_wrong_at_ends(session, seen, whole, n, step) for n, step in enumerate(steps, start=2)]
        lengths = [length // step * step for length, step in zip(seen.shape[2:], steps, strict=True)]
        more = [length if n is None else 0 for n, length in zip(found, lengths, strict=True)]
        if not any(more):
            return tuple(n for n in found if n is not None)
        if math.prod(n + m for n, m in zip(seen.shape[2:], more, strict=True)) > LARGEST:
            return None
        seen = np.pad(seen, [(0, 0), (0, 0), *((0, m) for m in more)], mode="symmetric")
    return None


def _wrong_at_ends(
    session: Any, seen: npt.NDArray[Any], whole: npt.NDArray[Any], axis: int, step: int
) -> int | None:
    """Count the pixels that differ where one end of an axis is cut off; None if almost all do."""
    cut = max(step, seen.shape[axis] // 4 // step * step)
    kept = seen.shape[axis] - cut
    if kept < 1:
        return None
    farthest = 0
    for start, way in ((0, -1), (cut, 1)):
        part, expected = (np.take(a, range(start, start + kept), axis) for a in (seen, whole))
        found = _run(session, part)
        if found is None or found.shape != expected.shape:
            return None
        others = tuple(n for n in range(whole.ndim) if n != axis)
        same = np.abs(found - expected).max(axis=others) <= EQUAL * max(1e-6, float(np.ptp(whole)))
        wrong = np.flatnonzero(~same[::way])  # from the end that was cut
        farthest = max(farthest, int(wrong[-1]) + 1 if len(wrong) else 0)
    return farthest if farthest <= kept - kept // 4 else None


def _run(session: Any, seen: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """Run a graph; None if it does not take the input."""
    try:
        found = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(seen, np.float32)})
    except Exception:  # noqa: BLE001 - onnxruntime has many, without a common base: each says no
        return None
    return np.asarray(found[0])
