"""Predict an image in tiles with different halos, and write the picture of where the results deviate.

It trains a small network first, since random weights see too little to leave seams::

    python docs/make_tiles_picture.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import napari_unet as nu
from napari_unet.spec import TilingSpec
from napari_unet.storage.samples import load_sample

TARGET = Path(__file__).parent / "images" / "tiles.png"
KEPT = 64
"""Length of what is kept of a tile."""
HALOS = (0, 16, 48)
SCALE, GAP, LINE = 2, 12, 18


def panel(deviation: np.ndarray, words: str) -> Image.Image:
    """Draw deviations, from none (black) to half a probability (white), under a line of words."""
    grey = np.uint8(np.clip(deviation / 0.5, 0, 1) ** 0.5 * 255)
    height, width = (SCALE * n for n in grey.shape)
    drawn = Image.new("L", (width, height + LINE), 255)
    drawn.paste(Image.fromarray(grey).resize((width, height), Image.Resampling.NEAREST), (0, LINE))
    ImageDraw.Draw(drawn).text((0, 2), words, fill=0)
    return drawn


def main() -> None:
    """Write the picture."""
    sample = load_sample("epithelium")
    model = nu.train(sample.image, sample.labels, style="cells", dense=True, steps=60)
    whole = model.predict(sample.image)
    panels = []
    for halo in HALOS:
        tiled = model.predict(sample.image, tiling=TilingSpec(tile=KEPT + 2 * halo, halo=halo))
        deviation = np.abs(tiled - whole).max(axis=0)
        panels.append(panel(deviation, f"halo {halo}: largest deviation {deviation.max():.2f}"))
    picture = Image.new("L", (sum(p.width + GAP for p in panels) - GAP, panels[0].height), 255)
    for number, each in enumerate(panels):
        picture.paste(each, (number * (each.width + GAP), 0))
    picture.save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
