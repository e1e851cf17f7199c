"""Indices into arrays in a form that JSON can carry: an int or (start, stop, step) per axis."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from types import EllipsisType
from typing import Any

SliceKey = tuple[int | None, int | None, int | None]
Key = tuple[int | SliceKey, ...]


def encode_key(key: Any, ndim: int) -> Key:
    """Turn an index into one entry per axis that JSON can carry.

    Parameters
    ----------
    key
        An int, a slice, an ellipsis, or a tuple of them.
    ndim
        Number of axes of the array.

    Raises
    ------
    TypeError
        For index arrays and new axes.
    IndexError
        If there are more entries than axes.

    Examples
    --------
    >>> encode_key((3, ..., slice(0, 8)), 4)
    (3, (None, None, None), (None, None, None), (0, 8, None))
    """
    entries: list[Any] = list(key) if isinstance(key, tuple) else [key]
    if not any(isinstance(e, EllipsisType) for e in entries):
        entries.append(...)
    place = next(i for i, e in enumerate(entries) if isinstance(e, EllipsisType))
    missing = ndim - (len(entries) - 1)
    if missing < 0:
        raise IndexError(f"{len(entries) - 1} indices for an array of {ndim} axes")
    entries[place : place + 1] = [slice(None)] * missing
    return tuple(_encode_entry(e) for e in entries)


def _encode_entry(entry: Any) -> int | SliceKey:
    if not isinstance(entry, slice):
        return operator.index(entry)
    start, stop, step = (None if v is None else operator.index(v) for v in (entry.start, entry.stop, entry.step))
    return start, stop, step


def decode_key(key: Key) -> tuple[int | slice, ...]:
    """Turn an index from the way into one that arrays understand.

    Examples
    --------
    >>> decode_key((3, (0, 8, None)))
    (3, slice(0, 8, None))
    """
    return tuple(e if isinstance(e, int) else slice(*e) for e in key)


def key_shape(key: Key, shape: Sequence[int]) -> tuple[int, ...]:
    """Shape of the part of an array of ``shape`` that ``key`` selects.

    Raises
    ------
    IndexError
        If an int lies outside its axis.

    Examples
    --------
    >>> key_shape((3, (0, 8, None), (None, None, -1)), (5, 6, 7))
    (6, 7)
    """
    result = []
    for entry, length in zip(key, shape, strict=True):
        if isinstance(entry, int):
            if not -length <= entry < length:
                raise IndexError(f"index {entry} is out of range for an axis of length {length}")
        else:
            result.append(len(range(*slice(*entry).indices(length))))
    return tuple(result)


def describe_key(key: Key) -> str:
    """Write an index as in Python code.

    Examples
    --------
    >>> describe_key((3, (0, 512, None), (None, None, -1)))
    '[3, 0:512, ::-1]'
    """
    words = []
    for entry in key:
        if isinstance(entry, int):
            words.append(str(entry))
        else:
            start, stop, step = ("" if v is None else str(v) for v in entry)
            words.append(f"{start}:{stop}" + (f":{step}" if step else ""))
    return f"[{', '.join(words)}]"
