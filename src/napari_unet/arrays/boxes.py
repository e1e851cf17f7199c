"""Blocks of a volume: how it is cut, what lies around a block, and how blocks are computed ahead."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Box = tuple[slice, ...]
T = TypeVar("T")

IN_ONE_PIECE = 2**25
"""Volumes of so many voxels are one block. Not by the memory that is free: the cells must not depend on it."""
IN_A_BLOCK = 2**24
"""Voxels of the blocks of larger ones, at most."""
AT_ONCE = 2
"""Blocks that are computed at the same time."""


def is_large(shape: Sequence[int]) -> bool:
    """Tell whether a slice or volume is cut into blocks."""
    return math.prod(shape) > IN_ONE_PIECE


def block_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Choose the lengths of blocks: the volume itself unless it is large, else about equal ones.

    Examples
    --------
    >>> block_of((64, 512, 512)), block_of((64, 2048, 2048))
    ((64, 512, 512), (64, 512, 512))
    """
    block = list(shape)
    if not is_large(shape):
        return tuple(block)
    while math.prod(block) > IN_A_BLOCK:
        longest = block.index(max(block))
        block[longest] = -(-block[longest] // 2)
    return tuple(block)


def boxes_of(shape: Sequence[int], block: Sequence[int]) -> list[Box]:
    """Cut a volume into blocks, the first axis slowest.

    Examples
    --------
    >>> [[(s.start, s.stop) for s in box] for box in boxes_of((3, 4), (2, 4))]
    [[(0, 2), (0, 4)], [(2, 3), (0, 4)]]
    """
    cuts = [[slice(i, min(i + b, n)) for i in range(0, n, b)] for n, b in zip(shape, block, strict=True)]
    return list(itertools.product(*cuts))


def grown(box: Box, by: Sequence[int], shape: Sequence[int], *, after: bool = True) -> Box:
    """Grow a box to all sides, or only to those before it, as far as the volume goes.

    Examples
    --------
    >>> grown((slice(4, 8),), (3,), (9,)), grown((slice(4, 8),), (3,), (9,), after=False)
    ((slice(1, 9, None),), (slice(1, 8, None),))
    """
    return tuple(
        slice(max(0, s.start - n), min(size, s.stop + n * after))
        for s, n, size in zip(box, by, shape, strict=True)
    )


def within(box: Box, other: Box) -> Box:
    """Tell a box in coordinates of another that holds it."""
    return tuple(slice(s.start - o.start, s.stop - o.start) for s, o in zip(box, other, strict=True))


def ahead(compute: Callable[[Box], T], boxes: Sequence[Box]) -> Iterator[T]:
    """Compute boxes in order, the next ones already while one is worked on."""
    if len(boxes) == 1:
        yield compute(boxes[0])
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for box in boxes:
                waiting.append(pool.submit(compute, box))
                if len(waiting) > AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
