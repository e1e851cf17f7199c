"""What a person would see of a window: contrasts and colours, measured in what it draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QWidget
from skimage.color import deltaE_ciede2000, rgb2lab

Colours = npt.NDArray[np.float64]

# Machado, Oliveira, Fernandes 2009, doi:10.1109/TVCG.2009.113, severity 1; of linear RGB.
SEEN_BY = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def rgb(colour: str) -> Colours:
    """Red, green and blue of ``#RRGGBB``, from 0 to 1."""
    return np.array(list(bytes.fromhex(colour[1:7]))) / 255


def linear(colours: Colours) -> Colours:
    """Intensities of sRGB values."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)


def distance(one: str, other: str, eye: str) -> float:
    """CIEDE2000 between two colours as an eye sees them; people just see a difference of about 2."""

    def lab(colour: str) -> Colours:
        seen = np.clip(SEEN_BY[eye] @ linear(rgb(colour)), 0, 1)
        return rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055))

    return float(deltaE_ciede2000(lab(one), lab(other)))


def luminance(colours: Colours) -> Colours:
    """Relative luminance (WCAG 2) of sRGB values."""
    return linear(colours) @ np.array([0.2126, 0.7152, 0.0722])


def contrast(one: Any, other: Any) -> Any:
    """WCAG's contrast of luminances, 1 to 21."""
    return (np.maximum(one, other) + 0.05) / (np.minimum(one, other) + 0.05)


def pixels(image: QImage) -> Colours:
    """Colours (height, width, 3) of a picture, from 0 to 1."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3) / 255


def contrast_within(widget: QWidget) -> float:
    """The highest contrast with the commonest colour in what a widget draws: that of its text."""
    window = widget.window()
    drawn = window.grab()
    corner, ratio = widget.mapTo(window, widget.rect().topLeft()), drawn.devicePixelRatio()
    size = (round(v * ratio) for v in (corner.x(), corner.y(), widget.width(), widget.height()))
    seen = pixels(drawn.copy(*size).toImage()).reshape(-1, 3)
    values, counts = np.unique(seen, axis=0, return_counts=True)
    return float(contrast(luminance(values), luminance(values[counts.argmax()])).max())
