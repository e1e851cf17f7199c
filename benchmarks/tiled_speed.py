"""Tiled prediction against the bare network: how much of the raw forward speed is left.

    python benchmarks/tiled_speed.py [--size 2048] [--rounds 5]

Interleaved rounds; the ratio is (pixels per second of the tiled prediction, from a numpy image to a numpy
array) / (pixels per second of the bare network on one input tile). The area limit is the part of the computed
pixels that is kept; nothing that computes an exact halo can be faster than it.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from common import probe
from napari_unet.arrays import intensity
from napari_unet.arrays.axes import Image
from napari_unet.learn import predictor
from napari_unet.learn.device import choose_device, keep_memory, set_threads
from napari_unet.nets import build
from napari_unet.spec import TilingSpec, UNetSpec


def main() -> None:
    """Time both and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    set_threads(None)
    keep_memory()
    device, words = choose_device("auto")
    spec = UNetSpec()
    plain = build(spec).eval().to(device)
    network = predictor.prepare(plain, 2, device)
    pixels = np.random.default_rng(0).integers(0, 255, (options.size, options.size)).astype(np.uint8)
    image = Image(pixels, "YX")
    plan = predictor.make_plan(image, spec, TilingSpec())
    norm = intensity.fit(image)
    computed = sum(np.prod([s.outer_stop - s.outer_start for s in t]) for t in plan.tiles)
    limit = pixels.size / float(computed)
    sides = [s.outer_stop - s.outer_start for s in plan.tiles[0]]
    tile = torch.randn(1, 1, *sides, device=device)
    last = tile.contiguous(memory_format=torch.channels_last)

    def tiled() -> float:
        out = np.zeros((2, *pixels.shape), np.float32)
        began = time.perf_counter()
        for piece in predictor.predict(network, spec, image, norm, plan, device):
            out[:, piece.y, piece.x] = piece.probabilities[:, 0]
        return pixels.size / (time.perf_counter() - began)

    @torch.inference_mode()
    def raw(net: torch.nn.Module, x: torch.Tensor) -> float:
        began = time.perf_counter()
        net(x)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return x[0, 0].numel() / (time.perf_counter() - began)

    rows = []
    for round_ in range(options.rounds + 1):
        row = (tiled(), raw(network, last), raw(plain, tile), probe())
        if round_:  # the first round warms up
            rows.append(row)
    tiled_rate, raw_rate, plain_rate, _ = (statistics.median(column) for column in zip(*rows, strict=True))
    probes = [row[3] for row in rows]
    print(f"{words}; {options.size}^2 pixels in {len(plan.tiles)} tiles of {sides}")
    print(f"tiled {tiled_rate / 1e6:.2f} Mpx/s, raw {raw_rate / 1e6:.2f}, plain eager NCHW {plain_rate / 1e6:.2f}")
    part = tiled_rate / raw_rate
    print(f"tiled / raw {part:.3f}, area limit {limit:.3f}, of the limit {part / limit:.3f}")
    print(f"raw / plain {raw_rate / plain_rate:.2f}; probe {min(probes):.3f} to {max(probes):.3f} s")


if __name__ == "__main__":
    main()
