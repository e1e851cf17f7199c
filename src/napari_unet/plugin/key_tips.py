"""Buttons and tooltips that tell keys, which the user can change."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QAbstractButton, QWidget

from napari_unet.plugin.keymap import KEYMAP

_Told = tuple[Callable[[str], None], str]


class KeyTips:
    """Shows keys where texts and tooltips name actions in braces, now and when the keys change.

    Parameters
    ----------
    root
        All parts of this widget are looked at, once.
    """

    def __init__(self, root: QWidget) -> None:
        self._told = [
            told for part in _parts_of(root) for told in _texts_of(part) if KEYMAP.tell(told[1]) != told[1]
        ]
        self.show()
        KEYMAP.changed.connect(self.show)

    def close(self) -> None:
        """Leave them as they are."""
        KEYMAP.changed.disconnect(self.show)

    def show(self) -> None:
        """Tell the keys that count now."""
        for tell, template in self._told:
            tell(KEYMAP.tell(template))


def _parts_of(root: QWidget) -> list[QWidget | QAction]:
    return [root, *root.findChildren(QWidget), *root.findChildren(QAction)]


def _texts_of(part: QWidget | QAction) -> list[_Told]:
    told: list[_Told] = [(part.setToolTip, part.toolTip())]
    if isinstance(part, QAbstractButton | QAction):
        told.append((part.setText, part.text()))
    return told
