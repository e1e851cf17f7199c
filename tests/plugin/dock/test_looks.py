"""The dock on a small screen and in both themes; all of it is reached by Tab."""

from __future__ import annotations

from typing import Any

import napari
import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QSlider,
    QSpinBox,
)

from dock_tools import choose_recipe
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.sections.base import Section
from napari_unet.spec import (
    RECIPES,
    TargetSpec,
)


def test_every_control_has_a_tooltip_and_takes_the_focus(dock: UNetDock) -> None:
    for part in dock.findChildren(Section):
        part.unfold(True)
    kinds: tuple[Any, ...] = (QAbstractButton, QComboBox, QSlider, QAbstractSpinBox)
    for kind in kinds:
        for control in dock.findChildren(kind):
            if control.objectName().startswith("qt_") or not control.isVisibleTo(dock):
                continue
            if control.parent().metaObject().className().startswith(("QScroll", "QAbstractSpin", "ViewBox")):
                continue
            name = getattr(control, "text", control.accessibleName)()
            assert control.toolTip(), f"{type(control).__name__} '{name}' has no tooltip"
            assert control.focusPolicy() & Qt.FocusPolicy.TabFocus, f"'{name}' is not reached by Tab"


def test_all_buttons_fit_on_a_small_screen(dock: UNetDock, viewer: napari.Viewer, qtbot: QtBot) -> None:
    viewer.window._qt_window.resize(1366, 768)
    dock.annotate.new_button.click()
    qtbot.wait(100)
    assert dock.width() <= 400
    bottom = dock.model.save_button.mapTo(dock, dock.model.save_button.rect().bottomRight())
    assert bottom.y() < dock.status.y()
    for made in dock.findChildren(QAbstractButton):
        if made.isVisible():
            assert made.mapTo(dock, made.rect().topRight()).x() <= dock.width()


@pytest.mark.parametrize("through", [False, True])
def test_ranges_of_time_and_depth_fit_beside_each_other(
    dock: UNetDock, viewer: napari.Viewer, qtbot: QtBot, through: bool
) -> None:
    viewer.window._qt_window.resize(1366, 768)
    viewer.add_image(np.zeros((1200, 1300, 8, 8), np.uint8), name="movie")
    dock.controller.selection.choose_image(viewer.layers["movie"])
    scope = dock.segment.scope
    (scope.rectangle_button if through else scope.stack_button).setChecked(True)
    scope.through_box.setChecked(through)

    def laid_out() -> bool:
        lines = [(span.last, span.last.lineEdit()) for span in scope.spans.values()]
        widths = [(box.fontMetrics().horizontalAdvance(box.text()), line.width()) for box, line in lines]
        return all(box.isVisible() for box, _ in lines) and all(text <= width for text, width in widths)

    qtbot.waitUntil(laid_out)
    for made in (*dock.findChildren(QAbstractButton), *dock.segment.findChildren(QSpinBox)):
        if made.isVisible():
            assert made.mapTo(dock, made.rect().topRight()).x() <= dock.width()
    bottom = dock.model.save_button.mapTo(dock, dock.model.save_button.rect().bottomRight())
    assert bottom.y() < dock.status.y()


@pytest.mark.parametrize("recipe", ["unet2015", "vgg16-frozen", "unet", "vnet"])
def test_advanced_fits_and_is_aligned(dock: UNetDock, viewer: napari.Viewer, qtbot: QtBot, recipe: str) -> None:
    """All rows unfolded: nothing beyond the dock's edge, no text cut off, widgets below one another."""
    viewer.window._qt_window.resize(1366, 768)
    dock.annotate.target_changed.emit(TargetSpec(style="cells"))
    if recipe in RECIPES:
        choose_recipe(dock, recipe)
    for part in dock.findChildren(Section):
        part.unfold(True)
    qtbot.wait(100)
    kinds: tuple[Any, ...] = (QAbstractButton, QComboBox, QAbstractSpinBox)
    lefts = set()
    for kind in kinds:
        for made in dock.advanced.findChildren(kind):
            if not made.isVisible() or made.parent() is None:
                continue
            assert made.mapTo(dock, made.rect().topRight()).x() < dock.width()
    own = [dock.advanced.train, dock.advanced.machine, dock.advanced.tiling, dock.advanced.target]
    lefts.add(dock.advanced.recipe.mapTo(dock, dock.advanced.recipe.rect().topLeft()).x())
    for form in (*own, dock.advanced.encoder, *dock.advanced.net.forms.values()):
        for editor in form._editors.values():
            if editor.widget.isVisible():
                lefts.add(editor.widget.mapTo(dock, editor.widget.rect().topLeft()).x())
    assert len(lefts) == 1
    for box in dock.advanced.findChildren(QComboBox):
        if box.isVisible():
            text = box.fontMetrics().horizontalAdvance(box.currentText())
            assert text < box.width() - 30, box.currentText()


def test_both_themes(dock: UNetDock, viewer: napari.Viewer) -> None:
    seen = set()
    for theme in ("dark", "light"):
        viewer.theme = theme
        seen.add(dock.train.plot.backgroundBrush().color().name())
    assert len(seen) == 2
