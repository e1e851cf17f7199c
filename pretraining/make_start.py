"""Train the network that every training starts from, on synthetic pictures and CC0 nuclei.

    python pretraining/make_start.py -o start.safetensors [--pictures 700] [--seconds 2400] [--nuclei FOLDER]

``--nuclei`` is a folder of the DSB2018 set (CC0) with ``images`` and ``masks``. Every second of its files is used,
but none of the samples that the package brings (every 11th): what has been learnt from must not be scored.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile

import napari_unet as nu
from napari_unet.events import Event, StepDone
from pictures import picture, things_target


def real_nuclei(folder: Path, rng: np.random.Generator, side: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut pieces out of the images of a folder, with their classes."""
    pairs = []
    for number, path in enumerate(sorted((folder / "images").glob("*.tif"))):
        if number % 2 or number % 11 == 0:
            continue
        image, masks = tifffile.imread(path), tifffile.imread(folder / "masks" / path.name)
        if image.ndim == 3:
            image = np.rint(image[..., :3] @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
        for _ in range(1 + 2 * (image.size > 500_000)):
            y, x = (int(rng.integers(0, max(1, n - side))) for n in image.shape)
            window = slice(y, y + side), slice(x, x + side)
            if masks[window].any():
                pairs.append((image[window], things_target(masks[window].astype(np.int32))))
    return pairs


def main() -> None:
    """Make pictures, train, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=700)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=2400)
    parser.add_argument("--start", type=Path, help="go on from this network")
    parser.add_argument("--rate", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nuclei", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    pairs = [picture(rng, options.side) for _ in range(options.pictures)]
    for folder in options.nuclei:
        pairs += real_nuclei(folder, rng, options.side)
    nu.train(
        [image for image, _ in pairs],
        [labels for _, labels in pairs],
        style="classes",
        seconds=options.seconds,
        seed=options.seed,
        checks=20,
        val_fraction=0.03,
        output=options.output,
        start=options.start,
        learning_rate=options.rate,
        precision="full",
        on_event=show,
    )


def show(event: Event) -> None:
    """Print what happens, but single steps only now and then."""
    if not isinstance(event, StepDone) or event.step % 200 == 0:
        print(event, flush=True)


if __name__ == "__main__":
    main()
