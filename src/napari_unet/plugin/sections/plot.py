"""The live plot of the loss."""

from __future__ import annotations

import math

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel, QSizePolicy

ON_DARK, ON_LIGHT = ("#56B4E9", "#E69F00"), ("#0072B2", "#B34700")
"""Colours of the curves of training and held-out strokes: blue and orange, which colour-blind people tell apart,
as light or dark as the theme needs."""
MOST = 2000
"""Points that are kept; every second one is dropped when there are more."""
SMOOTH = 0.9
"""Weight of the past in the training curve."""


class LossPlot(pg.PlotWidget):  # type: ignore[misc]
    """Training loss (smoothed) and held-out loss over the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(84)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setMouseEnabled(False, False)
        self.setMenuEnabled(False)
        self.hideButtons()
        self.setToolTip(
            "How wrong the network is: lower is better. Held out: on strokes it has not learnt from.\n"
            "Where other strokes are held out than before, this curve begins anew."
        )
        item = self.getPlotItem()
        item.getAxis("left").setWidth(34)
        item.setContentsMargins(0, 2, 4, 0)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._training = self.plot()
        self._held_out = self.plot(symbol="o", symbolSize=6, symbolPen=None)
        self.legend = QLabel()
        self._colour(ON_DARK)
        self.clear_curves()

    def clear_curves(self) -> None:
        """Begin anew."""
        self._points: list[tuple[int, float]] = []
        self._checks: list[tuple[int, float]] = []
        self._mean: float | None = None
        self._training.setData([], [])
        self._held_out.setData([], [])

    def add_step(self, step: int, loss: float) -> None:
        """Add a step of the training."""
        self._mean = loss if self._mean is None else SMOOTH * self._mean + (1 - SMOOTH) * loss
        self._points.append((step, self._mean))
        if len(self._points) > MOST:
            self._points = self._points[::2]
        self._training.setData(*zip(*self._points, strict=True))

    def add_check(self, step: int, loss: float, *, other: bool = False) -> None:
        """Add a held-out loss; ``other``: it is that of other strokes than before, and no line leads to it."""
        if other and self._checks:
            self._checks.append((step, math.nan))
        self._checks.append((step, loss))
        self._held_out.setData(*zip(*self._checks, strict=True), connect="finite")

    def show_theme(self, background: str, text: str) -> None:
        """Take the colours of napari's theme."""
        self.setBackground(background)
        for name in ("left", "bottom"):
            axis = self.getPlotItem().getAxis(name)
            axis.setPen(text)
            axis.setTextPen(text)
        dark = QColor(background).lightnessF() < 0.5
        self._colour(ON_DARK if dark else ON_LIGHT)

    def _colour(self, colours: tuple[str, str]) -> None:
        """Draw the curves in colours; they differ in form, too."""
        training, held_out = colours
        self._training.setPen(pg.mkPen(training, width=1.5))
        self._held_out.setPen(pg.mkPen(held_out, width=1.5))
        self._held_out.setSymbolBrush(held_out)
        self.legend.setText(
            f"Loss <b style='color:{training}'>&#8212;</b> training, "
            f"<b style='color:{held_out}'>&#8212;&#9679;&#8212;</b> held out"
        )
