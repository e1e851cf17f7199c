"""The tiled predictor: reads a tile with its halo, computes it, keeps its inside. No seams, no blending."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from napari_unet.arrays import tiles
from napari_unet.arrays.axes import Image
from napari_unet.arrays.identity import digest
from napari_unet.arrays.intensity import Normalisation
from napari_unet.arrays.tiles import Span, Tile
from napari_unet.errors import UserError
from napari_unet.learn.device import memory_format
from napari_unet.learn.inference import Halved
from napari_unet.learn.memory import ENOUGH, is_out_of_memory, where_it_fits
from napari_unet.learn.plan import Plan
from napari_unet.learn.turns import AS_IT_IS, Turn
from napari_unet.nets.head import probabilities
from napari_unet.spec import NetSpec

Reduce = Callable[[Tensor], Mapping[Any, Tensor]]
"""From probabilities (N, classes, [Z,] Y, X) to what is wanted, on the device: (N, [K,] [Z,] Y, X) each."""
Say = Callable[[str], None]


def as_they_are(values: Tensor) -> Mapping[Any, Tensor]:
    """Keep the probabilities."""
    return {"float": values}


@dataclass(frozen=True)
class Batch:
    """Tiles of one shape that belong to one block, and their pixels."""

    block: int
    """Number of the block."""
    tiles: tuple[Tile, ...]
    pixels: npt.NDArray[np.float32]
    """(N, C, Z, Y, X), normalised."""
    source: str
    """Hash of the pixels as they were read."""
    last: bool
    """Whether the block is complete with this."""


def read(
    image: Image,
    normalisation: Normalisation,
    plan: Plan,
    blocks: Iterable[int],
) -> Iterator[Batch]:
    """Read blocks tile by tile.

    Parameters
    ----------
    image
        Only the tiles at hand are read.
    normalisation
        Fitted once for the whole image.
    plan
        From `make_plan`.
    blocks
        Numbers of the blocks.
    """
    for number in blocks:
        block = plan.block_at(number)
        batches = list(plan.batches_of(block))
        for n, alike in enumerate(batches, start=1):
            raw = np.stack([read_tile(image, block.t[0], tile) for tile in alike])
            pixels = np.stack([normalisation.apply(one) for one in raw])
            yield Batch(number, tuple(alike), pixels, digest(raw), last=n == len(batches))


def digest_of_source(image: Image, plan: Plan, number: int) -> str:
    """Hash all that a block is computed from, as `read` does batch by batch."""
    block = plan.block_at(number)
    return "".join(
        digest(np.stack([read_tile(image, block.t[0], tile) for tile in alike]))
        for alike in plan.batches_of(block)
    )


def read_tile(image: Image, t: int, spans: Sequence[Span]) -> npt.NDArray[Any]:
    """Read the outer box of a tile; beyond the image's ends the image, not the tile, is mirrored."""
    box, pads, kept = zip(*(_mirrored(s, n) for s, n in zip(spans, image.shape[2:], strict=True)), strict=True)
    block = image.read(t, *box)
    if any(max(pad) for pad in pads):
        block = np.pad(block, [(0, 0), *pads], mode="reflect")
    return block[(slice(None), *kept)]


def _mirrored(span: Span, size: int) -> tuple[slice, tuple[int, int], slice]:
    """Tell what to read along an axis, how much to mirror at both ends, and what to keep of the result."""
    before, after = max(0, -span.outer_start), max(0, span.outer_stop - size)
    first = max(0, min(span.outer_start, size - 1 - after) if after else span.outer_start)
    last = min(size, max(span.outer_stop, before + 1) if before else span.outer_stop)
    start = 0 if before else span.outer_start - first
    return slice(first, last), (before, after), slice(start, start + span.outer_length)


