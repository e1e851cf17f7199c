"""Both docks on a small screen, in napari's themes, and by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import napari
import numpy as np
import pytest
from napari.utils.theme import get_theme
from qtpy.QtCore import QPoint, QRect, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QToolButton,
    QWidget,
)

from driving import rest
from napari_unet.plugin.by_keyboard import ByKeyboard
from napari_unet.plugin.cells.dock import CellsDock
from napari_unet.plugin.dock import UNetDock
from napari_unet.plugin.sections.plot import ON_DARK, ON_LIGHT
from seeing import contrast, contrast_within, luminance, pixels, rgb

pytestmark = pytest.mark.e2e
SMALL = 1366, 768
READABLE = 4.5
"""WCAG 2.1, AA, for text."""
SEEN = 3.0
"""WCAG 2.1, AA, for lines of pictures."""
TAB, BACK = Qt.Key.Key_Tab, Qt.Key.Key_Backtab


@dataclass
class Window:
    """A small window with both docks, one as a tab before the other."""

    viewer: napari.Viewer
    unet: UNetDock
    cells: CellsDock

    def docks(self) -> Iterator[UNetDock | CellsDock]:
        """Each dock in front."""
        for dock in (self.unet, self.cells):
            dock.parentWidget().raise_()
            rest(100)
            yield dock


@pytest.fixture
def window(make_napari_viewer: Callable[..., napari.Viewer]) -> Iterator[Window]:
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(*SMALL)
    viewer.open_sample("napari-unet-live", "nuclei-5")
    truth = viewer.layers["nuclei-5 truth"]
    viewer.add_labels(truth.data.copy(), name="cells", scale=truth.scale, units=truth.units)
    _, unet = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net")
    _, cells = viewer.window.add_plugin_dock_widget("napari-unet-live", "U-Net cells")
    cells.measure.cells.measure()
    cells.compare.compare_button.click()
    while cells.measure.cells.background.busy or not cells.compare.scores.isVisibleTo(cells):
        rest(50)
    rest(200)
    yield Window(viewer, unet, cells)
    unet.shut_down()
    cells.shut_down()


def seen(dock: QWidget, kind: type[QWidget]) -> list[QWidget]:
    return [w for w in dock.findChildren(kind) if w.isVisible() and w.width() and w.height()]


def show(widget: QWidget) -> None:
    """Scroll to a widget."""
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            parent.ensureWidgetVisible(widget, 0, 0)
        parent = parent.parentWidget()


def needed(button: QAbstractButton) -> int:
    """Width of what is written on a button, and of its picture."""
    icon = 0 if button.icon().isNull() else button.iconSize().width()
    return button.fontMetrics().size(Qt.TextFlag.TextShowMnemonic, button.text()).width() + icon


def is_whole(widget: QWidget) -> bool:
    """Whether nothing of a widget is hidden."""
    return bool(widget.visibleRegion().boundingRect() == widget.rect())


def test_on_a_small_screen_nothing_is_cut_or_out_of_reach(window: Window) -> None:
    qt_window = window.viewer.window._qt_window
    assert (qt_window.width(), qt_window.height()) == SMALL
    window.unet.train._progress.show()
    inside = QRect(qt_window.mapToGlobal(QPoint(0, 0)), qt_window.size())
    for dock in window.docks():
        buttons = seen(dock, QAbstractButton)
        assert len(buttons) > 15
        for button in buttons:
            show(button)
            assert inside.contains(QRect(button.mapToGlobal(QPoint(0, 0)), button.size())), button.text()
            assert is_whole(button), button.text()
            assert needed(button) <= button.width(), button.text()
        for box in seen(dock, QComboBox):
            assert box.width() >= 60, box.currentText()


def test_the_buttons_that_are_always_needed_need_no_scrolling(window: Window) -> None:
    train, segment = window.unet.train, window.unet.segment
    window.unet.parentWidget().raise_()
    rest(100)
    for button in (window.unet.annotate.new_button, train.train_button, train.stop_button, segment.segment_button):
        assert is_whole(button), button.text()
    window.cells.parentWidget().raise_()
    rest(100)
    for button in (*window.cells.correct.buttons.values(), window.cells.measure.measure_button):
        assert is_whole(button), button.text()
    assert is_whole(window.cells.status)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_are_read_and_curves_seen_in_every_theme(window: Window, theme: str) -> None:
    window.viewer.theme = "light" if theme == "dark" else "dark"
    rest(50)
    window.viewer.theme = theme
    rest(200)
    background = luminance(rgb(get_theme(theme).background.as_hex(format="long")))
    assert (background > 0.5) == (theme == "light")
    for dock in window.docks():
        window.unet.train._progress.show()
        labels = [w for w in seen(dock, QLabel) if w.text()]
        texts = [*labels, *(b for b in seen(dock, QAbstractButton) if b.text() and b.isEnabled())]
        assert len(texts) > 25
        for text in texts:
            show(text)
            assert contrast_within(text) >= READABLE, text.text()
    window.unet.parentWidget().raise_()
    plot = window.unet.train.plot
    for step in range(20):
        plot.add_step(step, 1.0 / (1 + step))
    plot.add_check(19, 0.5)
    show(plot)
    rest(200)
    colours = ON_LIGHT if theme == "light" else ON_DARK
    drawn = pixels(plot.grab().toImage()).reshape(-1, 3)
    for colour in colours:
        assert contrast(luminance(rgb(colour)), background) >= SEEN
        assert abs(drawn - rgb(colour)).max(axis=1).min() < 0.05, f"{colour} is not drawn"
        assert colour.lower() in plot.legend.text().lower()


def tabbed(dock: UNetDock | CellsDock) -> list[QWidget]:
    """Press Tab from the first control of a dock to the last; returns where the keyboard was."""
    sections = dock.findChild(QScrollArea)
    assert sections is not None
    first = seen(sections, QToolButton)[0]
    first.setFocus(Qt.FocusReason.TabFocusReason)
    found: list[QWidget] = []
    for _ in range(200):
        now = QApplication.focusWidget()
        if now is None or now in found or not sections.isAncestorOf(now):
            return found
        found.append(now)
        QTest.keyClick(now, TAB)
        assert QApplication.focusWidget() is not now, f"Tab does not leave {now}"
    raise AssertionError("Tab goes round and round")


def test_every_control_is_reached_by_tab_in_the_order_of_the_eye(window: Window) -> None:
    qt_window = window.viewer.window._qt_window
    qt_window.activateWindow()
    rest(100)
    for dock in window.docks():
        found = tabbed(dock)
        kinds = (QAbstractButton, QComboBox, QAbstractSpinBox, QSlider)
        sections = dock.findChild(QScrollArea)
        wanted = {w for kind in kinds for w in seen(sections, kind) if w.isEnabled() and not w.focusProxy()}
        wanted = {w for w in wanted if not isinstance(w.parentWidget(), QAbstractSpinBox | QScrollArea)}
        missing = [w for w in wanted - set(found) if not _other_of_group(w, found)]
        assert not missing, [(type(w).__name__, w.accessibleName(), getattr(w, "text", str)()) for w in missing]
        assert len(found) > 15
        for one, two in pairwise(found):
            a, b = (w.mapTo(sections.widget(), w.rect().center()) for w in (one, two))
            same_row = abs(a.y() - b.y()) < 14
            assert (a.x() < b.x()) if same_row else (a.y() < b.y()), (named(one), named(two))


def _other_of_group(widget: QWidget, found: list[QWidget]) -> bool:
    """Whether another one of the same group of buttons was reached: arrows lead to this one."""
    if not isinstance(widget, QAbstractButton):
        return False
    group = widget.group()
    buttons = [w for w in found if isinstance(w, QAbstractButton)]
    if group is not None:
        return any(w.group() is group for w in buttons)
    siblings = [w for w in buttons if w.parentWidget() is widget.parentWidget()]
    return widget.autoExclusive() and any(w.autoExclusive() for w in siblings)


def named(widget: QWidget) -> str:
    """What a screen reader would read."""
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return widget.accessibleName() or text


def test_every_control_has_a_name_and_shows_the_keyboard(window: Window) -> None:
    for dock in window.docks():
        (keyboard,) = dock.findChildren(ByKeyboard)
        for widget in tabbed(dock):
            assert named(widget), widget
            widget.setFocus(Qt.FocusReason.TabFocusReason)
            assert keyboard.ring.widget() is widget
            assert keyboard.ring.isVisible()
            assert rim_contrast(keyboard.ring) >= SEEN, named(widget)


def rim_contrast(ring: QWidget) -> float:
    """Contrast of a ring's line with what lies beside it."""
    drawn = luminance(pixels(ring.window().grab().toImage()))
    corner = ring.mapTo(ring.window(), QPoint(0, 0))
    line = drawn[corner.y() + 1, corner.x() + 2 : corner.x() + ring.width() - 2]
    beside = drawn[corner.y() - 1, corner.x() + 2 : corner.x() + ring.width() - 2]
    return float(np.median(contrast(line, beside)))


def test_enter_and_space_press_buttons(window: Window) -> None:
    window.cells.parentWidget().raise_()
    rest(100)
    button = window.cells.correct.buttons["delete"]
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Space, Qt.Key.Key_Enter):
        before = window.cells.correct.correcting.listener.mode
        button.setFocus(Qt.FocusReason.TabFocusReason)
        QTest.keyClick(button, key)
        assert window.cells.correct.correcting.listener.mode == ("" if before else "delete")
    title = window.cells.link._title
    assert isinstance(title, QToolButton)
    was = window.cells.link.is_open
    QTest.keyClick(title, Qt.Key.Key_Return)
    assert window.cells.link.is_open is not was
    assert not isinstance(button, QPushButton) or not button.isDown()
