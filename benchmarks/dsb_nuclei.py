"""DSB2018 fluorescence nuclei: train on 40 images, average precision on the rest.

    python benchmarks/dsb_nuclei.py [--seconds 240] [--seed 0]

Labels are used as they are (style ``cells``, unpainted pixels are background).
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import tifffile

import napari_unet as nu
from common import need, probe
from napari_unet.arrays.metrics import instance_score
from napari_unet.events import CheckDone, Event, Finished


def report(event: Event) -> None:
    """Print the held-out scores while training."""
    if isinstance(event, CheckDone | Finished):
        print(event, flush=True)


def main() -> None:
    """Train and score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = need("dsb2018") / "fluorescence"
    names = sorted(p.name for p in (folder / "images").glob("*.tif"))
    order = np.random.default_rng(options.seed).permutation(len(names))
    images, masks = ([tifffile.imread(folder / kind / names[i]) for i in order] for kind in ("images", "masks"))
    before = probe()
    model = nu.train(
        images[:40],
        masks[:40],
        style="cells",
        dense=True,
        seconds=options.seconds,
        seed=options.seed,
        on_event=report,
    )
    scores = [instance_score(model.cells(i), m) for i, m in zip(images[40:], masks[40:], strict=True)]
    print(
        json.dumps(
            {
                "images": len(scores),
                "ap50": round(float(np.mean([s.ap50 for s in scores])), 4),
                "ap": round(float(np.mean([s.ap for s in scores])), 4),
                "worst": sorted(round(s.ap50, 3) for s in scores)[:5],
                "probe": [round(before, 3), round(probe(), 3)],
            }
        )
    )


if __name__ == "__main__":
    main()