class Predictor:
    """Computes tiles; where memory is short, smaller ones, and in the end on the CPU.

    Parameters
    ----------
    network
        In evaluation mode on ``device``, best from `napari_unet.learn.inference.prepare`.
    net
        What it is; tells how its outputs become probabilities.
    plan
        Tells what the network needs of its tiles.
    device
        Where to compute.
    reduce
        What is made of the probabilities before they leave the device.
    turns
        Views of a tile whose predictions are averaged; see `napari_unet.learn.turns.mirror_images`.
    say
        Told of what was done about a lack of memory.
    """

    def __init__(
        self,
        network: nn.Module,
        net: NetSpec,
        plan: Plan,
        device: torch.device,
        *,
        reduce: Reduce = as_they_are,
        turns: Sequence[Turn] = (AS_IT_IS,),
        say: Say = lambda _: None,
    ) -> None:
        self._network, self._net, self._plan, self._reduce, self._say = network, net, plan, reduce, say
        self._turns, self.device = turns, device
        self._full: Predictor | None = None
        self._one_at_a_time = threading.Lock()
        self._most: int | None = None

    def compute(self, batch: Sequence[Tile], pixels: npt.NDArray[np.float32]) -> Results:
        """Compute tiles of one shape.

        Parameters
        ----------
        batch
            The tiles.
        pixels
            (N, C, Z, Y, X) of their outer boxes.

        Returns
        -------
        Results
            For every tile what ``reduce`` makes of its kept part, ([K,] Z, Y, X) each.

        Raises
        ------
        UserError
            If there is not enough memory for the smallest tile, not even for the CPU.
        """
        if self._most is None or pixels[:, 0].size <= self._most:
            try:
                return self._forward(batch, pixels)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._most = pixels[:, 0].size // 2
            # only here, where the error no longer holds what was computed
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            if len(batch) > 1 or tiles.halve(batch[0], self._plan.size, self._plan.fits):
                self._say(f"not enough memory for {_lengths(pixels)}: going on with smaller tiles")
        return self._smaller(batch, pixels)

    def _smallest(self, batch: Sequence[Tile], pixels: npt.NDArray[np.float32]) -> Results:
        """Compute a tile that cannot be smaller, if need be on the CPU."""
        try:
            return self._forward(batch, pixels)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if self.device.type == "cpu":
                raise UserError(
                    f"there is not enough memory for a tile of {_lengths(pixels)}, the smallest that this network "
                    "can take; close other programs, or train a network with fewer channels or levels"
                ) from error
        self._most, self.device = ENOUGH[self._net.ndim], torch.device("cpu")
        self._network = _on_cpu(self._network)
        self._say(f"not enough memory on the GPU for a tile of {_lengths(pixels)}: going on with the CPU")
        return self.compute(batch, pixels)

    def _smaller(self, batch: Sequence[Tile], pixels: npt.NDArray[np.float32]) -> Results:
        """Compute the tiles one by one, or a single one in parts that lie within it."""
        if len(batch) > 1:
            alone = [self.compute((tile,), pixels[n : n + 1]) for n, tile in enumerate(batch)]
            return Results([one for result in alone for one in result.arrays()])
        (tile,) = batch
        parts = tiles.halve(tile, self._plan.size, self._plan.fits)
        if not parts:
            return self._smallest(batch, pixels)
        whole: dict[Any, npt.NDArray[Any]] = {}
        for part in parts:
            box: tuple[Any, ...] = tuple(
                slice(s.outer_start - o.outer_start, s.outer_stop - o.outer_start)
                for s, o in zip(part, tile, strict=True)
            )
            place: tuple[Any, ...] = tuple(
                slice(s.start - o.start, s.stop - o.start) for s, o in zip(part, tile, strict=True)
            )
            (found,) = self.compute((part,), pixels[(..., *box)]).arrays()
            for name, values in found.items():
                if name not in whole:
                    lengths = (*values.shape[:-3], *(s.stop - s.start for s in tile))
                    whole[name] = np.empty(lengths, values.dtype)
                whole[name][(..., *place)] = values
        return Results([whole])

    def _forward(self, batch: Sequence[Tile], pixels: npt.NDArray[np.float32]) -> Results:
        results = self._launch(self._network, batch, pixels)
        if isinstance(self._network, Halved):
            results.instead = partial(self._in_full, self._network, self.device, batch, pixels)
        return results

    def _in_full(
        self, halved: Halved, device: torch.device, batch: Sequence[Tile], pixels: npt.NDArray[np.float32]
    ) -> Results:
        """Compute tiles again that half precision has no numbers for."""
        with self._one_at_a_time:  # results are taken where tiles are computed, or where they are written
            if self._full is None:
                self._say("some places are too bright or too dark for half precision: they are computed in full")
                network, device = where_it_fits(halved.full, device)
                self._full = Predictor(
                    network, self._net, self._plan, device, reduce=self._reduce, turns=self._turns, say=self._say
                )
            return Results(self._full.compute(batch, pixels).arrays())

    @torch.inference_mode()
    def _launch(self, network: nn.Module, batch: Sequence[Tile], pixels: npt.NDArray[np.float32]) -> Results:
        flat, on_gpu = self._net.ndim == 2, self.device.type == "cuda"
        x = torch.from_numpy(np.ascontiguousarray(pixels[:, :, 0] if flat else pixels))
        x = (x.pin_memory() if on_gpu else x).to(self.device, non_blocking=on_gpu)
        found, total = self._look(network, x, self._turns[0])
        for turn in self._turns[1:]:
            more, of_more = self._look(network, x, turn)
            found, total = found + more, total + of_more
        found = found / len(self._turns) if len(self._turns) > 1 else found
        with torch.cuda.device(self.device) if on_gpu else nullcontext():  # whose stream the copies go to
            return self._fetch(batch, self._reduce(found), total, on_gpu=on_gpu)

    def _look(self, network: nn.Module, x: Tensor, turn: Turn) -> tuple[Tensor, Tensor]:
        """Give the probabilities of one view, turned back, and the sum of the network's outputs.

        NaN and infinity stay in the sum; it is looked at when it is here, so that a GPU need not wait.
        """
        outputs = network(turn.apply(x).contiguous(memory_format=memory_format(self._net.ndim)))
        return turn.undo(probabilities(outputs, self._net)), outputs.sum()

    def _fetch(
        self, batch: Sequence[Tile], found: Mapping[Any, Tensor], total: Tensor, *, on_gpu: bool
    ) -> Results:
        """Begin to fetch the kept parts of some tiles."""
        flat = self._net.ndim == 2
        kept: list[tuple[Any, ...]] = [tuple(s.kept for s in tile)[-self._net.ndim :] for tile in batch]
        one_by_one = [{name: v[n][(..., *box)] for name, v in found.items()} for n, box in enumerate(kept)]
        if flat:
            one_by_one = [{name: v[..., None, :, :] for name, v in one.items()} for one in one_by_one]
        return Results.fetch(one_by_one, total, on_gpu=on_gpu)


