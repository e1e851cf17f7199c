"""ISBI 2012, dense labels, through the command line: V_rand on slices that training has not seen.

    python benchmarks/isbi_dense.py [--seconds 60 240] [--seeds 0 1] [--threads N]

Trains on slices 0 to 15, scores the cells of slices 16 to 19 (``napari-unet train | predict | score``).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile

import napari_unet as nu
from common import need, probe


def command(*args: object) -> str:
    """Run ``napari-unet`` and return its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "napari_unet", *map(str, args)], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def main() -> None:
    """Train, predict, score for every budget and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, nargs="+", default=[60, 240])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    options = parser.parse_args()
    source = need("isbi2012")
    volume, truth = (tifffile.imread(source / f"train-{n}.tif") for n in ("volume", "labels"))
    classes = np.where(truth > 0, 1, 2).astype(np.uint8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, planes in (("train", slice(0, 16)), ("test", slice(16, 20))):
            tifffile.imwrite(folder / f"{part}-image.tif", volume[planes])
            tifffile.imwrite(folder / f"{part}-labels.tif", classes[planes])
            tifffile.imwrite(folder / f"{part}-truth.tif", truth[planes])
        for seconds in options.seconds:
            for seed in options.seeds:
                print(json.dumps(run(folder, seconds, seed)), flush=True)


def run(folder: Path, seconds: float, seed: int) -> dict[str, object]:
    """Score one training."""
    model, image, truth = folder / "model.safetensors", folder / "test-image.tif", folder / "test-truth.tif"
    before = probe()
    train = ("train", folder / "train-image.tif", folder / "train-labels.tif", "-o", model)
    command(*train, "--seconds", seconds, "--seed", seed)
    result: dict[str, object] = {"seconds": seconds, "seed": seed, "probe": [round(before, 3), round(probe(), 3)]}
    for output in ("cells", "probabilities"):
        command("predict", model, image, "-o", folder / f"{output}.tif", "--output", output)
        result[output] = json.loads(command("score", folder / f"{output}.tif", truth, "--truth", "membrane"))
    result["steps"] = nu.load(model).describe()["steps"]
    return result


if __name__ == "__main__":
    main()