class Results:
    """What was computed of some tiles; on its way from the device until `arrays` is called.

    Attributes
    ----------
    instead
        Computes it in another way, where the network's outputs are NaN or infinite.
    """

    def __init__(
        self,
        tensors: Sequence[Mapping[Any, Any]],
        total: Tensor | None = None,
        arrived: torch.cuda.Event | None = None,
    ) -> None:
        self._tensors, self._total, self._arrived = tensors, total, arrived
        self.instead: Callable[[], Results] | None = None

    @classmethod
    def fetch(cls, tensors: Sequence[Mapping[Any, Tensor]], total: Tensor, *, on_gpu: bool) -> Results:
        """Begin to copy tensors, and the sum of the network's outputs, into the machine's memory."""
        if not on_gpu:
            return cls([{name: v.cpu().numpy() for name, v in one.items()} for one in tensors], total)
        copies = [{name: _on_its_way(v) for name, v in one.items()} for one in tensors]
        total = _on_its_way(total)
        arrived = torch.cuda.Event()
        arrived.record()
        return cls(copies, total, arrived)

    def arrays(self) -> list[dict[Any, npt.NDArray[Any]]]:
        """Wait until everything is there, and give it.

        Raises
        ------
        UserError
            If the network's outputs are NaN or infinite, however they are computed.
        """
        if self._arrived is not None:
            self._arrived.synchronize()
        if self._total is not None and not self._total.isfinite():
            if self.instead is not None:
                return self.instead().arrays()
            raise UserError(
                "the model predicts NaN or infinite values: its training went wrong; train it again, with a lower "
                "learning rate"
            )
        return [{name: np.asarray(v) for name, v in one.items()} for one in self._tensors]


def _on_its_way(values: Tensor) -> Tensor:
    """Begin to copy values from the GPU to pinned memory."""
    copied = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return copied.copy_(values, non_blocking=True)


def _on_cpu(network: nn.Module) -> nn.Module:
    """Copy a network to the CPU, in full precision; nothing is copied within the GPU, whose memory is full."""
    cpu = torch.device("cpu")
    if isinstance(network, Halved):
        return network.full(cpu)
    memo: dict[int, Any] = {id(p): nn.Parameter(p.detach().to(cpu), p.requires_grad) for p in network.parameters()}
    memo |= {id(b): b.to(cpu, copy=True) for b in network.buffers()}
    return copy.deepcopy(network, memo)


def _lengths(pixels: npt.NDArray[Any]) -> str:
    return " x ".join(str(n) for n in pixels.shape[2:] if n > 1) + " pixels"
